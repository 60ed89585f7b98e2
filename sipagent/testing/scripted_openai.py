"""OpenAI Realtime in memory, by script: the caller's turns are called for, the answers were given beforehand."""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sipagent.testing.socket import HEALTHY, Fault, Frame, ScriptedSocket

FIRST_TOKEN = 0.3
NEXT_TOKEN = 0.02
TRANSCRIPT = 0.4


@dataclass(frozen=True, slots=True)
class ToolUse:
    """An answer that calls a tool, after saying `text`."""

    name: str
    arguments: str = "{}"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that fails (`response.done` with status `failed`)."""

    code: str = "server_error"
    message: str = "The server had an error."


@dataclass(frozen=True, slots=True)
class Silence:
    """An answer that never comes: the response is created, and that is all."""


Reply = str | ToolUse | Failure | Silence


@dataclass(slots=True)
class _Response:
    id: str
    reply: Reply
    item_id: str
    said: str = ""
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class ScriptedOpenAI:
    """OpenAI Realtime, GA shape, text answers. One conversation, whichever connection it runs over."""

    def __init__(self, *replies: Reply, faults: Sequence[Fault] = (), first_token: float = FIRST_TOKEN) -> None:
        self.connections: list[ScriptedSocket] = []
        self.received: list[Frame] = []
        """What the client sent, audio left out."""
        self.heard = bytearray()
        """The audio that the client sent."""
        self.items: list[Frame] = []
        """The conversation, in order."""
        self.session: Frame = {}
        self._replies = iter(replies)
        self._faults = iter(faults)
        self._first_token = first_token
        self._socket: ScriptedSocket | None = None
        self._response: _Response | None = None
        self._ids = count(1)
        self._user_item = ""
        self._handlers: dict[str, Callable[[Frame], None]] = {
            "session.update": self._update_session,
            "input_audio_buffer.append": self._append,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    def open_socket(self) -> ScriptedSocket:
        """An unopened connection, with the next fault."""
        return ScriptedSocket("openai", next(self._faults, HEALTHY), self._opened, self._receive)

    def sent(self, kind: str) -> list[Frame]:
        """The frames of one type that the client sent."""
        return [frame for frame in self.received if frame["type"] == kind]

    # ---- what the caller does

    def caller_says(self, text: str, seconds: float = 1.0) -> None:
        """The caller speaks for so long, and is understood; half a second of silence ends the turn."""
        self.caller_starts()
        asyncio.get_running_loop().call_later(seconds + 0.5, self.caller_stops, text)

    def caller_starts(self) -> None:
        """The caller begins to speak: a response that is running is cancelled (`interrupt_response`)."""
        self._user_item = self._id("item")
        self._send("input_audio_buffer.speech_started", audio_start_ms=0, item_id=self._user_item)
        detection = self.session["audio"]["input"].get("turn_detection") or {}
        if self._response is not None and detection.get("interrupt_response", True):
            self._finish("cancelled", reason="turn_detected")

    def caller_stops(self, text: str) -> None:
        """The caller's turn is over: it is committed, answered, and transcribed a little later."""
        item_id = self._user_item or self._id("item")
        previous = self._last_item()
        self._send("input_audio_buffer.speech_stopped", audio_end_ms=1000, item_id=item_id)
        self._send("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        content = [{"type": "input_audio", "transcript": None}]
        self._add({"id": item_id, "type": "message", "role": "user", "content": content, "status": "completed"})
        if self._response is None:
            self._respond({})
        asyncio.get_running_loop().call_later(TRANSCRIPT, self._transcribe, item_id, text)

    def _transcribe(self, item_id: str, text: str) -> None:
        words = {"content_index": 0, "transcript": text, "usage": {"type": "duration", "seconds": 1}}
        self._send("conversation.item.input_audio_transcription.completed", item_id=item_id, **words)

    # ---- the connection

    def _opened(self, socket: ScriptedSocket) -> None:
        self.connections.append(socket)
        self._stop_timers()
        self._socket, self._response, self.items = socket, None, []
        self.session = {
            "type": "realtime",
            "object": "realtime.session",
            "id": self._id("sess"),
            "model": "gpt-realtime-1.5",
            "output_modalities": ["audio"],
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}},
        }
        self._send("session.created", session=self.session)

    def _receive(self, socket: ScriptedSocket, frame: Frame) -> None:
        if socket is not self._socket:
            return
        if frame["type"] != "input_audio_buffer.append":
            self.received.append(frame)
        handler = self._handlers.get(frame["type"])
        if handler is None:
            self._error("invalid_value", f"Invalid value: '{frame['type']}'.", frame, param="type")
        else:
            handler(frame)

    def _send(self, kind: str, **fields: Any) -> None:
        if self._socket is not None and self._socket.is_open:
            self._socket.deliver({"type": kind, "event_id": self._id("event"), **fields})

    def _error(self, code: str, message: str, cause: Mapping[str, Any], *, param: str | None = None) -> None:
        error = {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": param,
            "event_id": cause.get("event_id"),
        }
        self._send("error", error=error)

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._ids)}"

    # ---- session, audio, items

    def _update_session(self, frame: Frame) -> None:
        unknown = set(frame["session"]) - _SESSION_KEYS
        if unknown:
            param = f"session.{min(unknown)}"
            self._error("unknown_parameter", f"Unknown parameter: '{param}'.", frame, param=param)
            return
        self.session = _merged(self.session, frame["session"])
        self._send("session.updated", session=self.session)

    def _append(self, frame: Frame) -> None:
        self.heard += base64.b64decode(frame["audio"], validate=True)

    def _create_item(self, frame: Frame) -> None:
        item = {**frame["item"], "object": "realtime.item", "status": "completed"}
        item.setdefault("id", self._id("item"))
        self._add(item, frame.get("previous_item_id"))

    def _delete_item(self, frame: Frame) -> None:
        if all(item["id"] != frame["item_id"] for item in self.items):
            self._error("item_delete_invalid_item_id", "Item does not exist.", frame)
            return
        self.items = [item for item in self.items if item["id"] != frame["item_id"]]
        self._send("conversation.item.deleted", item_id=frame["item_id"])

    def _add(self, item: Frame, behind: str | None = None) -> None:
        known = [other["id"] for other in self.items]
        at = 0 if behind == "root" else known.index(behind) + 1 if behind in known else len(known)
        previous = known[at - 1] if at else None
        self.items.insert(at, item)
        self._send("conversation.item.added", item=item, previous_item_id=previous)
        if item["status"] == "completed":
            self._send("conversation.item.done", item=item, previous_item_id=previous)

    def _last_item(self) -> str | None:
        return self.items[-1]["id"] if self.items else None

    # ---- responses

    def _create_response(self, frame: Frame) -> None:
        if self._response is not None:
            code = "conversation_already_has_active_response"
            self._error(code, "Conversation already has an active response in progress.", frame)
            return
        self._respond(frame.get("response", {}))

    def _cancel_response(self, frame: Frame) -> None:
        if self._response is None:
            self._error("response_cancel_not_active", "Cancellation failed: no active response found", frame)
        else:
            self._finish("cancelled", reason="client_cancelled")

    def _respond(self, asked: Mapping[str, Any]) -> None:
        response = _Response(self._id("resp"), next(self._replies, "I have nothing more to say."), self._id("item"))
        self._response = response
        self._metadata = asked.get("metadata")
        self._send("response.created", response=self._described(response, "in_progress"))
        reply = response.reply
        if isinstance(reply, Failure):
            self._later(self._first_token, self._fail, reply)
        elif not isinstance(reply, Silence):
            self._stream(response, reply)

    def _stream(self, response: _Response, reply: str | ToolUse) -> None:
        text = reply if isinstance(reply, str) else reply.text
        tokens = [text[at : at + 6] for at in range(0, len(text), 6)]
        for number, token in enumerate(tokens):
            self._later(self._first_token + number * NEXT_TOKEN, self._say_token, token)
        self._later(self._first_token + len(tokens) * NEXT_TOKEN, self._finish, "completed")

    def _later(self, seconds: float, work: Callable[..., None], *arguments: Any) -> None:
        assert self._response is not None
        self._response.timers.append(asyncio.get_running_loop().call_later(seconds, work, *arguments))

    def _say_token(self, token: str) -> None:
        response = self._response
        assert response is not None
        if not response.said:
            item: Frame = {"id": response.item_id, "object": "realtime.item", "type": "message", "role": "assistant"}
            item |= {"status": "in_progress", "content": []}
            self._send("response.output_item.added", response_id=response.id, output_index=0, item=item)
            self._add(item)
            self._send("response.content_part.added", **self._place(response), part={"type": "text", "text": ""})
        response.said += token
        delta = {"delta": token, "obfuscation": "x" * (len(response.said) % 5)}
        self._send("response.output_text.delta", **self._place(response), **delta)

    def _finish(self, status: str, *, reason: str = "") -> None:
        """Close what is open, in the order of the real one; an answer cut off ends with what there is of it."""
        response, self._response = self._response, None
        assert response is not None
        for timer in response.timers:
            timer.cancel()
        output: list[Frame] = []
        if response.said:
            output.append(self._finish_text(response, "completed" if status == "completed" else "incomplete"))
        if isinstance(response.reply, ToolUse) and status == "completed":
            output.append(self._call_tool(response, response.reply))
        details = {"type": status, "reason": reason} if reason else None
        described = self._described(response, status) | {"output": output, "status_details": details}
        self._send("response.done", response=described)
        self._send("rate_limits.updated", rate_limits=[])

    def _finish_text(self, response: _Response, status: str) -> Frame:
        place = self._place(response)
        item = next((item for item in self.items if item["id"] == response.item_id), {"id": response.item_id})
        item |= {"status": status, "content": [{"type": "output_text", "text": response.said}]}
        self._send("response.output_text.done", **place, text=response.said)
        self._send("response.content_part.done", **place, part={"type": "text", "text": response.said})
        self._send("conversation.item.done", item=item, previous_item_id=None)
        self._send("response.output_item.done", response_id=response.id, output_index=0, item=item)
        return item

    def _call_tool(self, response: _Response, use: ToolUse) -> Frame:
        call = {"id": self._id("item"), "object": "realtime.item", "type": "function_call", "status": "completed"}
        call |= {"call_id": self._id("call"), "name": use.name, "arguments": use.arguments}
        place = {"response_id": response.id, "output_index": 1}
        self._send("response.output_item.added", **place, item=call | {"status": "in_progress", "arguments": ""})
        arguments = {"item_id": call["id"], "call_id": call["call_id"], "name": use.name, "arguments": use.arguments}
        self._add(call)
        self._send("response.function_call_arguments.done", **place, **arguments)
        self._send("response.output_item.done", **place, item=call)
        return call

    def _fail(self, failure: Failure) -> None:
        response, self._response = self._response, None
        assert response is not None
        error = {"type": "server_error", "code": failure.code, "message": failure.message}
        details = {"type": "failed", "error": error}
        self._send("response.done", response=self._described(response, "failed") | {"status_details": details})

    def _described(self, response: _Response, status: str) -> Frame:
        described = {"id": response.id, "object": "realtime.response", "status": status, "output": []}
        return described | {"metadata": self._metadata, "conversation_id": "conv_1", "output_modalities": ["text"]}

    def _place(self, response: _Response) -> Frame:
        return {"response_id": response.id, "item_id": response.item_id, "output_index": 0, "content_index": 0}

    def _stop_timers(self) -> None:
        for timer in self._response.timers if self._response is not None else ():
            timer.cancel()


_SESSION_KEYS = {
    "type",
    "instructions",
    "output_modalities",
    "audio",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "truncation",
    "tracing",
    "include",
    "prompt",
    "parallel_tool_calls",
    "reasoning",
}


def _merged(known: Mapping[str, Any], update: Mapping[str, Any]) -> Frame:
    merged = dict(known)
    for key, value in update.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
