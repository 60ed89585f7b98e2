"""OpenAI Realtime: set-up, hearing, answers, interruption, repair, tools, errors. The SDK's types judge every frame."""

import asyncio
from base64 import b64decode

import pytest

from sipagent.agent.tools import tool
from sipagent.errors import LocalProtocolError, ProviderError
from sipagent.events import (
    CallerSaid,
    Notice,
    ProviderClosed,
    ProviderEvent,
    ProviderFailed,
    ResponseDone,
    SpeechEnded,
    SpeechStarted,
    TextDelta,
    TextDone,
    ToolCall,
)
from sipagent.providers.openai_realtime import OpenAIRealtime
from sipagent.testing.call import ScriptedCall
from sipagent.testing.clock import run
from sipagent.testing.providers import Failure, Fault, ScriptedOpenAI, Silence, ToolUse
from tests.providers.oracle import check_openai_client, check_openai_server
from tests.providers.stage import Script, frames, on_a_call

STORY = "Once upon a time there was a fisherman. He lived by the sea."


def play(openai: ScriptedOpenAI, script: Script, *, strict: bool = True) -> ScriptedCall:
    """Run a scenario; then have the SDK's types judge both directions."""
    call = on_a_call(script, openai=openai.open_socket)
    for frame in openai.received if strict else ():
        check_openai_client(frame)
    for frame in frames(call, "openai"):
        check_openai_server(frame)
    return call


# ---- set-up


def test_the_session_is_configured_before_anything_else() -> None:
    @tool
    def order_status(number: str) -> str:
        """Tell where an order is."""
        return number

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime(instructions="Be brief.", language="en", tools=[order_status]) as ai:
            ai.create_response()
            await ai.ready()

    openai = ScriptedOpenAI("Hi.")
    play(openai, script)

    assert [frame["type"] for frame in openai.received] == ["session.update", "response.create"]
    session = openai.received[0]["session"]
    assert session["output_modalities"] == ["text"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcmu"},
        "transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
        },
    }
    assert session["tools"][0]["name"] == "order_status"
    socket = openai.connections[0]
    assert socket.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime-1.5"
    assert socket.headers == {"Authorization": "Bearer sk-scripted"}, "and no OpenAI-Beta"


def test_the_seed_s_session_of_the_old_shape_is_moved_to_its_place() -> None:
    seed = {
        "type": "realtime",
        "instructions": "You are Voxi.",
        "output_modalities": ["text"],
        "turn_detection": {"type": "server_vad", "interrupt_response": True},
        "input_audio_format": "g711_ulaw",
    }

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime(session=seed, base_url="http://127.0.0.1:9/v1/", model="a b") as ai:
            await ai.ready()

    openai = ScriptedOpenAI()
    call = play(openai, script)

    session = openai.received[0]["session"]
    assert session["instructions"] == "You are Voxi."
    assert session["audio"]["input"]["turn_detection"]["create_response"] is True
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert [notice.text.split(" ")[1] for notice in call.of(Notice)] == [
        "session.turn_detection",
        "session.input_audio_format",
        "session.audio.input.format",
    ]
    assert openai.connections[0].url == "ws://127.0.0.1:9/v1/realtime?model=a%20b"


def test_a_refused_session_is_a_failure_with_the_server_s_words() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime(session={"flavour": "vanilla"}) as ai:
            with pytest.raises(ProviderError, match=r"Unknown parameter: 'session.flavour'"):
                await ai.ready()

    call = play(ScriptedOpenAI(), script, strict=False)

    (failed,) = call.of(ProviderFailed)
    assert failed.status == 400


@pytest.mark.parametrize("frames_before_silence", [0, 1])
def test_a_server_that_does_not_set_the_session_up_is_given_five_seconds(frames_before_silence: int) -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(ProviderError, match="does not answer"):
                await ai.ready()
            assert asyncio.get_running_loop().time() - begun == pytest.approx(5, abs=0.5)

    call = play(ScriptedOpenAI(faults=[Fault(silent_after=frames_before_silence)]), script)

    assert len(call.of(ProviderFailed)) == 1


