"""Calls through Asterisk, with baresip at the other end: 6002 dials 601, which is the agent registered as 6001."""

from pathlib import Path

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import scenarios, sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.other_servers import OtherServers
from tests.interop.peers.sipagent import REGISTERED
from tests.interop.peers.sipp import Sipp
from tests.interop.peers.sound import Sound


def test_digits_that_the_pbx_dials_arrive_once_each(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:602@127.0.0.1")
    callee.events.wait("DigitReceived", where=lambda event: event["digit"] == "#")
    caller.hang_up()
    callee.events.wait("Disconnected")
    assert "".join(event["digit"] for event in callee.events.all("DigitReceived")) == "1234*0#"


def test_keys_pressed_on_the_phone_arrive_once_each(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:601@127.0.0.1")
    for digit in "2468":
        seen = len(callee.events)
        caller.press(digit)
        assert callee.events.wait("DigitReceived", after=seen)["digit"] == digit
    caller.hang_up()
    callee.events.wait("Disconnected")
    assert len(callee.events.all("DigitReceived")) == 4


def test_hold_passed_on_by_the_pbx_is_obeyed_and_ended(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    """Endpoint 6011 is one that Asterisk sends the hold to, as a re-INVITE."""
    callee = agent("--local", account=REGISTERED.replace("6001", "6011"))
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:6011@127.0.0.1")
    caller.command("hold")
    callee.events.wait("HoldChanged", where=lambda event: event["held"])
    caller.command("resume")
    callee.events.wait("HoldChanged", where=lambda event: not event["held"])
    caller.listen(2)
    caller.hang_up()
    callee.events.wait("Disconnected")


def test_a_hold_that_the_pbx_keeps_to_itself_plays_its_music_to_us(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:601@127.0.0.1")
    caller.command("hold")
    caller.listen(2)
    caller.command("resume")
    caller.listen(1)
    caller.hang_up()
    callee.events.wait("Disconnected")
    (recording,) = callee.calls.glob("**/*.wav")
    assert Sound.read(recording, channel=0).amplitude(554) > 0.02


def test_a_caller_who_hangs_up_while_it_rings_at_the_agent(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    with OtherServers(mute=True) as servers:
        callee = agent(environment=servers.environment)
        callee.wait_until_registered()
        caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
        caller.command("dial", "sip:601@127.0.0.1")
        callee.events.wait("CallReceived")
        caller.hang_up()
        callee.events.wait("Disconnected")
        assert not callee.events.all("CallAnswered")


def test_the_pbx_cuts_the_call_after_five_seconds(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:612@127.0.0.1")
    callee.events.wait("Disconnected", 10)
    caller.events.wait("CALL_CLOSED")


def test_the_pbx_calls_the_agent_and_connects_it_to_a_recorder(asterisk: Asterisk, agent: StartAgent) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    asterisk.console("channel originate PJSIP/6001 extension 610@peers")
    callee.events.wait("AgentSaid")
    callee.stop()
    (recording,) = asterisk.recordings.glob("ext610-*.wav")
    assert Sound.read(recording).voiced_seconds > 1


def test_hold_by_a_scripted_caller_through_the_pbx(
    asterisk: Asterisk, agent: StartAgent, tones: Path, tmp_path: Path
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    hold = scenarios.hold(tones, authenticated=True)
    Sipp(tmp_path, hold, "127.0.0.1:5060", caller="6002", password="pw6002", called="601").wait()
    callee.events.wait("Disconnected")


def test_a_phone_dials_the_agent_without_any_pbx(agent: StartAgent, phone: StartPhone, tmp_path: Path) -> None:
    callee = agent("--local", account="")
    callee.wait_until_up()
    caller = phone(Phone(registrar="", microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:agent@127.0.0.1:5080")
    callee.events.wait("AgentSaid")
    caller.hang_up()
    assert Sound.read(caller.heard).voiced_seconds > 1


def test_a_phone_that_speaks_a_law_is_understood_in_a_law(agent: StartAgent, phone: StartPhone, tmp_path: Path) -> None:
    callee = agent("--local", account="")
    callee.wait_until_up()
    caller = phone(
        Phone(
            registrar="",
            codecs="PCMA/8000/1",
            microphone=sound.speak("what can you do", tmp_path / "question.wav", before=4, after=20),
        )
    )
    caller.dial("sip:agent@127.0.0.1:5080")
    assert callee.events.wait("CallAnswered")["codec"].lower() in ("pcma", "alaw")
    assert callee.events.wait("CallerSaid", 20)["text"].lower() == "what can you do"
    caller.hang_up()
