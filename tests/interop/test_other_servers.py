"""The base URLs point to servers that are not `sipagent.local`: the same call works, and only through them."""

from pathlib import Path

from openai.types.realtime import RealtimeClientEventParam
from pydantic import TypeAdapter

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.baresip import Phone
from tests.interop.peers.other_servers import OtherServers
from tests.interop.peers.sound import Sound
from tests.interop.peers.tone_server import HERTZ

ANSWER = "This is the answer of the other server, which nobody else would give."


def test_the_same_call_works_with_other_faithful_servers(agent: StartAgent, phone: StartPhone, tmp_path: Path) -> None:
    with OtherServers(said="Where are you?", answers=[ANSWER]) as servers:
        callee = agent(account="", environment=servers.environment)
        callee.wait_until_up()
        caller = phone(
            Phone(registrar="", microphone=sound.speak("Where are you?", tmp_path / "q.wav", before=4, after=30))
        )
        caller.dial("sip:agent@127.0.0.1:5080")
        assert callee.events.wait("CallerSaid", 20)["text"] == "Where are you?"
        said = callee.events.wait("AgentSaid", 20, where=lambda event: event["generated_text"] == ANSWER)
        caller.hang_up()
        callee.events.wait("Disconnected")
    assert said["heard_text"].strip() == ANSWER
    assert Sound.read(caller.heard).between(6.5, 8.0).amplitude(HERTZ) > 0.1, "not the voice of the other server"


def test_every_frame_for_openai_is_one_that_the_official_types_know(
    agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    known = TypeAdapter[object](RealtimeClientEventParam)
    with OtherServers(answers=[ANSWER]) as servers:
        callee = agent(account="", environment=servers.environment)
        callee.wait_until_up()
        caller = phone(
            Phone(registrar="", microphone=sound.speak("Hello there.", tmp_path / "q.wav", before=4, after=30))
        )
        caller.dial("sip:agent@127.0.0.1:5080")
        callee.events.wait("AgentSaid", 20, where=lambda event: event["generated_text"] == ANSWER)
        caller.hang_up()
        frames = servers.received.all("session.update") + servers.received.all("input_audio_buffer.append")
    assert frames
    for frame in frames:
        assert known.validate_python(frame) == frame, "the types drop what GA would refuse"


def test_a_recogniser_that_never_answers_is_told_to_the_caller(
    agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    with OtherServers(mute=True) as servers:
        callee = agent(account="", environment=servers.environment)
        callee.wait_until_up()
        caller = phone(Phone(registrar="", microphone=sound.silence(40, tmp_path / "silence.wav")))
        caller.dial("sip:agent@127.0.0.1:5080")
        callee.events.wait("ProviderFailed", 30)
        caller.events.wait("CALL_CLOSED", 30)
    assert Sound.read(caller.heard).voiced_seconds > 1, "the caller does not hear why"


def test_a_wrong_key_is_named_and_the_caller_does_not_wait_for_nothing(
    agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    with OtherServers() as servers:
        callee = agent(account="", environment={**servers.environment, "OPENAI_API_KEY": "sk-wrong"})
        callee.wait_until_up()
        caller = phone(Phone(registrar="", microphone=sound.silence(40, tmp_path / "silence.wav")))
        caller.dial("sip:agent@127.0.0.1:5080")
        failed = callee.events.wait("ProviderFailed")
        caller.events.wait("CALL_CLOSED", 20)
    assert failed["status"] == 401
    assert "sk-wrong" not in callee.log
