"""Phones that call the agent with no PBX between, by every transport."""

import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import scenarios, sound
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import HOST, PORT, scene
from tests.interop.peers.sipp import Sipp
from tests.interop.peers.sound import Sound
from tests.interop.peers.tls_tunnel import TlsTunnel


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A directory with a certificate of ours, `cert.pem` and `key.pem`, that nobody else has signed."""
    names = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(tmp_path / "key.pem")]
    argv = ["openssl", "req", "-x509", "-days", "2", *key, *names, "-out", str(tmp_path / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True)
    return tmp_path


def tls(certificate: Path) -> str:
    return f"[tls]\ncertificate = {certificate / 'cert.pem'}\nkey = {certificate / 'key.pem'}\n"


@pytest.mark.parametrize(("transport", "port"), [("udp", PORT), ("tcp", PORT), ("tls", PORT + 1)])
def test_baresip_calls_and_hears_itself(
    agent: StartAgent, phone: StartPhone, tmp_path: Path, certificate: Path, transport: str, port: int
) -> None:
    callee = agent(scene("echo"), account=tls(certificate))
    callee.wait_until_up()
    microphone = sound.tone(1000, 20, tmp_path / "tone.wav")
    caller = phone(Phone(registrar="", microphone=microphone, ca=certificate / "cert.pem", transport=transport))
    caller.dial(f"sip:agent@{HOST}:{port};transport={transport}")
    caller.listen(2)
    caller.hang_up()
    callee.events.wait("Disconnected")
    assert Sound.read(caller.heard).amplitude(1000) > 0.1


def test_baresip_is_hung_up_on_by_tls(agent: StartAgent, phone: StartPhone, tmp_path: Path, certificate: Path) -> None:
    """Our BYE goes down the connection that the call came by."""
    callee = agent(scene("hang_up"), account=tls(certificate))
    callee.wait_until_up()
    microphone = sound.silence(20, tmp_path / "silence.wav")
    caller = phone(Phone(registrar="", microphone=microphone, ca=certificate / "cert.pem", transport="tls"))
    caller.dial(f"sip:agent@{HOST}:{PORT + 1};transport=tls")
    caller.events.wait("CALL_CLOSED")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_sipp_holds_the_call_and_takes_it_back(
    agent: StartAgent, tones: Path, tmp_path: Path, certificate: Path, transport: str
) -> None:
    callee = agent(scene("echo"), account=tls(certificate))
    callee.wait_until_up()
    hold = scenarios.hold(tones, seconds=0.5)
    if transport == "tls":
        with TlsTunnel((HOST, PORT + 1), certificate / "cert.pem") as tunnel:
            tunnelled = hold.replace("[transport]", "TLS")
            Sipp(tmp_path / "sipp", tunnelled, "{}:{}".format(*tunnel.address), transport="t1").wait()
    else:
        Sipp(tmp_path / "sipp", hold, f"{HOST}:{PORT}", transport="u1" if transport == "udp" else "t1").wait()
    callee.events.wait("Disconnected")


def test_a_phone_is_sent_to_another_phone(agent: StartAgent, phone: StartPhone, tmp_path: Path) -> None:
    """Our REFER goes to the phone itself, which calls the other, and tells us by NOTIFY how it went."""
    callee = agent(scene("refer"), account="[transfer]\ndesk = sip:desk@127.0.0.1:5072\n")
    callee.wait_until_up()
    bell = sound.tone(1300, 30, tmp_path / "desk.wav")
    desk = phone(Phone(user="desk", registrar="", sip_port=5072, answer="auto", microphone=bell))
    caller = phone(Phone(registrar="", microphone=sound.tone(1000, 30, tmp_path / "tone.wav")))
    caller.dial(f"sip:agent@{HOST}:{PORT}")
    desk.events.wait("CALL_ESTABLISHED", 15)
    callee.events.wait("TransferProgress", where=lambda event: event["state"] == "answered")
    caller.listen(1.5)
    desk.hang_up()
    assert Sound.read(desk.heard).amplitude(1000) > 0.1
    assert Sound.read(caller.heard).amplitude(1300) > 0.1
