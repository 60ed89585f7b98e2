"""A second OpenAI Realtime server, in text mode, written apart from `sipagent.local`: the agent must work with both.

It hears by energy alone and answers from a list, so a test knows every word in advance. Wire: GA Realtime as the
official SDK's types describe it; the order of one turn is that of a recorded session.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.interop.peers.wire import mu_law_level

_BLOCK = 160
_ONSET = 5
_HANGOVER = 25
"""Blocks of 20 ms: 100 ms of sound begin a turn, 500 ms of quiet end it."""
_LOUD = -40.0

Frame = dict[str, Any]


class Ear:
    """Finds speech in mu-law audio on the audio's own clock."""

    def __init__(self) -> None:
        self._rest = b""
        self._blocks = self._loud = self._quiet = 0
        self._speaking = False

    def hear(self, audio: bytes) -> Iterator[tuple[str, int]]:
        """Yield (`started` | `stopped`, milliseconds of the session's audio)."""
        self._rest += audio
        while len(self._rest) >= _BLOCK:
            block, self._rest = self._rest[:_BLOCK], self._rest[_BLOCK:]
            self._blocks += 1
            loud = mu_law_level(block) > _LOUD
            self._loud = self._loud + 1 if loud else 0
            self._quiet = 0 if loud else self._quiet + 1
            if not self._speaking and self._loud >= _ONSET:
                self._speaking = True
                yield "started", max(0, (self._blocks - _ONSET) * 20 - 300)
            elif self._speaking and self._quiet >= _HANGOVER:
                self._speaking = False
                yield "stopped", self._blocks * 20


class RealtimeSession:
    """One connection. `said` and `answers` are taken in turn: what the caller is taken to say, and what is answered."""

    def __init__(self, connection: ServerConnection, said: str, answers: Sequence[str], log: Callable[[Frame], None]):
        self._connection = connection
        self._said = said
        self._answers = itertools.cycle(answers)
        self._log = log
        self._number = itertools.count(1)
        self._ear = Ear()
        self._last_item: str | None = None
        self._speech_item = ""
        self._response: asyncio.Task[None] | None = None
        self._session: Frame = {
            "type": "realtime",
            "object": "realtime.session",
            "id": self._id("sess"),
            "model": "gpt-realtime-1.5",
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "expires_at": 4102444800,
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}, "output": {"voice": "marin"}},
        }

    async def serve(self) -> None:
        await self._send("session.created", session=self._session)
        async for text in self._connection:
            frame = json.loads(text)
            self._log(frame)
            await self._receive(frame)

    async def _receive(self, frame: Frame) -> None:
        match frame["type"]:
            case "session.update":
                self._session = _merged(self._session, frame["session"])
                await self._send("session.updated", session=self._session)
            case "input_audio_buffer.append":
                await self._hear(base64.b64decode(frame["audio"], validate=True))
            case "conversation.item.create":
                item = {"id": self._id("item"), "object": "realtime.item", "status": "completed", **frame["item"]}
                await self._add_item(item)
            case "conversation.item.delete":
                await self._send("conversation.item.deleted", item_id=frame["item_id"])
            case "response.create":
                self._answer()
            case "response.cancel":
                await self._interrupt("client_cancelled")

    async def _hear(self, audio: bytes) -> None:
        assert self._session["audio"]["input"]["format"] == {"type": "audio/pcmu"}, "these tests speak PCMU"
        for what, milliseconds in self._ear.hear(audio):
            if what == "started":
                self._speech_item = self._id("item")
                await self._send(
                    "input_audio_buffer.speech_started", audio_start_ms=milliseconds, item_id=self._speech_item
                )
                await self._interrupt("turn_detected")
            else:
                await self._send(
                    "input_audio_buffer.speech_stopped", audio_end_ms=milliseconds, item_id=self._speech_item
                )
                await self._commit()

    async def _commit(self) -> None:
        item = self._speech_item
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=self._last_item)
        content = [{"type": "input_audio", "transcript": None}]
        message = {"type": "message", "role": "user", "status": "completed", "content": content}
        await self._add_item({"id": item, "object": "realtime.item", **message})
        self._answer()
        if self._session["audio"]["input"].get("transcription"):
            await self._send(
                "conversation.item.input_audio_transcription.completed",
                item_id=item,
                content_index=0,
                transcript=self._said,
                usage={"type": "duration", "seconds": 1},
            )

    async def _add_item(self, item: Frame) -> None:
        for step in ("added", "done"):
            await self._send(f"conversation.item.{step}", item=item, previous_item_id=self._last_item)
        self._last_item = item["id"]

    def _answer(self) -> None:
        if self._response is None or self._response.done():
            self._response = asyncio.create_task(self._respond(next(self._answers)))

    async def _interrupt(self, reason: str) -> None:
        """Only what is still being generated can be interrupted; what was sent is the client's to stop."""
        if self._response is not None and not self._response.done():
            self._response.cancel(reason)
            with suppress(asyncio.CancelledError):
                await self._response

    async def _respond(self, text: str) -> None:
        response, item = self._id("resp"), self._id("item")
        ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        said = ""

        def message(status: str, content: Sequence[Frame]) -> Frame:
            role = {"type": "message", "role": "assistant", "status": status, "content": list(content)}
            return {"id": item, "object": "realtime.item", **role}

        await self._send("response.created", response=_response(response, "in_progress"))
        blank = message("in_progress", [])
        await self._send("response.output_item.added", response_id=response, output_index=0, item=blank)
        await self._send("conversation.item.added", item=blank, previous_item_id=self._last_item)
        await self._send("response.content_part.added", **ids, part={"type": "text", "text": ""})
        outcome: Frame = {"status": "completed"}
        try:
            for word in text.split(" "):
                delta = word if not said else f" {word}"
                said += delta
                await self._send("response.output_text.delta", **ids, delta=delta, obfuscation="aXbY")
                await asyncio.sleep(0.015)
        except asyncio.CancelledError as error:
            details = {"type": "cancelled", "reason": str(error) or "client_cancelled"}
            outcome = {"status": "cancelled", "status_details": details}
        await self._send("response.output_text.done", **ids, text=said)
        await self._send("response.content_part.done", **ids, part={"type": "text", "text": said})
        finished = outcome["status"] == "completed"
        whole = message("completed" if finished else "incomplete", [{"type": "output_text", "text": said}])
        await self._send("conversation.item.done", item=whole, previous_item_id=self._last_item)
        await self._send("response.output_item.done", response_id=response, output_index=0, item=whole)
        self._last_item = item
        await self._send("response.done", response=_response(response, output=[whole], **outcome))

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": kind, "event_id": self._id("event"), **fields}))

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._number):021d}"


def _response(identity: str, status: str, *, output: Sequence[Frame] = (), **more: Any) -> Frame:
    fields = {"object": "realtime.response", "output_modalities": ["text"], "conversation_id": "conv_1"}
    return {"id": identity, "status": status, "output": list(output), **fields, **more}


def _merged(old: Frame, new: Frame) -> Frame:
    """Only the keys that are given change (the rule of session.update)."""
    both = {key: _merged(old[key], value) for key, value in new.items() if _are_objects(old.get(key), value)}
    return {**old, **new, **both}


def _are_objects(old: object, new: object) -> bool:
    return isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type")
