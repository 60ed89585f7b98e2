"""What works after every subcommand."""

import pytest

import sipagent as package
from sipagent.cli import main
from tests.cli.conftest import Command

COMMANDS = [*main.commands]


def test_the_commands_are_listed_in_the_order_in_which_one_meets_them(sipagent: Command) -> None:
    result = sipagent("--help")
    assert result.exit_code == 0
    assert COMMANDS == ["demo", "run", "check", "dial", "replay", "bench"]
    places = [result.output.index(f"  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_version(sipagent: Command, command: str) -> None:
    for flag in ("-h", "--help"):
        result = sipagent(command, flag)
        assert result.exit_code == 0
        for option in ("--config", "--set", "--trace", "--json", "-v", "--version"):
            assert option in result.output
    result = sipagent(command, "--version")
    assert result.exit_code == 0
    assert result.output.startswith("sipagent, version ")


def test_a_command_that_is_not_there(sipagent: Command) -> None:
    result = sipagent("sing")
    assert result.exit_code == 2
    assert "No such command 'sing'" in result.stderr


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(
    sipagent: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("check", "--set", "general.max_calls=3")
    monkeypatch.setenv("SIPAGENT_GENERAL_MAX_CALLS", "4")
    assert "max_calls = 3" in sipagent(*arguments).output
    assert "max_calls = 4" in sipagent("check").output


def test_the_library_s_names_are_few_and_all_there() -> None:
    assert len(package.__all__) <= 25
    assert sorted(package.__all__) == package.__all__
    assert all(hasattr(package, name) for name in package.__all__)
