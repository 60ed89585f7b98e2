"""`sipagent run`: what it can be told, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sipagent.agent.agent import Agent
from sipagent.cli.run import load_agent
from sipagent.errors import ConfigurationError
from tests.cli.conftest import Answers, Command, SipServer, grant, refuse

Start = Callable[[Answers], SipServer]
ECHO = ("--set", "agent.pipeline=echo", "--set", "general.bind=127.0.0.1:0")


def test_without_keys_the_ways_out_are_named(sipagent: Command) -> None:
    result = sipagent("run")
    assert result.exit_code == 2
    assert "OPENAI_API_KEY" in result.stderr
    assert "CARTESIA_API_KEY" in result.stderr
    assert "--local" in result.stderr


def test_with_one_key_the_other_is_asked_for(sipagent: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    result = sipagent("run")
    assert result.exit_code == 2
    assert "CARTESIA_API_KEY" in result.stderr
    assert "--local=tts" in result.stderr
    assert "sk-very-secret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--local=ai,video"], "video: choose from ai, tts"),
        (["--trace", "sip,smoke"], "smoke: choose from sip, rtp, rtcp, provider, agent"),
        (["--set", "general.bnd=1"], "bind"),
        (["--set", "nonsense"], "nonsense"),
        (["--no-such-option"], "No such option"),
        (["app.py"], "name a file or module and what is in it"),
        (["nowhere.py:agent"], "nowhere.py: no such file"),
        (["no_such_module:agent"], "no_such_module: cannot be imported"),
        (["--save"], "--save goes with an account"),
        (["sip:6001@"], "an account has an address"),
        (["--set", "record.calls=wav", "--set", "record.directory=/dev/null/calls", *ECHO], "nothing can be kept in"),
        (["--require-registration", *ECHO], "no [account NAME]"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_told_in_a_sentence(sipagent: Command, arguments: list[str], words: str) -> None:
    result = sipagent("run", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_refused_registration_ends_it_with_3_if_so_wished(sipagent: Command, sip_server: Start) -> None:
    Path("sip.conf").write_text(
        f"[account office]\nregistrar = sip:{sip_server(refuse).address}\nusername = 6001\npassword = s3cr3t-pass\n"
    )
    result = sipagent("run", "--require-registration", *ECHO)
    assert result.exit_code == 3
    assert "403 Forbidden" in result.stderr
    assert "s3cr3t-pass" not in result.output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_un_registered(sip_server: Start, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The one test with a process of its own: events come as JSON lines, traces without credentials on stderr."""
    server = sip_server(grant)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SIPAGENT", "OPENAI"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "sipagent", "run", f"sip:6001@{server.address}", *ECHO, "--json", "--trace", "sip"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**environment, "SIPAGENT_PASSWORD": "s3cr3t-pass", "HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert process.returncode == code
    assert event["type"] == "Registered"
    assert event["account"] == "6001"
    assert event["call_id"] == ""
    assert event["time"] > 1_700_000_000
    assert [request.headers.get("expires") for request in server.of("REGISTER")] == ["300", "0"]
    assert "listening on 127.0.0.1:" in err
    assert "REGISTER sip:127.0.0.1" in err
    assert "s3cr3t-pass" not in out + err


# ---- what is loaded


def test_an_agent_is_loaded_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "my_app.py").write_text("from sipagent import Agent\nvoxi = Agent('You are Voxi.')\nnumber = 7\n")
    agent = load_agent(f"{tmp_path / 'my_app.py'}:voxi")
    assert isinstance(agent, Agent)
    assert agent.instructions == "You are Voxi."
    for name in ("number", "nothing"):
        with pytest.raises(ConfigurationError, match=f"no agent or scenario called {name}"):
            load_agent(f"{tmp_path / 'my_app.py'}:{name}")


def test_a_file_may_have_dataclasses_with_annotations_as_text(tmp_path: Path) -> None:
    text = """
from __future__ import annotations
from dataclasses import dataclass
from sipagent import Agent

@dataclass
class Order:
    number: int

agent = Agent()
"""
    (tmp_path / "orders_app.py").write_text(text)
    assert isinstance(load_agent(f"{tmp_path / 'orders_app.py'}:agent"), Agent)


def test_a_scenario_is_loaded_from_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("my_scenarios.py").write_text("async def answer(incoming):\n    await incoming.answer()\n")
    assert callable(load_agent("my_scenarios:answer"))


def test_a_file_with_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import asyncio\n\nasync def answer(incoming:\n")
    with pytest.raises(ConfigurationError, match=r"broken\.py:3"):
        load_agent(f"{tmp_path / 'broken.py'}:answer")


def test_an_account_on_the_command_line_is_saved(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(refuse)
    result = sipagent(
        "run", f"sip:6001@{server.address}", "--save", "--require-registration", *ECHO, stdin="s3cr3t-pass\n"
    )
    assert result.exit_code == 3
    written = Path("sip.conf").read_text()
    assert f"registrar = sip:{server.address}" in written
    assert "password = s3cr3t-pass" in written
    assert "s3cr3t-pass" not in result.output


def test_a_prompt_that_is_left_is_an_interruption(sipagent: Command) -> None:
    assert sipagent("run", "sip:6001@127.0.0.1:9", *ECHO, stdin="").exit_code == 130
