"""The scripted providers: a turn in the order of the real ones, and what they refuse."""

import asyncio
import json
from typing import Any

from sipagent.testing.clock import run
from sipagent.testing.providers import ScriptedCartesia, ScriptedOpenAI, ScriptedSocket, ToolUse

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
]
TOOL = [
    "response.output_item.added",
    "conversation.item.added",
    "conversation.item.done",
    "response.function_call_arguments.done",
    "response.output_item.done",
]
END = ["response.done", "rate_limits.updated", "conversation.item.input_audio_transcription.completed"]


async def exchange(socket: ScriptedSocket, *sent: dict[str, Any]) -> list[dict[str, Any]]:
    """Send frames, wait three seconds, close; return what came."""
    await socket.open("ws://provider", {})
    for frame in sent:
        socket.send(json.dumps(frame))
    await asyncio.sleep(3)
    await socket.close()
    return [json.loads(text) async for text in socket.frames()]


def test_a_turn_has_the_order_of_the_real_one() -> None:
    async def script() -> None:
        openai = ScriptedOpenAI(ToolUse("clock", text="Hm."))
        asyncio.get_running_loop().call_later(0.1, openai.caller_says, "What time is it?")
        frames = await exchange(openai.open_socket())
        assert [frame["type"] for frame in frames] == ["session.created", *TURN, *TOOL, *END]

    run(script())


def test_an_update_with_an_unknown_key_is_refused_whole() -> None:
    async def script() -> None:
        session = {"type": "realtime", "output_modalities": ["text"], "turn_detection": None}
        update = {"type": "session.update", "event_id": "e1", "session": session}
        openai = ScriptedOpenAI()
        created, error = await exchange(openai.open_socket(), update)
        assert error["error"]["code"] == "unknown_parameter"
        assert (error["error"]["param"], error["error"]["event_id"]) == ("session.turn_detection", "e1")
        assert openai.session == created["session"]

    run(script())


def test_an_unknown_event_and_an_unknown_item_are_errors() -> None:
    async def script() -> None:
        delete = {"type": "conversation.item.delete", "item_id": "nothing"}
        frames = await exchange(ScriptedOpenAI().open_socket(), {"type": "response.make"}, delete)
        codes = [frame["error"]["code"] for frame in frames if frame["type"] == "error"]
        assert codes == ["invalid_value", "item_delete_invalid_item_id"]

    run(script())


REQUEST = {
    "context_id": "a",
    "model_id": "sonic-3",
    "transcript": "One two.",
    "voice": {"mode": "id", "id": "v"},
    "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
}


def test_a_context_is_timestamps_chunks_and_one_done() -> None:
    async def script() -> None:
        frames = await exchange(ScriptedCartesia().open_socket(), REQUEST)
        kinds = [frame["type"] for frame in frames]
        assert kinds == ["timestamps", *["chunk"] * 3, "flush_done", "done"]
        words = frames[0]["word_timestamps"]
        assert words["words"] == ["One", "two."]
        assert 0 <= words["start"][0] < words["end"][0] < words["start"][1] < words["end"][1]

    run(script())


def test_a_context_that_is_over_takes_no_more_text() -> None:
    async def script() -> None:
        again = await exchange(ScriptedCartesia().open_socket(), REQUEST, REQUEST)
        once = await exchange(ScriptedCartesia().open_socket(), REQUEST)
        assert again == once

    run(script())


def test_late_chunks_come_after_a_cancel() -> None:
    async def script() -> None:
        cancel = {"context_id": "a", "cancel": True}
        frames = await exchange(ScriptedCartesia(late_chunks=3).open_socket(), REQUEST | {"continue": True}, cancel)
        assert [frame["type"] for frame in frames] == ["chunk"] * 3 + ["done"]

    run(script())


def test_a_request_without_a_voice_is_refused() -> None:
    async def script() -> None:
        request = {key: value for key, value in REQUEST.items() if key != "voice"}
        (error,) = await exchange(ScriptedCartesia().open_socket(), request)
        assert (error["status_code"], error["title"]) == (400, "missing voice")

    run(script())
