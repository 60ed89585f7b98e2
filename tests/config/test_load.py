"""Loading a configuration: which source wins, what is refused, and in what words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sipagent.config import Account, Configuration, load, load_text
from sipagent.config.values import Codec, Nat, Pipeline
from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Address

OFFICE = """\
[account office]
registrar = sip:pbx.example.com
username = 6001
password = secret
"""


def refusal(text: str, environ: dict[str, str] | None = None, *overrides: str) -> list[str]:
    """The lines of the error that this configuration is."""
    with pytest.raises(ConfigurationError) as caught:
        load_text(text, environ or {}, overrides)
    return str(caught.value).splitlines()


# ---- where it comes from


def test_without_any_source_the_defaults_hold() -> None:
    assert load_text("", {}) == Configuration()


def test_a_section_becomes_a_value_under_its_name() -> None:
    configuration = load_text(OFFICE, {})
    account = Account(name="office", registrar="sip:pbx.example.com", username="6001", password="secret")
    assert configuration.accounts == {"office": account}


def test_command_line_wins_over_environment_over_file_over_default() -> None:
    text = "[general]\nmax_calls = 1\nrtp_timeout = 1\nuser_agent = file\n"
    environ = {"SIPAGENT_GENERAL_MAX_CALLS": "2", "SIPAGENT_GENERAL_RTP_TIMEOUT": "2"}
    general = load_text(text, environ, ["general.max_calls=3"]).general
    assert (general.max_calls, general.rtp_timeout, general.user_agent, general.nat) == (3, 2, "file", Nat.AUTO)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Write `user_agent = WHO` into a file below an empty home, in which we also run."""
    monkeypatch.chdir(tmp_path)

    def write(place: str, who: str) -> Path:
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[general]\nuser_agent = {who}\n", encoding="utf-8")
        return file

    return write


def test_the_first_file_of_the_usual_places_is_read(places: Callable[[str, str], Path], tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert load(None, environ).file is None
    places(".config/sipagent/sip.conf", "home")
    assert load(None, environ).general.user_agent == "home"
    places("sip.conf", "here")
    assert load(None, environ).general.user_agent == "here"
    environ["SIPAGENT_CONFIG"] = str(places("other.conf", "environment"))
    assert load(None, environ).general.user_agent == "environment"
    asked = places("asked.conf", "asked")
    assert load(asked, environ).general.user_agent == "asked"
    assert load(asked, environ).file == asked


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.conf"
    for path, environ in ((missing, {}), (None, {"SIPAGENT_CONFIG": str(missing)})):
        with pytest.raises(ConfigurationError, match=r"missing\.conf: there is no such configuration file"):
            load(path, environ)


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "sip.conf"
    file.write_bytes(b"[agent]\ngreeting = Gr\xfc\xdf Gott\n")
    with pytest.raises(ConfigurationError, match=r"sip\.conf:2: this is not UTF-8 text"):
        load(file, {})


# ---- the environment and the command line


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("SIPAGENT_ACCOUNT_office_PASSWORD", "password"),
        ("SIPAGENT_ACCOUNT_OFFICE_PASSWORD", "password"),
        ("SIPAGENT_ACCOUNT_office_AUTH_USERNAME", "auth_username"),
        ("SIPAGENT_ACCOUNT_office_USERNAME", "username"),
    ],
)
def test_a_variable_sets_the_option_of_a_named_section(variable: str, key: str) -> None:
    account = load_text(OFFICE, {variable: "new"}).accounts["office"]
    assert getattr(account, key) == "new"


def test_a_name_with_punctuation_is_spelled_with_underscores() -> None:
    text = OFFICE.replace("office", "head-office.2")
    assert (
        load_text(text, {"SIPAGENT_ACCOUNT_HEAD_OFFICE_2_PASSWORD": "new"}).accounts["head-office.2"].password == "new"
    )


