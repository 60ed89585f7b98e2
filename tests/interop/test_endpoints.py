"""The wishes of other endpoints of the same PBX: timers, reliable ringing, one codec, keys by INFO, no password."""

from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import PORT, account, scene
from tests.interop.peers.sound import Sound
from tests.interop.peers.wire import Wire, header

TRUNK = "127.0.0.9"


def test_a_pbx_that_insists_on_reliable_ringing_gets_it(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("echo"), account=account("6015"))
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.tone(1000, 20, tmp_path / "tone.wav")))
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.dial("sip:6015@127.0.0.1")
        caller.listen(1.5)
        caller.hang_up()
        callee.events.wait("Disconnected")
    assert wire.sip("PRACK")
    assert wire.sip("SIP/2.0 200", of="PRACK", source=PORT)
    assert Sound.read(caller.heard).amplitude(1000) > 0.1


def test_a_pbx_that_asks_every_five_seconds_whether_we_are_there_is_told_so(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("echo"), account=account("6016"))
    with Wire(tmp_path / "wire.pcap") as wire:
        callee.wait_until_registered()
        caller = phone(Phone(microphone=sound.silence(20, tmp_path / "silence.wav")))
        caller.dial("sip:6016@127.0.0.1")
        caller.listen(11)
        assert "Avail" in asterisk.console("pjsip show contacts")
        caller.hang_up()
    asked, answered = wire.sip("OPTIONS"), wire.sip("SIP/2.0 200", of="OPTIONS", source=PORT)
    assert len(asked) >= 2
    assert {header(ask, "Call-ID") for ask in asked} == {header(answer, "Call-ID") for answer in answered}


def test_a_pbx_that_speaks_only_a_law_is_understood(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("echo"), account=account("6022"))
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.tone(1000, 20, tmp_path / "tone.wav")))
    caller.dial("sip:6022@127.0.0.1")
    assert callee.events.wait("CallAnswered")["codec"] == "pcma"
    caller.listen(2)
    caller.hang_up()
    assert Sound.read(caller.heard).between(0.5, 1.5).amplitude(1000) > 0.2


def test_keys_that_the_pbx_tells_of_by_info_arrive_once_each(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("echo"), account=account("6012"))
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.silence(30, tmp_path / "silence.wav")))
    caller.dial("sip:6012@127.0.0.1")
    for digit in "25#":
        seen = len(callee.events)
        caller.press(digit)
        event = callee.events.wait("DigitReceived", after=seen)
        assert (event["digit"], event["method"]) == (digit, "info")
    caller.hang_up()
    callee.events.wait("Disconnected")
    assert len(callee.events.all("DigitReceived")) == 3


@pytest.mark.parametrize(
    ("user", "way", "digits"), [("6001", "rfc4733", "4711"), ("6012", "info", "0815"), ("6013", "inband", "2580")]
)
def test_keys_that_we_press_are_read_by_the_pbx(
    asterisk: Asterisk, agent: StartAgent, user: str, way: str, digits: str
) -> None:
    keys = ["--dtmf", digits, "--duration", "6"]
    agent("618", "--from", "pbx", *keys, command="dial", account=account(user, f"dtmf = {way}"))
    asterisk.wait_for_log(f"DIGITS={digits}")


def test_a_trunk_known_by_its_address_calls_and_is_called(asterisk: Asterisk, agent: StartAgent) -> None:
    """Neither side registers, nobody has a password; each knows the other by where it comes from."""
    trunk = "[trunk carrier]\npeers = 127.0.0.1\nhost = sip:127.0.0.1:5060\ncaller_id = +15550100\n"
    callee = agent(scene("tone"), account=trunk, host=TRUNK, port=5060)
    callee.wait_until_up()
    asterisk.console("channel originate PJSIP/trunk extension 610@peers")
    callee.events.wait("CallAnswered")
    callee.stop()
    (recording,) = asterisk.recordings.glob("ext610-*.wav")
    assert Sound.read(recording).amplitude(700) > 0.05
    out = agent("600", "--from", "carrier", "--duration", "1", command="dial", account=trunk, host=TRUNK)
    assert out.wait() == 0
    assert out.events.all("CallAnswered")


def test_the_first_of_two_phones_that_ring_gets_the_call_and_the_other_is_told(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("ring"))
    callee.wait_until_registered()
    desk = phone(Phone(user="6003", sip_port=5072, microphone=sound.silence(20, tmp_path / "silence.wav")))
    caller = phone(Phone(microphone=sound.silence(20, tmp_path / "quiet.wav")))
    caller.command("dial", "sip:650@127.0.0.1")
    callee.events.wait("CallReceived")
    desk.events.wait("CALL_INCOMING")
    desk.command("accept")
    caller.events.wait("CALL_ESTABLISHED")
    callee.events.wait("Disconnected")
    assert not callee.events.all("CallAnswered")
    caller.hang_up()


def test_the_agent_that_answers_first_has_the_call_and_the_other_phone_stops_ringing(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("echo"))
    callee.wait_until_registered()
    desk = phone(Phone(user="6003", sip_port=5072, microphone=sound.silence(20, tmp_path / "silence.wav")))
    caller = phone(Phone(microphone=sound.tone(1000, 20, tmp_path / "tone.wav")))
    caller.dial("sip:650@127.0.0.1")
    callee.events.wait("CallAnswered")
    desk.events.wait("CALL_CLOSED")
    caller.listen(1.5)
    caller.hang_up()
    assert Sound.read(caller.heard).amplitude(1000) > 0.1


def test_a_call_that_rings_too_long_at_the_agent_goes_to_the_next_phone(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent(scene("ring"))
    callee.wait_until_registered()
    desk = phone(
        Phone(user="6003", sip_port=5072, answer="auto", microphone=sound.silence(20, tmp_path / "silence.wav"))
    )
    caller = phone(Phone(microphone=sound.silence(20, tmp_path / "quiet.wav")))
    caller.dial("sip:651@127.0.0.1")
    callee.events.wait("Disconnected")
    desk.events.wait("CALL_ESTABLISHED")
    caller.hang_up()


def test_we_put_a_caller_on_hold_and_take_it_back(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    """The PBX plays its music to whom we hold."""
    callee = agent(scene("hold"))
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.tone(1000, 30, tmp_path / "tone.wav")))
    caller.dial("sip:601@127.0.0.1")
    callee.events.wait("HoldChanged", where=lambda event: event["held"])
    callee.events.wait("HoldChanged", where=lambda event: not event["held"])
    caller.listen(2)
    caller.hang_up()
    heard = Sound.read(caller.heard)
    assert heard.between(1.5, 2.5).amplitude(554) > 0.05
    assert heard.between(heard.seconds - 1.2, heard.seconds - 0.2).amplitude(1000) > 0.1
