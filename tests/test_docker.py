"""docker/ fits together, as far as that can be told without an engine: its files, names, passwords and ports.

Its pjsip.conf and modules.conf have been loaded by a real Asterisk, and both accounts registered, by hand.
"""

import re
from pathlib import Path

import pytest

from sipagent.config import load
from sipagent.config.grammar import Section, parse
from sipagent.config.limits import require_available, unavailable
from sipagent.sip.uri import Uri

DOCKER = Path(__file__).parents[1] / "docker"
COMPOSE = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
ENVIRONMENT = {"AGENT_PASSWORD": "from-compose"}


def asterisk(file: str) -> list[Section]:
    """Sections of one of Asterisk's files; `[6001](phone)` is a section called 6001."""
    text = (DOCKER / "asterisk" / file).read_text(encoding="utf-8")
    return parse(re.sub(r"\]\(.*\)", "]", text), file)[0]


def test_the_agents_configuration_loads_and_asks_for_nothing_that_is_not_there() -> None:
    configuration = load(DOCKER / "sip.conf", ENVIRONMENT)
    require_available(configuration)
    assert unavailable(configuration) == []


def test_agent_and_asterisk_know_each_other() -> None:
    account = load(DOCKER / "sip.conf", ENVIRONMENT).accounts["asterisk"]
    credentials = [
        {entry.key: entry.value for entry in section.entries}
        for section in asterisk("pjsip.conf")
        if section.kind == account.username
    ]
    assert {"username": "6001", "password": "@AGENT_PASSWORD@"} in credentials
    assert account.password == "from-compose"


def test_agent_and_asterisk_share_no_port() -> None:
    general = load(DOCKER / "sip.conf", ENVIRONMENT).general
    account = load(DOCKER / "sip.conf", ENVIRONMENT).accounts["asterisk"]
    asterisk_sip = (Uri.parse(account.registrar).address or general.bind).port
    assert general.bind.port != asterisk_sip
    (rtp,) = asterisk("rtp.conf")
    ports = {entry.key: int(entry.value) for entry in rtp.entries if entry.value.isdigit()}
    assert ports["rtpend"] < general.rtp_ports.first


@pytest.mark.parametrize("pattern", [r"- \./(\S+):/", r"dockerfile: docker/(\S+)", r"build: (\S+)"])
def test_what_compose_names_is_there(pattern: str) -> None:
    named = re.findall(pattern, COMPOSE)
    assert named
    assert all((DOCKER / name).exists() for name in named)


def test_every_password_that_is_replaced_is_asked_for() -> None:
    replaced = set(re.findall(r"@([A-Z_]+)@", (DOCKER / "asterisk" / "pjsip.conf").read_text(encoding="utf-8")))
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE))
    assert replaced == asked


def test_what_asterisks_image_copies_is_there() -> None:
    dockerfile = (DOCKER / "asterisk" / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE) for name in line.split()]
    names = [name for name in copied if not name.startswith("--")]
    assert len(names) == 5
    assert all((DOCKER / "asterisk" / name).is_file() for name in names)


def test_the_image_is_without_rights_and_runs_the_agent() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER sipagent$", dockerfile, re.MULTILINE)
    assert dockerfile.rstrip().endswith('CMD ["run"]')