def test_a_name_of_the_file_wins_over_a_longer_key() -> None:
    text = OFFICE.replace("office", "x_auth")
    assert load_text(text, {"SIPAGENT_ACCOUNT_X_AUTH_USERNAME": "7"}).accounts["x_auth"].username == "7"


def test_the_environment_alone_is_enough_for_a_container() -> None:
    environ = {
        "SIPAGENT_GENERAL_BIND": "127.0.0.1:5070",
        "SIPAGENT_ACCOUNT_pbx_REGISTRAR": "pbx",
        "SIPAGENT_ACCOUNT_pbx_USERNAME": "6001",
        "SIPAGENT_AGENT_GREETING": "Hello",
        "SIPAGENT_AGENT_sales_GREETING": "Sales",
        "SIPAGENT_TRANSFER_reception": "1000",
    }
    configuration = load_text("", environ)
    assert configuration.general.bind == Address("127.0.0.1", 5070)
    assert configuration.accounts["pbx"].address == "sip:6001@pbx"
    assert {name: agent.greeting for name, agent in configuration.agents.items()} == {"": "Hello", "sales": "Sales"}
    assert configuration.transfer.targets == {"reception": "1000"}


def test_a_value_from_outside_the_file_is_literal() -> None:
    environ = {"SIPAGENT_ACCOUNT_office_PASSWORD": '"${X}$$ ; #'}
    assert load_text(OFFICE, environ).accounts["office"].password == '"${X}$$ ; #'
    assert load_text(OFFICE, {}, ["account office.password=a=b.c${X}"]).accounts["office"].password == "a=b.c${X}"


def test_a_misspelt_variable_of_a_known_section_is_told() -> None:
    assert refusal("", {"SIPAGENT_GENERAL_BNID": "x"}) == ["SIPAGENT_GENERAL_BNID: no key of [general] is called so"]


def test_an_empty_variable_counts_as_unset() -> None:
    account = load_text(OFFICE, {"SIPAGENT_ACCOUNT_office_PASSWORD": "", "OPENAI_BASE_URL": ""}).accounts["office"]
    assert account.password == "secret"


def test_variables_that_are_not_ours_are_left_alone() -> None:
    environ = {
        "SIPAGENT_SERVICE_HOST": "10.0.0.1",
        "SIPAGENT_PORT_5060_UDP": "x",
        "SIPAGENT_PASSWORD": "x",
        "PATH": "/",
    }
    assert load_text("", environ) == Configuration()


@pytest.mark.parametrize(
    ("override", "lines"),
    [
        ("bind=x", ["--set bind: is written 'section.key=value' or 'section name.key=value'"]),
        ("general.bind", ["--set general.bind: is written 'section.key=value' or 'section name.key=value'"]),
        ("general.bnid=x", ['--set general.bnid: unknown key "bnid" in [general]; did you mean "bind"?']),
        ("genral.bind=x", ['--set genral.bind: unknown section [genral]; did you mean "general"?']),
    ],
)
def test_an_override_that_says_nothing_is_told(override: str, lines: list[str]) -> None:
    assert refusal("", {}, override) == lines


# ---- the providers' own variables


def test_the_providers_variables_win_over_the_file() -> None:
    text = "[openai]\napi_key = file\nbase_url = https://file/v1\n[cartesia]\nvoice = mine\n"
    environ = {
        "OPENAI_API_KEY": "environment",
        "OPENAI_BASE_URL": "ws://127.0.0.1:1/v1",
        "OPENAI_ORG_ID": "org",
        "OPENAI_PROJECT_ID": "project",
        "CARTESIA_API_KEY": "key",
    }
    configuration = load_text(text, environ)
    openai = configuration.openai
    assert (openai.api_key, openai.base_url, openai.organization, openai.project) == (
        "environment",
        "ws://127.0.0.1:1/v1",
        "org",
        "project",
    )
    assert (configuration.cartesia.api_key, configuration.cartesia.voice) == ("key", "mine")


