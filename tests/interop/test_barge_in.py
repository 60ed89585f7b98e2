"""The caller speaks into the answer: how soon is the line silent, and does the rest stay unsaid? By the wire."""

from collections.abc import Callable
from pathlib import Path

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.baresip import Phone
from tests.interop.peers.other_servers import OtherServers
from tests.interop.peers.sipagent import PORT, Sipagent
from tests.interop.peers.wire import Wire, media_port, stretches

Figure = Callable[[str, object], None]

LONG = (
    "This answer is long enough to be interrupted, because it goes on and on about opening hours, holidays, "
    "the weather, the way to the office, and everything else that nobody has asked for in the first place."
)


def test_with_other_servers(agent: StartAgent, phone: StartPhone, tmp_path: Path, record_property: Figure) -> None:
    with OtherServers(said="Tell me everything.", answers=[LONG, "Sorry."]) as servers:
        callee = agent(account="", environment=servers.environment)
        _interrupt(callee, "tell me everything", phone, tmp_path, _named("other servers", record_property))


def test_with_the_local_servers(agent: StartAgent, phone: StartPhone, tmp_path: Path, record_property: Figure) -> None:
    _interrupt(
        agent("--local", account=""), "what can you do", phone, tmp_path, _named("local servers", record_property)
    )


def _named(servers: str, figure: Figure) -> Figure:
    return lambda name, value: figure(f"{name} ({servers})", value)


def _interrupt(callee: Sipagent, question: str, phone: StartPhone, tmp_path: Path, figure: Figure) -> None:
    """Ask at 4 s, talk into the answer about 3 s later, and look at what left between that and the next answer."""
    ask = sound.speak(question, tmp_path / "ask.wav", before=4, after=4)
    stop = sound.speak("what time is it", tmp_path / "stop.wav", after=20)
    callee.wait_until_up()
    caller = phone(Phone(registrar="", microphone=sound.join([ask, stop], tmp_path / "microphone.wav")))
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.dial(f"sip:agent@127.0.0.1:{PORT}")
        cut = callee.events.wait("AgentSaid", 20, where=lambda event: event["interrupted"])
        callee.events.wait("AgentSaid", 20, after=len(callee.events))
        caller.hang_up()
        callee.events.wait("Disconnected")

    port = media_port(wire.sip("SIP/2.0 200", of="INVITE", source=PORT)[0])
    heard = wire.frames("input_audio_buffer.speech_started")[1].time
    next_answer = next(frame.time for frame in wire.frames("response.created") if frame.time > heard)
    voiced = [packet.time for packet in wire.rtp(source=port) if packet.voiced]
    last = max(time for time in voiced if time < next_answer)
    spoke = next(begin for begin, end in stretches(wire.rtp(destination=port)) if end > heard)
    figure("B1: speech_started on our socket to last voiced packet out, ms", round((last - heard) * 1000))
    figure("B2: caller's first voiced packet in to last voiced packet out, ms", round((last - spoke) * 1000))
    assert last - heard <= 0.060
    assert heard - 1.0 < last, "the agent was not speaking when it was interrupted"
    assert 0 < len(cut["heard_text"]) < len(cut["generated_text"])
    assert cut["generated_text"].startswith(cut["heard_text"].rstrip())
