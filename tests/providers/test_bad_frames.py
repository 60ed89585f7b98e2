"""Frames that no provider should send, in any order: nothing is raised, nothing is logged as our fault."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sipagent.providers.cartesia_tts import CartesiaTTS
from sipagent.providers.openai_realtime import OpenAIRealtime
from sipagent.testing.call import ScriptedCall
from sipagent.testing.providers import ScriptedCartesia, ScriptedOpenAI
from tests.providers.stage import on_a_call

IDS = st.sampled_from(["a", "b", "context1", "", "root"])
WRONG = st.sampled_from([None, True, 0, 3, -1, 2.5, "", "text", "é", "%", [], [None], {}, {"a": 1}, [{"id": "a"}]])
"""What stands where something else is expected."""


def mostly(*right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of these, and now and then something wrong."""
    return st.one_of(*right, *right, WRONG)


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with these fields, now and then without some."""
    return st.one_of(st.fixed_dictionaries(fields), st.fixed_dictionaries({}, optional=fields))


TEXT = mostly(st.just("Some text."))
ITEM = record(
    id=mostly(IDS),
    type=mostly(st.sampled_from(["message", "function_call", "function_call_output"])),
    role=mostly(st.sampled_from(["user", "assistant"])),
    content=mostly(st.lists(mostly(record(type=TEXT, text=TEXT, transcript=TEXT)), max_size=2)),
    call_id=mostly(IDS),
    name=TEXT,
    arguments=mostly(st.sampled_from(["{}", "{", "[]", '{"a": 1}'])),
    output=TEXT,
)
RESPONSE = record(
    id=mostly(IDS),
    status=mostly(st.sampled_from(["completed", "failed", "cancelled"])),
    output=mostly(st.lists(mostly(ITEM), max_size=2)),
    metadata=mostly(st.sampled_from([{"request": "1"}, {"request": 1}])),
    status_details=mostly(record(error=mostly(record(code=TEXT, message=TEXT)))),
)
ERROR = record(
    code=mostly(st.sampled_from(["insufficient_quota", "conversation_already_has_active_response"])),
    message=TEXT,
    event_id=mostly(st.sampled_from(["setup", "probe", "response-1", "response-x"])),
)
REST = {"session": TEXT, "text": TEXT, "transcript": TEXT, "delta": TEXT, "name": TEXT}
OPENAI_FRAME = record(
    type=mostly(
        st.sampled_from(
            [
                *("session.created", "session.updated", "error", "response.created", "response.done"),
                *("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"),
                *("input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"),
                "conversation.item.input_audio_transcription.completed",
                *("response.output_text.delta", "response.output_text.done"),
                "response.function_call_arguments.done",
            ]
        )
    ),
    item=mostly(ITEM),
    response=mostly(RESPONSE),
    error=mostly(ERROR),
    arguments=mostly(st.sampled_from(["{}", "{"])),
    **dict.fromkeys(["item_id", "previous_item_id", "response_id", "call_id"], mostly(IDS)),
    **REST,
)
LISTS = mostly(st.lists(mostly(st.sampled_from(["Hello", "there", 0.1, 0.5])), max_size=3))
CARTESIA_FRAME = record(
    type=mostly(st.sampled_from(["chunk", "timestamps", "flush_done", "done", "error"])),
    context_id=mostly(st.just("context1")),
    data=mostly(st.sampled_from(["AAAA", "/w=="])),
    status_code=mostly(st.sampled_from([206, 401, 429])),
    error=TEXT,
    word_timestamps=mostly(record(words=LISTS, start=LISTS, end=LISTS)),
)

patiently = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def bear(caplog: pytest.LogCaptureFixture, script: Callable[[ScriptedCall], Any], **sockets: Any) -> None:
    """Run a scenario; nothing is an exception, caught or not."""
    caplog.clear()
    on_a_call(script, **sockets)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@patiently
@given(st.lists(OPENAI_FRAME, max_size=12))
@example([{"type": "response.done", "response": {"id": "a", "output": 5}}])
@example([{"type": "conversation.item.done", "item": {"id": "a", "type": "function_call_output"}}])
@example([{"type": "conversation.item.done", "item": {"id": "a", "type": ["message"], "content": 5}}])
@example([{"type": "response.created", "response": {"id": "a", "metadata": {"request": "\u00b2"}}}])
def test_openai(caplog: pytest.LogCaptureFixture, frames: list[dict[str, Any]]) -> None:
    openai = ScriptedOpenAI("Hello there.")

    async def script(call: ScriptedCall) -> None:
        async with OpenAIRealtime() as ai:
            await ai.ready()
            ai.create_response()
            ai.hear(b"\xff" * 320, "pcmu", voiced=True)
            for number, frame in enumerate(frames):
                openai.connections[0].deliver(frame, after=number * 0.1)
            await asyncio.sleep(2)
            ai.replace_message("a", "Hm.")
            ai.answer_tool("a", "done")
            ai.reconnect()
            await asyncio.sleep(0.5)

    bear(caplog, script, openai=openai.open_socket)


@patiently
@given(st.lists(CARTESIA_FRAME, max_size=12))
@example(
    [{"type": "timestamps", "context_id": "context1", "word_timestamps": {"words": [5], "start": [1], "end": [1]}}]
)
@example(
    [{"type": "timestamps", "context_id": "context1", "word_timestamps": {"words": ["a"], "start": ["x"], "end": [1]}}]
)
@example([{"type": "chunk", "context_id": "context1", "data": "\u00e9"}])
def test_cartesia(caplog: pytest.LogCaptureFixture, frames: list[dict[str, Any]]) -> None:
    cartesia = ScriptedCartesia(first_chunk=0.3)

    async def script(call: ScriptedCall) -> None:
        async with CartesiaTTS() as tts:
            tts.send_media_to(call)
            await tts.ready()
            said = tts.say("Hello there, how are you?", more=True)
            for number, frame in enumerate(frames):
                cartesia.connections[0].deliver(frame, after=number * 0.1)
            await asyncio.sleep(1)
            assert said.text.startswith(said.heard_text)
            tts.clear()
            await said
            await tts.say("Afterwards.")

    bear(caplog, script, cartesia=cartesia.open_socket)
