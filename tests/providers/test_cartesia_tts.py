"""Cartesia's voice: contexts, order, what was heard, clearing, failures. The SDK's types judge every frame."""

import asyncio

import pytest

from sipagent.agent.interfaces import SpeechState
from sipagent.audio import g711
from sipagent.audio.level import level
from sipagent.errors import LocalProtocolError, ProviderError
from sipagent.events import MediaEnded, MediaStarted, ProviderEvent, ProviderFailed
from sipagent.providers.cartesia_tts import CartesiaTTS
from sipagent.testing.call import ScriptedCall
from sipagent.testing.clock import run
from sipagent.testing.providers import Fault, ScriptedCartesia
from tests.providers.oracle import check_cartesia_client, check_cartesia_server
from tests.providers.stage import Script, frames, on_a_call

VOICE = "a0e99841-438c-4a64-b679-ae501e7d6091"


def play(cartesia: ScriptedCartesia, script: Script, *, encoding: str = "pcmu") -> ScriptedCall:
    """Run a scenario; then have the SDK's types judge both directions."""
    call = on_a_call(script, encoding=encoding, cartesia=cartesia.open_socket)
    for frame in cartesia.received:
        check_cartesia_client(frame)
    for frame in frames(call, "cartesia"):
        if frame.get("type"):
            check_cartesia_server(frame)
    return call


# ---- what is asked for


def test_a_text_is_one_request_with_everything_in_it() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS(language="en", speed=1.1) as tts:
            tts.send_media_to(call)
            said = tts.say("Hello there.")
            assert (said.text, said.heard_text, said.state) == ("Hello there.", "", SpeechState.WAITING)
            assert await said == "Hello there."
            assert said.state is SpeechState.FINISHED

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert cartesia.received == [
        {
            "context_id": "context1",
            "transcript": "Hello there.",
            "continue": False,
            "model_id": "sonic-3",
            "voice": {"mode": "id", "id": VOICE},
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,
            "language": "en",
            "generation_config": {"speed": 1.1},
        }
    ]
    socket = cartesia.connections[0]
    assert socket.url == "wss://api.cartesia.ai/tts/websocket"
    assert socket.headers == {"X-API-Key": "sk_car_scripted", "Cartesia-Version": "2026-03-01"}


def test_what_the_seed_asks_for_passes_unchanged() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.say("Hi.", model="sonic-2", voice="v", language="en", context_id="openai-cartesia-1")

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    (request,) = cartesia.received
    assert (request["model_id"], request["voice"]["id"], request["language"], request["context_id"]) == (
        *("sonic-2", "v", "en"),
        "openai-cartesia-1",
    )


def test_streamed_text_is_one_context_joined_verbatim() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            first = tts.say("Hello,", more=True)
            again = tts.say(" how are you?", more=True)
            assert tts.say("") is again is first
            assert await first == "Hello, how are you?"

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert [(frame["transcript"], frame["continue"]) for frame in cartesia.received] == [
        ("Hello,", True),
        (" how are you?", True),
        ("", False),
    ]
    assert len({frame["context_id"] for frame in cartesia.received}) == 1


def test_text_that_is_long_in_coming_goes_on_in_a_new_context_of_the_same_utterance() -> None:
    """The server has ended the context meanwhile; the words of both are told apart, and heard as one text."""

    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            said = tts.say("Let me see,", more=True)
            await asyncio.sleep(4)
            assert said.state is SpeechState.PAUSED
            assert tts.say(" it is two and two and three.", more=True) is said
            await asyncio.sleep(0.9)
            assert said.heard_text == "Let me see, it is two"
            await asyncio.sleep(4)
            assert said.state is SpeechState.PAUSED
            assert await tts.say("") == "Let me see, it is two and two and three."

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert cartesia.spoken == ["Let me see,", " it is two and two and three."]


def test_a_new_context_ends_the_one_before() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            tts.say("One", context_id="a", more=True)
            second = tts.say("Two.", context_id="b")
            with pytest.raises(ValueError, match="'a' has ended"):
                tts.say("and a half", context_id="a")
            await second

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert [(frame["context_id"], frame["transcript"]) for frame in cartesia.received] == [
        ("a", "One"),
        ("a", ""),
        ("b", "Two."),
    ]


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_an_utterance_cannot_begin_blank(blank: str) -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            with pytest.raises(ValueError, match="blank"):
                tts.say(blank)

    play(ScriptedCartesia(), script)


def test_used_outside_its_async_with() -> None:
    tts = CartesiaTTS()
    with pytest.raises(LocalProtocolError):
        tts.say("Hello.")
    with pytest.raises(LocalProtocolError):
        run(tts.ready())


