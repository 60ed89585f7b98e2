"""What README and docs/ say of sip.conf is so."""

import re
from pathlib import Path

import pytest

from sipagent.cli import main
from sipagent.cli.options import FAILED, INTERRUPTED, OK, QUALITY, REGISTRATION, USAGE
from sipagent.config import load_text
from sipagent.config.limits import require_available
from sipagent.errors import ConfigurationError
from sipagent.trunk import identity_of
from tests import drawings
from tests.example import EXAMPLE, pbx_half

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PEERS = (
    "twilio, registered to a SIP domain",
    "twilio, an Elastic SIP trunk: in by address, out by password",
    "freeswitch, as a user of its directory",
    "freeswitch, as a gateway without registration",
)
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """The fenced blocks of a page, without their indentation."""
    found = re.findall(r"^( *)```\w*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indentation}", "", block, flags=re.MULTILINE) for indentation, block in found]


def test_the_readme_opens_with_the_two_commands() -> None:
    assert [line.split()[:2] for line in blocks(README)[0].splitlines()] == [["make", "demo"], ["make", "test"]]


def test_the_account_of_the_readme_is_that_of_the_example() -> None:
    (block,) = [block for block in blocks(README) if block.startswith("[account")]
    account = load_text(block, {}).accounts["office"]
    (example,) = load_text(EXAMPLE, {}).accounts.values()
    assert (account.registrar, account.username) == (example.registrar, example.username)


def test_the_grammar_page_shows_a_file_that_loads() -> None:
    (block,) = [block for block in blocks(CONFIGURATION) if "[account office]" in block and "[agent]" in block]
    configuration = load_text(block, {})
    account = configuration.accounts["office"]
    assert (account.registrar, account.username, account.password) == ("sip:pbx.example.com", "6001", "a ;b")
    assert configuration.agents[""].instructions == "You are Voxi.\nKeep replies short."


@pytest.mark.parametrize(("page", "lines"), [("twilio", 3), ("freeswitch", 2)])
def test_the_pages_of_peers_show_lines_that_load_and_say_that_nobody_ran_them(page: str, lines: int) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert "not run against" in text
    shown = [block for block in blocks(text) if block.startswith("[")]
    assert len(shown) == lines
    for block in shown:
        configuration = load_text(f"{block}\n[agent sales]\n", {})
        require_available(configuration)
        assert len(configuration.accounts) + len(configuration.trunks) == 1
        for trunk in configuration.trunks.values():
            identity_of(trunk)


def test_the_peers_of_the_example_are_those_of_their_pages() -> None:
    halves = [pbx_half(name) for name in PEERS]
    loaded = [load_text(half, {}) for half in halves]
    assert [[*each.accounts, *each.trunks] for each in loaded] == [
        ["twilio"],
        ["twilio"],
        ["freeswitch"],
        ["freeswitch"],
    ]
    (trunk,) = loaded[1].trunks.values()
    page = (ROOT / "docs" / "twilio.md").read_text(encoding="utf-8")
    (called_by,) = [block for block in blocks(page) if "[trunk" in block and "peers" in block]
    assert load_text(f"{called_by}\n[agent sales]", {}).trunks["twilio"].peers == trunk.peers


@pytest.mark.parametrize("page", [README, CONFIGURATION])
def test_the_mistakes_that_are_shown_are_told_in_these_words(page: str) -> None:
    shown = re.findall(r"^sip\.conf:\d+: .*$", page, re.MULTILINE)
    wrong = "[account office]\nregistrar = pbx\nusername = 6001\npasword = x\n\n\n[general]\n\nbind = localhost\n"
    with pytest.raises(ConfigurationError) as caught:
        load_text(wrong, {})
    assert shown
    assert set(shown) <= set(str(caught.value).splitlines())


def test_the_machines_are_drawn_as_they_are() -> None:
    assert drawings.PAGE.read_text(encoding="utf-8") == drawings.page(), "run: python -m tests.drawings"


def test_every_command_and_exit_code_has_its_line() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in main.commands:
        assert f"| `sipagent {name}" in page
        assert f"| `sipagent {name}" in README
    for code in (OK, FAILED, USAGE, REGISTRATION, QUALITY, INTERRUPTED):
        assert f"\n| {code} |" in page


@pytest.mark.parametrize("path", re.findall(r"`([a-z_]+/?[a-z_0-9]*\.py)`", ARCHITECTURE))
def test_the_files_of_the_tour_are_there(path: str) -> None:
    assert any((place / path).exists() for place in (ROOT / "sipagent", ROOT))


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []
