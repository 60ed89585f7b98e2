"""Kamailio in front of two Asterisks: every request of a call has to go the way that its first one has gone."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.kamailio import Kamailio
from tests.interop.peers.sipagent import PORT, scene
from tests.interop.peers.sound import Sound
from tests.interop.peers.wire import Wire

PROXY = "127.0.0.3"
OTHER_PBX = "127.0.0.4"
REGISTERED = f"[account proxy]\nregistrar = sip:{PROXY}:5060\nusername = 7001\npassword = pw7001\n"


@pytest.fixture(scope="module")
def kamailio(asterisk: Asterisk) -> Iterator[Kamailio]:
    with tempfile.TemporaryDirectory() as directory, Kamailio(Path(directory)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def other_asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    """The second PBX behind the proxy."""
    with Asterisk(tmp_path_factory.mktemp("pbx"), host=OTHER_PBX) as pbx:
        yield pbx


def test_a_phone_calls_the_agent_through_the_proxy_and_hangs_up(
    kamailio: Kamailio, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("echo"), account=REGISTERED)
    callee.wait_until_registered()
    caller = phone(
        Phone(user="7002", registrar=f"{PROXY}:5060", microphone=sound.tone(1000, 30, tmp_path / "tone.wav"))
    )
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.dial(f"sip:7001@{PROXY}")
        caller.listen(2)
        caller.hang_up()
        callee.events.wait("Disconnected")
    assert Sound.read(caller.heard).amplitude(1000) > 0.1
    sent = [packet for packet in wire.sip("") if packet.source[1] == PORT]
    assert {packet.destination for packet in sent} == {(PROXY, 5060)}


def test_the_agent_ends_a_call_through_the_proxy(
    kamailio: Kamailio, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    """Its BYE has the route of Record-Route, in reverse (RFC 3261 section 12.1.1)."""
    callee = agent(scene("hang_up"), account=REGISTERED)
    callee.wait_until_registered()
    caller = phone(
        Phone(user="7002", registrar=f"{PROXY}:5060", microphone=sound.silence(30, tmp_path / "silence.wav"))
    )
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.dial(f"sip:7001@{PROXY}")
        caller.events.wait("CALL_CLOSED")
    assert wire.sip("BYE", source=PORT)[0].destination == (PROXY, 5060)


def test_the_pbx_behind_the_proxy_calls_the_agent(kamailio: Kamailio, asterisk: Asterisk, agent: StartAgent) -> None:
    callee = agent(scene("tone"), account=REGISTERED)
    callee.wait_until_registered()
    asterisk.console("channel originate PJSIP/7001@kam extension 610@peers")
    callee.events.wait("CallAnswered")
    callee.stop()
    (recording,) = asterisk.recordings.glob("ext610-*.wav")
    assert Sound.read(recording).amplitude(700) > 0.05


def test_a_wrong_password_is_refused_by_the_proxy(kamailio: Kamailio, agent: StartAgent) -> None:
    phone = agent(scene("echo"), account=REGISTERED.replace("pw7001", "wrong"))
    assert phone.events.wait("RegistrationFailed", 20)["code"] in (401, 403)


def test_calls_of_ours_reach_the_pbx_that_lives_when_the_other_dies(
    kamailio: Kamailio, asterisk: Asterisk, other_asterisk: Asterisk, agent: StartAgent, tmp_path: Path
) -> None:
    def heard() -> Sound:
        record = tmp_path / "call.wav"
        caller = agent(
            "608", "--from", "proxy", "--record", str(record), "--duration", "1.5", command="dial", account=REGISTERED
        )
        assert caller.wait() == 0
        return Sound.read(record)

    for _ in range(2):
        assert heard().amplitude(1004) > 0.1
    assert set(kamailio.dispatched) == {asterisk.host, other_asterisk.host}
    other_asterisk.kill()
    for _ in range(2):
        assert heard().amplitude(1004) > 0.1