# ---- speaking


def test_contexts_generated_in_parallel_are_spoken_in_their_order() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            first, second = tts.say("A long first sentence, that takes its time."), tts.say("Then this.")
            await first
            assert second.heard_text == ""
            assert await second == "Then this."

    cartesia = ScriptedCartesia()
    call = play(cartesia, script)

    chunks = [frame["context_id"] for frame in frames(call, "cartesia") if frame["type"] == "chunk"]
    assert chunks != sorted(chunks), "they interleaved on the wire"


def test_speech_waits_for_a_call_to_speak_into() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            said = tts.say("Hello.")
            await asyncio.sleep(1)
            assert call.sent == []
            tts.send_media_to(call)
            assert await said == "Hello."

    play(ScriptedCartesia(), script)


def test_an_a_law_call_is_spoken_to_in_a_law() -> None:
    """Asked for in A-law when the call is known, translated when the call came later."""

    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            early = tts.say("Early.")
            await asyncio.sleep(0.5)
            tts.send_media_to(call)
            await early
            await tts.say("Late.")

    cartesia = ScriptedCartesia()
    call = play(cartesia, script, encoding="pcma")

    assert [frame["output_format"]["encoding"] for frame in cartesia.received] == ["pcm_mulaw", "pcm_alaw"]
    tone = [g711.decode(frame.audio, "pcma").astype(int) for frame in call.sent]
    late = next(
        number for number, frame in enumerate(call.sent) if frame.time > call.sent[number - 1].time + 0.03 > 0.1
    )
    assert abs(tone[2] - tone[late + 2]).max() < 600, "one tone, but for the steps of two laws"


def test_a_wideband_call_is_spoken_to_at_24_000_samples_a_second() -> None:
    """As it comes when the call is known, though chunks end inside a sample; brought to its rate when it came later."""

    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            early = tts.say("Early.")
            await asyncio.sleep(0.5)
            tts.send_media_to(call)
            await early
            assert await tts.say("Late as it is.") == "Late as it is."

    cartesia = ScriptedCartesia()
    call = play(cartesia, script, encoding="pcm")

    formats = [
        (frame["output_format"]["encoding"], frame["output_format"]["sample_rate"]) for frame in cartesia.received
    ]
    assert formats == [("pcm_mulaw", 8000), ("pcm_s16le", 24000)]
    seconds = sum(len(frame.audio) for frame in call.sent) / 48000
    assert seconds == pytest.approx(len("Early.Late as it is.") / 14, abs=0.01)
    assert all(level(frame.audio, "pcm") == pytest.approx(-13, abs=1) for frame in call.sent[1:20])


def test_media_events_bracket_speech_with_a_second_of_quiet() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call, tag="main")
            await tts.say("One.")
            await asyncio.sleep(0.5)
            await tts.say("Two.")
            await asyncio.sleep(1.5)
            await tts.say("Three.")
            await asyncio.sleep(1.5)

    call = play(ScriptedCartesia(), script)

    media = [type(event) for event in call.events if isinstance(event, MediaStarted | MediaEnded)]
    assert media == [MediaStarted, MediaEnded, MediaStarted, MediaEnded]
    assert {event.tag for event in call.of(MediaStarted)} | {event.tag for event in call.of(MediaEnded)} == {"main"}
    samples = 571  # a character, in the double's pace
    assert [ended.duration for ended in call.of(MediaEnded)] == pytest.approx(
        [8 * samples / 8000, 6 * samples / 8000], abs=0.001
    )


# ---- clearing


def test_clear_stops_at_once_and_late_chunks_are_dropped() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            said = tts.say("One two three four five six seven eight nine ten eleven twelve. " * 3, more=True)
            waiting = tts.say("Never.", context_id="b")
            await asyncio.sleep(0.9)
            tts.clear()
            stopped = asyncio.get_running_loop().time()
            heard = await said
            assert heard == "One two three"
            assert said.state is SpeechState.INTERRUPTED
            assert await waiting == ""
            await asyncio.sleep(1)
            assert call.spoken_between(stopped + 0.02, stopped + 2) == 0
            assert tts.say("more of it", context_id="context1") is said, "text for a cut-off utterance is dropped"
            assert await tts.say("Afterwards.") == "Afterwards."

    cartesia = ScriptedCartesia(late_chunks=5)
    play(cartesia, script)

    assert cartesia.cancelled == ["context1"], "the other had been generated"


def test_clearing_silence_does_nothing() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.say("Hi.")
            tts.clear()
            tts.clear()

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert cartesia.cancelled == []


