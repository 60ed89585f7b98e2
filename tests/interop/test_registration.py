"""Registering with a real Asterisk: the way in, the refusals, and what happens when the PBX dies."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import HOST, PORT, REGISTERED
from tests.interop.peers.sound import Sound

EXAMPLE = Path(__file__).parents[2] / "sip.conf.example"
OTHER_PBX = "127.0.0.4"
TRANSPORT_AND_CALLER = """
[udp]
type = transport
protocol = udp
bind = @ADDR@:@SIP@

[6002]
type = endpoint
context = default
disallow = all
allow = ulaw
direct_media = no

"""


def test_it_registers_and_is_gone_from_the_pbx_when_it_ends(asterisk: Asterisk, agent: StartAgent) -> None:
    phone = agent("--local")
    registered = phone.events.wait("Registered", 20)
    assert registered["account"] == "pbx"
    assert registered["expires"] >= 60
    assert "sip:" in asterisk.console("pjsip show aor 6001")
    assert phone.stop() in (0, 130)
    assert "6001/sip:" not in asterisk.console("pjsip show contacts")


def test_a_wrong_password_is_told_in_the_servers_words_with_the_likely_cause(
    asterisk: Asterisk, agent: StartAgent
) -> None:
    phone = agent("--local", account=REGISTERED.replace("pw6001", "wrong"))
    refused = phone.events.wait("RegistrationFailed", 20)
    assert refused["code"] in (401, 403)
    assert refused["reason"]
    assert "password" in refused["hint"]


def test_with_require_registration_a_wrong_password_is_exit_code_3(asterisk: Asterisk, agent: StartAgent) -> None:
    phone = agent("--local", "--require-registration", account=REGISTERED.replace("pw6001", "wrong"))
    phone.events.wait("RegistrationFailed", 20)
    assert phone.wait() == 3


@pytest.mark.parametrize(("password", "code", "says"), [("pw6001", 0, "registered"), ("wrong", 3, "password")])
def test_check_online_says_what_the_registrar_said(
    asterisk: Asterisk, tmp_path: Path, password: str, code: int, says: str
) -> None:
    conf = tmp_path / "sip.conf"
    conf.write_text(REGISTERED.replace("pw6001", password))
    command = [sys.executable, "-m", "sipagent", "check", "--online", "-c", str(conf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done


def test_sip_conf_example_registers_with_its_own_pbx_half_and_is_called(
    tmp_path: Path, agent: StartAgent, phone: StartPhone
) -> None:
    """The file as it is shipped; only the address of the PBX and our own port are changed."""
    example = EXAMPLE.read_text().replace("pbx.example.com", OTHER_PBX)
    pbx_half = {
        "pjsip.conf": TRANSPORT_AND_CALLER + _marked("pjsip.conf", example),
        "extensions.conf": "[default]\n" + _marked("extensions.conf", example),
    }
    with Asterisk(tmp_path / "pbx", host=OTHER_PBX, conf=pbx_half):
        callee = agent("--local", "--set", f"general.bind={HOST}:{PORT}", conf=example)
        callee.wait_until_registered()
        caller = phone(Phone(user="6002", registrar="", microphone=sound.silence(20, tmp_path / "silence.wav")))
        caller.dial(f"sip:6001@{OTHER_PBX}")
        callee.events.wait("AgentSaid")
        caller.hang_up()
    assert Sound.read(caller.heard).voiced_seconds > 0.5


def _marked(name: str, text: str) -> str:
    """The lines between `; >>> NAME` and `; <<<`, no longer comments."""
    found = re.search(rf"^; >>> {re.escape(name)}\n(.*?)^; <<<", text, re.DOTALL | re.MULTILINE)
    assert found, f"no {name} in sip.conf.example"
    return re.sub(r"^; ?", "", found[1], flags=re.MULTILINE)


def test_after_the_pbx_was_killed_and_started_again_calls_come_through(
    tmp_path: Path, agent: StartAgent, phone: StartPhone
) -> None:
    pbx = Asterisk(tmp_path / "pbx", host=OTHER_PBX)
    pbx.start()
    callee = agent("--local", account=REGISTERED.replace("127.0.0.1", OTHER_PBX) + "expires = 30\n")
    callee.wait_until_registered()
    pbx.kill()
    callee.events.wait("RegistrationFailed", 60)
    seen = len(callee.events)
    pbx.start()
    callee.events.wait("Registered", 60, after=seen)
    caller = phone(Phone(registrar=f"{OTHER_PBX}:5060", microphone=sound.silence(20, tmp_path / "silence.wav")))
    caller.dial(f"sip:601@{OTHER_PBX}")
    callee.events.wait("CallAnswered")
    caller.hang_up()
    callee.events.wait("Disconnected")
    pbx.stop()
