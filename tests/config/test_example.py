"""sip.conf.example says what is true: its live lines load, its defaults are the defaults, and it has every key.

`tests/interop` registers with a real Asterisk that has the file's own commented half.
"""

import re
from dataclasses import replace

import pytest

from sipagent.config import Account, AgentSection, Configuration, Console, General, Trunk, load_text
from sipagent.config.grammar import parse
from sipagent.config.limits import unavailable
from sipagent.config.schema import READERS
from sipagent.sip.flow import Address
from tests.example import EXAMPLE, pbx_half

UNCOMMENTED = re.sub(r"^;(?=[a-z\[])", "", EXAMPLE, flags=re.MULTILINE)
"""The example with every default line live."""
LIVE = Account(name="office", registrar="sip:pbx.example.com", username="6001", password="change-me")


def test_the_first_line_says_whose_file_it_is() -> None:
    assert "sip.conf of sipagent, not of Asterisk" in EXAMPLE.splitlines()[0]


def test_six_live_lines_are_an_account_and_a_greeting() -> None:
    sections, _ = parse(EXAMPLE, "sip.conf.example")
    filled = [section for section in sections if section.entries]
    assert sum(1 + len(section.entries) for section in filled) == 6
    configuration = load_text(EXAMPLE, {})
    assert configuration == Configuration(
        accounts={"office": LIVE},
        agents={"": AgentSection(greeting="Hello! How can I help you today?")},
    )
    assert unavailable(configuration) == []


def test_every_default_in_it_is_the_default() -> None:
    configuration = load_text(UNCOMMENTED, {})
    assert configuration.general == General()
    assert replace(configuration.agents[""], greeting="") == AgentSection()
    assert configuration.accounts == {"office": LIVE}
    assert replace(configuration.trunks["carrier"], name="", peers=()) == Trunk()
    assert configuration.console == Console(listen=Address("127.0.0.1", 8080))
    defaults = Configuration()
    for part in ("openai", "cartesia", "record", "tls"):
        assert getattr(configuration, part) == getattr(defaults, part)


@pytest.mark.parametrize("kind", READERS)
def test_every_key_is_in_it(kind: str) -> None:
    sections, problems = parse(UNCOMMENTED, "sip.conf.example")
    assert problems == []
    (section,) = [section for section in sections if section.kind == kind]
    keys = {entry.key for entry in section.entries}
    assert keys == set(READERS[kind]) or kind == "transfer"


def test_asterisks_half_fits_ours() -> None:
    half = pbx_half("pjsip.conf")
    sections, _ = parse(half, "pjsip.conf")
    by_type = {entry.value: section for section in sections for entry in section.entries if entry.key == "type"}
    assert set(by_type) == {"endpoint", "auth", "aor"}
    credentials = {entry.key: entry.value for entry in by_type["auth"].entries}
    assert (credentials["username"], credentials["password"]) == (LIVE.username, LIVE.password)
    assert f"exten => {LIVE.username},1,Dial(PJSIP/{LIVE.username},30)" in pbx_half("extensions.conf")
    assert "type = identify" in pbx_half("pjsip.conf of a trunk")
