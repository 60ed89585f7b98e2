"""TCP and TLS with real peers: registered at Asterisk, called through it, and called by sipp directly."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import scenarios, sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import HOST, PORT, REGISTERED
from tests.interop.peers.sipp import Sipp

OTHER_PBX = "127.0.0.4"


def account(transport: str, pbx: str = "127.0.0.1") -> str:
    """An account that registers by a transport, at the port that goes with it."""
    port = 5061 if transport == "tls" else 5060
    return REGISTERED.replace("127.0.0.1:5060", f"{pbx}:{port}") + f"transport = {transport}\n"


def tls(ca: Path) -> str:
    return f"[tls]\nca = {ca}\n"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_it_is_called_through_the_pbx_by_the_connection_that_it_registered_by(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path, transport: str
) -> None:
    callee = agent("--local", account=account(transport) + tls(asterisk.ca))
    callee.wait_until_registered()
    assert f"transport={transport}" in asterisk.console("pjsip show aor 6001").lower()
    caller = phone(Phone(microphone=sound.silence(20, tmp_path / "silence.wav")))
    caller.dial("sip:601@127.0.0.1")
    callee.events.wait("AgentSaid")
    caller.hang_up()
    callee.events.wait("Disconnected")
    assert callee.stop() in (0, 130)
    assert "6001/sip:" not in asterisk.console("pjsip show contacts")
    (capture,) = callee.calls.glob("**/*.pcap")
    done = subprocess.run([sys.executable, "-m", "sipagent", "replay", str(capture)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_a_pbx_whose_certificate_nobody_signed_is_not_told_the_password(asterisk: Asterisk, agent: StartAgent) -> None:
    phone = agent("--local", account=account("tls"))
    refused = phone.events.wait("RegistrationFailed", 20)
    assert refused["code"] == 503
    assert "ca in [tls]" in refused["hint"]


def test_sipp_calls_by_tcp(agent: StartAgent, tones: Path, tmp_path: Path) -> None:
    callee = agent("--local", account="")
    callee.wait_until_up()
    Sipp(tmp_path / "sipp", scenarios.talk(tones, 1), f"{HOST}:{PORT}", calls=3, transport="t1").wait()
    assert len(callee.events.all("Disconnected")) == 3


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_pbx_that_was_killed_is_registered_at_as_soon_as_it_is_back(
    tmp_path: Path, agent: StartAgent, transport: str
) -> None:
    pbx = Asterisk(tmp_path / "pbx", host=OTHER_PBX)
    pbx.start()
    callee = agent("--local", account=account(transport, OTHER_PBX) + "[tls]\nverify = no\n")
    callee.wait_until_registered()
    pbx.kill()
    callee.events.wait("RegistrationFailed", 60)
    seen = len(callee.events)
    pbx.start()
    callee.events.wait("Registered", 60, after=seen)
    assert f"transport={transport}" in pbx.console("pjsip show aor 6001").lower()
    pbx.stop()
