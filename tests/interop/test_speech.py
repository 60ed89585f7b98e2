"""Speech through Asterisk, both ways, judged by words, by levels, and by the packets' times on the wire.

The callers are flite, whose voices have nothing to do with the agent's own engines.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import PORT
from tests.interop.peers.sound import Sound
from tests.interop.peers.wire import Wire, media_port, stretches

Figure = Callable[[str, object], None]

QUESTIONS = (
    "what time is it",
    "where is your office",
    "are you open today",
    "when do you close",
    "what is your address",
)
PHRASES = (
    *("what are your opening hours", "when are you open", "are you open tomorrow", "what time do you open"),
    *("what time is it", "what is the time", "tell me the time please", "the time please"),
    *("what is your address", "where are you located", "where is your office", "tell me your address"),
    *("take a message please", "i want to leave a message", "can you repeat that", "say that again please"),
    *("help me please", "what can you do", "thank you very much", "good morning"),
)
VOICES = ("slt", "rms", "awb", "kal16", "slt")
GREETING, ANSWER = 4.0, 8.0
"""Seconds that the caller leaves for the greeting, and for an answer."""


def test_two_people_hear_each_other_and_answers_come_soon(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path, record_property: Figure
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    caller = phone(Phone(microphone=_conversation(QUESTIONS, tmp_path)))
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.dial("sip:601@127.0.0.1")
        caller.listen(GREETING + len(QUESTIONS) * (ANSWER + 1.5))
        caller.hang_up()
        callee.events.wait("Disconnected")

    said = [event["text"].lower() for event in callee.events.all("CallerSaid")]
    assert said == list(QUESTIONS)
    assert Sound.read(caller.heard).voiced_seconds > 10, "the caller hardly hears the agent"
    (recording,) = callee.calls.glob("**/*.wav")
    assert Sound.read(recording, channel=0).voiced_seconds > 4
    assert Sound.read(recording, channel=1).voiced_seconds > 10

    answer = wire.sip("SIP/2.0 200", of="INVITE", source=PORT)[0]
    port = media_port(answer)
    spoken = [packet.time for packet in wire.rtp(source=port) if packet.voiced]
    greeted = spoken[0] - answer.time
    ends = [end for _, end in stretches(wire.rtp(destination=port))]
    waits = [min(time for time in spoken if time > end) - end for end in ends]
    record_property("200 sent to first voiced packet, ms", round(greeted * 1000))
    record_property("caller's speech ends to answer, median ms", round(statistics.median(waits) * 1000))
    record_property("caller's speech ends to answer, each ms", [round(wait * 1000) for wait in waits])
    assert len(waits) == len(QUESTIONS)
    assert greeted <= 0.5
    assert statistics.median(waits) <= 1.2


def test_twenty_phrases_in_five_calls_at_once_are_understood(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path, record_property: Figure
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    callers = [
        phone(
            Phone(
                user="sipp",
                registrar="",
                sip_port=5070 + 2 * number,
                microphone=_conversation(PHRASES[number::5], tmp_path, voice),
            )
        )
        for number, voice in enumerate(VOICES)
    ]
    for caller in callers:
        caller.dial("sip:601@127.0.0.1")
    callers[-1].listen(GREETING + len(PHRASES) / 5 * (ANSWER + 2))
    for caller in callers:
        caller.hang_up()
    assert len(callee.events.all("CallAnswered")) == 5
    said = [event["text"].lower() for event in callee.events.all("CallerSaid")]
    understood = [phrase for phrase in PHRASES if phrase in said]
    record_property("phrases understood over PCMU, of 20", len(understood))
    assert len(understood) >= 18, sorted(set(PHRASES) - set(understood))
    assert all(Sound.read(caller.heard).voiced_seconds > 8 for caller in callers)


def test_after_a_spoken_yes_the_agent_hangs_up_when_its_farewell_was_heard(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    callee = agent("--local")
    callee.wait_until_registered()
    caller = phone(Phone(microphone=_conversation(("goodbye", "yes please"), tmp_path)))
    caller.dial("sip:601@127.0.0.1")
    caller.events.wait("CALL_CLOSED", 40)
    assert callee.events.wait("Disconnected")["by"] == "us"
    farewell = callee.events.all("AgentSaid")[-1]
    assert "goodbye" in farewell["heard_text"].lower()
    assert not farewell["interrupted"]


def _conversation(phrases: Sequence[str], directory: Path, voice: str = "slt") -> Path:
    """A microphone: silence for the greeting, then each phrase and silence for its answer."""
    name = phrases[0].replace(" ", "-")
    parts = [sound.silence(GREETING, directory / f"{name}-begin.wav")]
    for number, phrase in enumerate(phrases):
        parts.append(sound.speak(phrase, directory / f"{name}-{number}.wav", after=ANSWER, voice=voice))
    parts.append(sound.silence(30, directory / f"{name}-end.wav"))
    return sound.join(parts, directory / f"{name}.wav")