def test_a_key_may_be_in_a_file_that_the_environment_names(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("from-file\n", encoding="utf-8")
    assert load_text("", {"OPENAI_API_KEY_FILE": str(key)}).openai.api_key == "from-file"


def test_no_key_is_shown() -> None:
    environ = {"OPENAI_API_KEY": "sk-hidden", "CARTESIA_API_KEY": "sk_car_hidden"}
    assert "hidden" not in repr(load_text("", environ))


# ---- references


def test_a_reference_is_replaced() -> None:
    text = OFFICE.replace("secret", "${PBX_PASSWORD}").replace("6001", "${EXTENSION:-6002}")
    account = load_text(text, {"PBX_PASSWORD": "p$$ ; w"}).accounts["office"]
    assert (account.password, account.username) == ("p$$ ; w", "6002")


def test_an_unset_reference_is_an_error_where_the_section_is_used() -> None:
    text = OFFICE.replace("secret", "${PBX_PASSWORD}").replace("sip:pbx", "sip:${PBX}")
    assert refusal(text) == [
        "sip.conf:2: ${PBX} is not set; registrar needs it",
        "sip.conf:4: ${PBX_PASSWORD} is not set; password needs it",
    ]


def test_an_unset_reference_is_no_error_in_a_section_that_nothing_uses() -> None:
    text = "[agent spare]\ngreeting = ${GREETING}\n[tls]\nkey = ${KEY}\n[cartesia]\nagent_id = ${AGENT}\n"
    configuration = load_text(text, {})
    assert configuration.unset["cartesia"] == ("sip.conf:6: ${AGENT} is not set; agent_id needs it",)


def test_an_agent_that_an_account_names_is_used() -> None:
    text = f"{OFFICE}agent = sales\n[agent sales]\ngreeting = ${{GREETING}}\n"
    assert refusal(text) == ["sip.conf:7: ${GREETING} is not set; greeting needs it"]


# ---- what is refused


def test_every_mistake_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = """\
[account office]
registrar = sip:pbx.example.com
username = 6001
pasword = x
[general]
bind = localhost
codecs = ulaw,gsm
[genral]
[general]
nat = strict
nat = off
[trunk]
[tls x]
"""
    assert refusal(text) == [
        'sip.conf:4: unknown key "pasword" in [account office]; did you mean "password"?',
        'sip.conf:6: bind is an IP address and a port, such as 0.0.0.0:5060, not "localhost"',
        'sip.conf:7: codecs is one of ulaw, alaw, g722, opus, not "gsm"',
        'sip.conf:8: unknown section [genral]; did you mean "general"?',
        "sip.conf:9: duplicate section [general]; the first is at sip.conf:5",
        'sip.conf:11: duplicate key "nat" in [general]; the first is at sip.conf:10',
        "sip.conf:12: [trunk] needs a name, such as [trunk office]",
        "sip.conf:13: [tls] has no name; write [tls]",
    ]


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    assert refusal("[general]\nxyzzy = 1\n") == ['sip.conf:2: unknown key "xyzzy" in [general]']


def test_an_account_needs_its_registrar_and_its_username() -> None:
    assert refusal("[account office]\npassword = x\nusername =\n") == [
        'sip.conf:1: [account office] needs "registrar"',
        'sip.conf:1: [account office] needs "username"',
    ]


def test_a_wrong_registrar_is_told_once() -> None:
    assert refusal("[account a]\nusername = 1\nregistrar = http://pbx\n") == [
        'sip.conf:3: registrar is a SIP server such as sip:pbx.example.com, not "http://pbx"'
    ]


def test_a_password_in_the_registrar_is_not_repeated() -> None:
    assert refusal("[account a]\nusername = 1\nregistrar = sip:1:hunter2@pbx\n") == [
        "sip.conf:3: registrar is a SIP server without a user; username and password are keys of their own"
    ]


def test_a_trunk_needs_somebody_to_be() -> None:
    assert refusal("[trunk carrier]\nusername = x\n") == ['sip.conf:1: [trunk carrier] needs "peers" or "host"']


def test_keys_that_were_indented_by_habit_are_told_with_the_cure() -> None:
    lines = refusal("[account a]\n  registrar = pbx\n  username = 1\n  password = x\n")
    assert "sip.conf:2: registrar is one line, and the line below it is indented and so continues it" in lines[-1]


def test_an_agent_that_does_not_exist_is_told() -> None:
    assert refusal(f"{OFFICE}agent = sale\n[agent sales]\n") == [
        'sip.conf:5: there is no section [agent sale]; did you mean "sales"?'
    ]
    assert load_text(f"{OFFICE}agent = ${{WHO}}\n[agent sales]\n", {"WHO": "sales"}).accounts["office"].agent == "sales"
    assert refusal(f"{OFFICE}agent = sales\n") == ["sip.conf:5: there is no section [agent sales]; add the section"]


def test_a_trunk_and_an_account_have_names_of_their_own() -> None:
    text = f"{OFFICE}[trunk office]\npeers = 192.0.2.1\n"
    assert refusal(text) == ["sip.conf:5: [trunk office] has the name of [account office]; give it another"]


def test_an_arrow_is_told_since_a_value_may_begin_with_its_point() -> None:
    assert refusal("[general]\nbind => 127.0.0.1\n") == ['sip.conf:2: write "bind = …" with "=" in place of "=>"']


# ---- files that a file names


def test_instructions_come_from_a_file_beside_sip_conf(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Be brief.\n", encoding="utf-8")
    (tmp_path / "sip.conf").write_text("[agent]\npipeline = echo\ninstructions_file = prompt.txt\n", encoding="utf-8")
    agent = load(tmp_path / "sip.conf", {}).agents[""]
    assert (agent.instructions, agent.pipeline) == ("Be brief.", Pipeline.ECHO)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sip.conf"
    file.write_text("[agent]\ninstructions_file = prompt.txt\n", encoding="utf-8")
    with pytest.raises(
        ConfigurationError, match=rf"sip\.conf:2: instructions_file: there is no file {tmp_path}/prompt\.txt"
    ):
        load(file, {})


def test_instructions_are_written_once(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("x", encoding="utf-8")
    file = tmp_path / "sip.conf"
    file.write_text("[agent]\ninstructions = y\ninstructions_file = prompt.txt\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\[agent\] has both instructions and instructions_file; keep one"):
        load(file, {})


# ---- Asterisk's own file


def test_asterisks_sip_conf_is_recognised_and_its_line_is_translated() -> None:
    lines = refusal("[general]\ncontext=default\nregister => 6001:hunter2@pbx.example.com/6001\n")
    assert lines[0].startswith("sip.conf:2: this is a file of Asterisk's own ([general] with context=).")
    assert lines[1:] == [
        "    [account office]",
        "    registrar = sip:pbx.example.com",
        "    username = 6001",
        "    password = ...",
    ]


@pytest.mark.parametrize(
    "text", ["[6001]\ntype=friend\nsecret=x\n", "[6001]\ntype = endpoint\n", "[x]\nregister => a:b@c\n"]
)
def test_asterisks_files_are_recognised_by_what_only_they_have(text: str) -> None:
    assert "this is a file of Asterisk's own" in refusal(text)[0]


def test_a_key_of_asterisk_is_translated() -> None:
    assert refusal(OFFICE.replace("password", "secret"))[0].endswith(
        '"secret" in [account office]; did you mean "password"?'
    )


def test_accounts_of_a_program_come_on_top() -> None:
    mine = Account("sip:7001@pbx.example.com", name="mine")
    configuration = load_text(OFFICE, {}).with_accounts([mine])
    assert list(configuration.accounts) == ["office", "mine"]
    assert configuration.general.codecs == tuple(Codec)