def test_used_outside_its_async_with() -> None:
    ai = OpenAIRealtime()
    with pytest.raises(LocalProtocolError):
        run(ai.ready())


# ---- hearing


def test_g711_passes_through_and_another_law_is_declared_first() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.hear(b"before", "pcmu", voiced=False)
            await ai.ready()
            ai.hear(b"\x01\x02\x03", "pcmu", voiced=False)
            ai.hear(b"a-law", "pcma", voiced=False)

    openai = ScriptedOpenAI()
    play(openai, script)

    assert bytes(openai.heard) == b"before\x01\x02\x03a-law"
    assert openai.received[1]["session"] == {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcma"}}}}


def test_wideband_audio_passes_through_with_its_rate_and_no_rate_outlives_it() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            ai.hear(b"wide" * 240, "pcm", voiced=False)
            ai.hear(b"\x01\x02\x03", "pcmu", voiced=False)
            ai.reconnect()
            await ai.ready()

    openai = ScriptedOpenAI()
    play(openai, script)

    assert bytes(openai.heard)[:963] == b"wide" * 240 + b"\x01\x02\x03"
    _, wide, narrow, again = [update["session"]["audio"]["input"]["format"] for update in openai.sent("session.update")]
    assert wide == {"type": "audio/pcm", "rate": 24000}
    assert narrow == again == {"type": "audio/pcmu"}


def test_an_a_law_call_before_the_session_stands_needs_one_update() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.hear(b"early", "pcma", voiced=False)
            await ai.ready()

    openai = ScriptedOpenAI()
    play(openai, script)

    (update,) = openai.sent("session.update")
    assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcma"}
    assert bytes(openai.heard) == b"early"


def test_a_turn_of_the_caller_as_events() -> None:
    openai = ScriptedOpenAI("Good day to you.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            openai.caller_says("Hello.")
            await asyncio.sleep(4)

    call = play(openai, script)

    typed = [event for event in call.events if not isinstance(event, ProviderEvent | TextDelta)]
    assert [type(event) for event in typed] == [SpeechStarted, SpeechEnded, TextDone, ResponseDone, CallerSaid]
    assert "".join(delta.text for delta in call.of(TextDelta)) == call.of(TextDone)[0].text == "Good day to you."
    assert call.of(CallerSaid)[0].text == "Hello."


# ---- responses


def test_a_second_response_waits_for_the_first() -> None:
    openai = ScriptedOpenAI("One.", "Two.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.create_response()
            ai.create_response(instructions="Say two.")
            await asyncio.sleep(2)

    call = play(openai, script)

    assert [done.text for done in call.of(TextDone)] == ["One.", "Two."]
    assert not [frame for frame in frames(call, "openai") if frame["type"] == "error"]


def test_our_request_that_crosses_the_server_s_own_is_made_again() -> None:
    openai = ScriptedOpenAI("To the caller.", "To us.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            openai.caller_stops("Hello")  # its response.created is still on the way
            ai.create_response()
            await asyncio.sleep(2)

    call = play(openai, script)

    errors = [frame["error"]["code"] for frame in frames(call, "openai") if frame["type"] == "error"]
    assert errors == ["conversation_already_has_active_response"]
    assert [done.text for done in call.of(TextDone)] == ["To the caller.", "To us."]


def test_an_interrupted_response_is_not_heard_of_again() -> None:
    openai = ScriptedOpenAI(STORY)

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.create_response()
            await asyncio.sleep(0.4)
            openai.caller_starts()
            await asyncio.sleep(1)

    call = play(openai, script)

    assert "".join(delta.text for delta in call.of(TextDelta)) in STORY
    assert call.of(TextDone) == []
    assert [done.status for done in call.of(ResponseDone)] == ["cancelled"]
    wire = [frame["type"] for frame in frames(call, "openai")]
    assert "response.output_text.done" in wire, "though it was on the wire"


def test_a_response_asked_for_just_before_the_caller_spoke_is_cancelled_when_it_begins() -> None:
    openai = ScriptedOpenAI(STORY)

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            openai.caller_starts()
            ai.create_response()
            await asyncio.sleep(1)

    call = play(openai, script)

    assert len(openai.sent("response.cancel")) == 1
    assert call.of(TextDelta) == []


def test_without_interruption_by_the_server_we_cancel() -> None:
    openai = ScriptedOpenAI(Silence())
    session = {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}}

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime(session=session) as ai:
            ai.create_response()
            await asyncio.sleep(0.1)
            openai.caller_starts()
            await asyncio.sleep(0.1)

    play(openai, script)

    assert len(openai.sent("response.cancel")) == 1


def test_cancelling_nothing_is_no_error() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            ai.cancel_response()

    openai = ScriptedOpenAI()
    call = play(openai, script)

    assert openai.sent("response.cancel") == []
    assert not call.of(ProviderFailed)
    assert not call.of(Notice)


def test_a_failed_response_is_a_failure_and_the_session_goes_on() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.create_response()
            await asyncio.sleep(1)
            ai.create_response()
            await asyncio.sleep(1)

    call = play(ScriptedOpenAI(Failure("inference_rate_limit_exceeded", "Slow down."), "Here I am."), script)

    assert call.of(TextDone)[0].text == "Here I am."
    assert call.of(ProviderFailed)[0].reason == "openai: an answer failed: Slow down."
    assert call.of(ProviderFailed)[0].status is None, "worth another attempt"


# ---- history


def test_history_is_repaired_in_place() -> None:
    openai = ScriptedOpenAI()

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            first = ai.add_message("assistant", "Hello, how can I help?")
            ai.add_message("user", "The caller pressed 1.")
            await ai.ready()
            ai.replace_message(first, "Hello,")
            await asyncio.sleep(0.1)

    play(openai, script)

    assert [item["content"][0]["text"] for item in openai.items] == ["Hello,", "The caller pressed 1."]


def test_an_item_that_is_not_complete_is_repaired_when_it_is() -> None:
    openai = ScriptedOpenAI(STORY)

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.create_response()
            await asyncio.sleep(0.4)
            ai.replace_message(call.of(TextDelta)[0].item_id, "Once")
            assert openai.sent("conversation.item.delete") == []
            await asyncio.sleep(2)

    play(openai, script)

    assert [item["content"][0]["text"] for item in openai.items] == ["Once"]


def test_what_was_not_heard_at_all_is_removed() -> None:
    openai = ScriptedOpenAI()

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.replace_message(ai.add_message("assistant", "Hello."), "")
            await ai.ready()

    play(openai, script)

    assert openai.items == []


def test_a_fresh_session_is_given_the_conversation() -> None:
    openai = ScriptedOpenAI(ToolUse("clock"), "It is noon.", "Good bye.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime(instructions="Be brief.") as ai:
            ai.add_message("assistant", "Hello.")
            await ai.ready()
            openai.caller_says("What time is it?")
            await asyncio.sleep(2)
            ai.answer_tool(call.of(ToolCall)[0].tool_call_id, "12:00")
            await asyncio.sleep(2)
            ai.reconnect()
            ai.create_response()
            await asyncio.sleep(2)

    play(openai, script)

    assert len(openai.connections) == 2
    assert openai.session["instructions"] == "Be brief."
    kinds = [item.get("role") or item["type"] for item in openai.items]
    assert kinds == ["assistant", "user", "function_call", "function_call_output", "assistant", "assistant"]
    assert openai.items[1]["content"] == [{"type": "input_text", "text": "What time is it?"}]


def test_a_turn_that_is_not_transcribed_yet_is_given_again_as_its_audio() -> None:
    openai = ScriptedOpenAI(Failure(), "It left this morning.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            for _ in range(50):
                ai.hear(b"before  " * 40, "pcmu", voiced=False)
            openai.caller_starts()
            await asyncio.sleep(0.1)
            for _ in range(50):
                ai.hear(b"question" * 40, "pcmu", voiced=True)
            openai.caller_stops("Where is my parcel?")
            await asyncio.sleep(0.35)
            assert call.of(ProviderFailed), "before the transcript"
            ai.reconnect()
            ai.create_response()
            await asyncio.sleep(1)

    call = play(openai, script)

    user, assistant = openai.items
    assert b64decode(user["content"][0]["audio"]) == b"before  " * 1000 + b"question" * 2000
    assert assistant["content"][0]["text"] == call.of(TextDone)[0].text == "It left this morning."


# ---- tools


def test_a_tool_s_result_waits_for_the_end_of_its_response() -> None:
    openai = ScriptedOpenAI(ToolUse("clock", '{"zone": "CET"}'), "It is noon.")

    async def script(call: ScriptedCall) -> None:
        def answer(event: ToolCall) -> None:
            ai.answer_tool(event.tool_call_id, "12:00")
            order.append("answered")

        order: list[str] = []
        call.on(ToolCall, answer)
        call.on(ResponseDone, lambda event: order.append("done"))
        async with OpenAIRealtime() as ai:
            ai.create_response()
            await asyncio.sleep(2)
        assert order == ["answered", "done", "done"]

    call = play(openai, script)

    assert call.of(ToolCall)[0].arguments == {"zone": "CET"}
    assert call.of(TextDone)[0].text == "It is noon."
    assert len(openai.sent("response.create")) == 2


# ---- ends


@pytest.mark.parametrize(
    ("code", "reason", "status", "words"),
    [
        (3000, "invalid_request_error.invalid_api_key", 401, "set OPENAI_API_KEY"),
        (4000, "invalid_request_error.missing_model", 404, "see model and voice in [openai]"),
        (1001, "Your session hit the maximum duration of 60 minutes.", None, "60 minutes"),
        (1006, "", None, "1006"),
    ],
)
def test_how_the_server_ends(code: int, reason: str, status: int | None, words: str) -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime():
            await asyncio.sleep(1)

    call = play(ScriptedOpenAI(faults=[Fault(close_after=2, code=code, reason=reason)]), script)

    (closed,), (failed,) = call.of(ProviderClosed), call.of(ProviderFailed)
    assert (closed.code, closed.clean) == (code, code != 1006)
    assert failed.status == status
    assert words in failed.reason


def test_a_key_that_the_server_quotes_is_taken_out() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime():
            await asyncio.sleep(1)

    fault = Fault(close_after=1, code=3000, reason="invalid_api_key: sk-scripted is wrong")
    call = play(ScriptedOpenAI(faults=[fault]), script)

    assert "[key] is wrong" in call.of(ProviderFailed)[0].reason
    assert "sk-scripted" not in call.of(ProviderFailed)[0].reason


def test_our_own_close_is_no_failure() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()

    openai = ScriptedOpenAI()
    call = play(openai, script)

    assert openai.connections[0].ended is not None
    assert openai.connections[0].ended.code == 1000
    assert not call.of(ProviderClosed)
    assert not call.of(ProviderFailed)


def test_closed_while_still_connecting() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime():
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() < 1

    call = play(ScriptedOpenAI(faults=[Fault(never_opens=True)]), script)

    assert call.of(ProviderFailed) == []


def test_frames_that_nobody_can_read_or_knows_are_passed_over() -> None:
    openai = ScriptedOpenAI("Hello.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            for text in ("{", "[]", "7", '{"type": "response.done"}', '{"type": "error"}', '{"type": 5}'):
                openai.connections[0].deliver(text)
            openai.connections[0].deliver({"type": "weather.changed", "sky": "blue"})
            ai.create_response()
            await asyncio.sleep(1)

    call = on_a_call(script, openai=openai.open_socket)

    assert call.of(TextDone)[0].text == "Hello."
    assert ProviderEvent(
        provider="openai", type="weather.changed", data={"type": "weather.changed", "sky": "blue"}
    ) in (call.events)


def test_any_client_event_can_be_sent() -> None:
    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            ai.send("conversation.item.delete", item_id="nothing")
            await ai.ready()
            ai.update_session(instructions="Be long-winded.", voice="ash")
            await asyncio.sleep(0.1)

    openai = ScriptedOpenAI()
    call = play(openai, script)

    assert [notice.text for notice in call.of(Notice)] == [
        "openai: session.voice has its place at session.audio.output.voice now, and was moved there",
        "openai: Item does not exist.",
    ]
    assert openai.sent("session.update")[1]["session"]["audio"] == {"output": {"voice": "ash"}}