def test_what_is_cleared_before_the_socket_stands_is_never_sent() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            said = tts.say("Never.")
            tts.clear()
            assert await said == ""
            await tts.say("Only this.")

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert [frame.get("transcript") for frame in cartesia.received] == ["Only this."]


def test_stopping_the_media_cuts_off_and_ends_the_stream() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            said = tts.say("One two three four five six.")
            await asyncio.sleep(0.6)
            tts.stop_media_to(call)
            assert "One".startswith((await said)[:3])
            await asyncio.sleep(0.1)
            assert len(call.of(MediaEnded)) == 1

    play(ScriptedCartesia(), script)


def test_leaving_the_async_with_settles_everything() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            said = tts.say("One two three four five six.")
            await asyncio.sleep(0.5)
        assert said.finished
        await said

    cartesia = ScriptedCartesia()
    play(cartesia, script)

    assert cartesia.connections[0].ended is not None


# ---- failing


def test_no_audio_in_time() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.ready()
            said = tts.say("Hello.")
            begun = asyncio.get_running_loop().time()
            assert await said == ""
            assert asyncio.get_running_loop().time() - begun == pytest.approx(1.2)
            assert (said.state, said.failure) == (SpeechState.FAILED, "cartesia: it sent no audio in time")
            assert await tts.say("Again.") == "Again."

    cartesia = ScriptedCartesia(stalls_after=[0])
    call = play(cartesia, script)

    assert len(cartesia.connections) == 2
    assert len(call.of(ProviderFailed)) == 1


def test_a_stall_in_the_middle_is_final_when_what_there_is_was_heard() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            said = tts.say("One two three four five six seven eight nine ten.")
            heard = await said
            assert said.state is SpeechState.FAILED
            assert said.text.startswith(heard)
            assert "One two" in heard

    play(ScriptedCartesia(stalls_after=[4]), script)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, None, "set CARTESIA_API_KEY"),
        (402, "quota_exceeded", "no credit left"),
        (404, "model_not_found", "see model and voice in [cartesia]"),
        (429, "concurrency_limited", "raise the account's limit"),
        (500, None, "cartesia: Error: scripted"),
    ],
)
def test_errors_of_a_context(status: int, code: str | None, words: str) -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.ready()
            said = tts.say("Hello.")
            cartesia.fail("context1", status=status, error_code=code)
            assert await said == ""
            assert words in said.failure

    cartesia = ScriptedCartesia()
    call = play(cartesia, script)

    (failed,) = call.of(ProviderFailed)
    assert failed.status == status


def test_an_error_that_names_no_context_fails_all() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.ready()
            one, two = tts.say("One."), tts.say("Two.")
            cartesia.fail(None, status=500)
            await one
            await two
            assert one.state is two.state is SpeechState.FAILED

    cartesia = ScriptedCartesia()
    play(cartesia, script)


def test_the_old_shape_of_an_error() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.ready()
            said = tts.say("Hello.")
            error = {"type": "error", "done": True, "status_code": 400, "error": "Bad: no", "context_id": "context1"}
            cartesia.connections[0].deliver(error)
            await said
            assert said.failure == "cartesia: Bad: no"

    cartesia = ScriptedCartesia()
    play(cartesia, script)


def test_a_socket_closed_while_idle_is_opened_again_by_the_next_text() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.say("One.")
            cartesia.connections[0].drop(1000, "connection idle timeout")
            await asyncio.sleep(1)
            assert len(cartesia.connections) == 1
            assert await tts.say("Two.") == "Two."

    cartesia = ScriptedCartesia()
    call = play(cartesia, script)

    assert call.of(ProviderFailed) == []
    assert len(cartesia.connections) == 2


def test_a_refused_upgrade() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            said = tts.say("Hello.")
            with pytest.raises(ProviderError) as refused:
                await tts.ready()
            assert refused.value.status == 402
            assert await said == ""

    play(ScriptedCartesia(faults=[Fault(refuse=402)]), script)


def test_frames_that_nobody_can_read_or_knows_are_passed_over() -> None:
    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.ready()
            said = tts.say("Hello.")
            for text in ("{", '{"type": "chunk", "context_id": "context1", "data": 5}', '{"type": "weather"}'):
                cartesia.connections[0].deliver(text)
            strange = {"type": "timestamps", "context_id": "context1", "word_timestamps": {"words": 1}}
            cartesia.connections[0].deliver(strange)
            assert await said == "Hello."

    cartesia = ScriptedCartesia()
    call = on_a_call(script, cartesia=cartesia.open_socket)

    assert "weather" in [event.type for event in call.of(ProviderEvent)]
