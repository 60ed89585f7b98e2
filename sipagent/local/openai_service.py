"""A session of OpenAI Realtime: client events in, server events out, in the service's order.

    append ─► ears ─► speech_started … speech_stopped ─► committed ─► item ─► response ─► model

Frames are checked against the field tables as the service checks them. Differences on purpose: no language
understanding, invented token counts, and hardly a wait before the first token.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from sipagent.audio import g711
from sipagent.local.ears import Ears, Samples, SpeechPaused, SpeechStarted, SpeechStopped, TurnDetection
from sipagent.local.fields import Refused, anything, integer, mapping, nullable, record, text
from sipagent.local.openai_conversation import Conversation, message
from sipagent.local.openai_model import Model
from sipagent.local.openai_response import Answer, Pace, Response, Speaker
from sipagent.local.openai_session import check_response, new_session, updated
from sipagent.local.receptionist import Script

MIN_COMMIT_MS = 100
PCM_RATE = 24000

_EAGERNESS_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}
"""Silence that ends a turn under semantic_vad: the service looks at the words, which we do not."""

_EVENTS: Mapping[str, Callable[[Any, str], None]] = {
    "session.update": record({"session": anything}, ("session",)),
    "input_audio_buffer.append": record({"audio": text}, ("audio",)),
    "input_audio_buffer.commit": record({}),
    "input_audio_buffer.clear": record({}),
    "conversation.item.create": record({"item": mapping, "previous_item_id": nullable(text)}, ("item",)),
    "conversation.item.retrieve": record({"item_id": text}, ("item_id",)),
    "conversation.item.delete": record({"item_id": text}, ("item_id",)),
    "conversation.item.truncate": record(
        {"item_id": text, "content_index": integer(0, 100), "audio_end_ms": integer(0, 2**31)},
        ("item_id", "content_index", "audio_end_ms"),
    ),
    "response.create": record({"response": nullable(mapping)}),
    "response.cancel": record({"response_id": nullable(text)}),
}


class RealtimeSession:
    """One session. `send` takes server events as objects; `recognise` finds the words in 16 kHz audio."""

    def __init__(
        self,
        *,
        model: str,
        send: Callable[[dict[str, Any]], None],
        new_id: Callable[[str], str],
        recognise: Callable[[Samples], Awaitable[str]],
        speaker: Callable[[Mapping[str, Any]], Speaker],
        script: Script,
        pace: Pace,
        now: Callable[[], datetime],
    ) -> None:
        self._send, self._new_id, self._recognise = send, new_id, recognise
        self._speaker, self._pace, self._now = speaker, pace, now
        self._session = new_session(new_id("sess"), model, now().timestamp())
        self._conversation = Conversation(new_id)
        self._model = Model(script)
        self._ears = Ears()
        self._heard: dict[str, asyncio.Task[str]] = {}
        self._early: asyncio.Task[str] | None = None
        self._speaking_item = ""
        self._response: Response | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle_since: int | None = None

    def start(self) -> None:
        """Greet the client: `session.created` comes first."""
        self._emit("session.created", session=self._session)

    def receive(self, frame: str | bytes) -> None:
        """Carry out one client event; a bad one is answered with `error`, and the session goes on."""
        event: dict[str, Any] = {}
        try:
            event = _parse(frame)
            _check(event)
            _ACTIONS[event["type"]](self, event)
        except Refused as refusal:
            self._error(refusal, event.get("event_id"))

    def expire(self) -> None:
        """Tell that the session is too old; the connection is then closed."""
        self._error(Refused("session_expired", "", EXPIRED), None)

    def close(self) -> None:
        """Stop whatever still runs."""
        for task in self._tasks:
            task.cancel()
        if self._response is not None and not self._response.is_over:
            self._response.cancel("client_cancelled")

    # ---- client events

    def _update_session(self, event: Mapping[str, Any]) -> None:
        self._session = updated(self._session, event["session"], has_spoken=self._conversation.has_audio)
        self._ears.turn_detection = _turn_detection(self._input["turn_detection"])
        self._emit("session.updated", session=self._session)

    def _append(self, event: Mapping[str, Any]) -> None:
        samples, rate = _decode(event["audio"], self._input["format"])
        for change in self._ears.hear(samples, rate):
            match change:
                case SpeechStarted():
                    self._speech_started(change)
                case SpeechPaused(audio=audio):
                    self._early = self._run(self._recognised(audio))
                case SpeechStopped():
                    self._speech_stopped(change)
        self._check_idle()

    def _commit(self, event: Mapping[str, Any]) -> None:
        if (buffered := self._ears.buffered_ms) < MIN_COMMIT_MS:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "",
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of audio, "
                f"but buffer only has {buffered:.2f}ms of audio.",
            )
        self._early = None
        self._add_speech(self._speaking_item or self._new_id("item"), self._ears.take())

    def _clear(self, event: Mapping[str, Any]) -> None:
        self._ears.take()
        self._emit("input_audio_buffer.cleared")

    def _create_item(self, event: Mapping[str, Any]) -> None:
        item, previous = self._conversation.create(event["item"], event.get("previous_item_id"))
        self._emit("conversation.item.added", item=item, previous_item_id=previous)
        self._emit("conversation.item.done", item=item, previous_item_id=previous)

    def _retrieve_item(self, event: Mapping[str, Any]) -> None:
        self._emit("conversation.item.retrieved", item=self._conversation.retrieve(event["item_id"]))

    def _delete_item(self, event: Mapping[str, Any]) -> None:
        self._conversation.delete(event["item_id"])
        self._emit("conversation.item.deleted", item_id=event["item_id"])

    def _truncate_item(self, event: Mapping[str, Any]) -> None:
        place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self._conversation.truncate(**place)
        self._emit("conversation.item.truncated", **place)

    def _create_response(self, event: Mapping[str, Any]) -> None:
        parameters = event.get("response") or {}
        check_response(parameters)
        self._respond(parameters)

    def _cancel_response(self, event: Mapping[str, Any]) -> None:
        wanted = event.get("response_id")
        if self._response is None or self._response.is_over or wanted not in (None, self._response.id):
            raise Refused("response_cancel_not_active", "", "Cancellation failed: no active response found")
        self._response.cancel("client_cancelled")

    # ---- the caller speaks

    def _speech_started(self, change: SpeechStarted) -> None:
        self._idle_since, self._early = None, None
        self._speaking_item = self._new_id("item")
        self._emit("input_audio_buffer.speech_started", audio_start_ms=change.audio_ms, item_id=self._speaking_item)
        if self._is_responding and self._input["turn_detection"]["interrupt_response"] and self._response:
            self._response.cancel("turn_detected")

    def _speech_stopped(self, change: SpeechStopped) -> None:
        self._emit("input_audio_buffer.speech_stopped", audio_end_ms=change.audio_ms, item_id=self._speaking_item)
        self._add_speech(self._speaking_item, change.audio)
        self._speaking_item = ""
        if self._input["turn_detection"]["create_response"]:
            self._respond_if_free()

    def _add_speech(self, item_id: str, audio: Samples) -> None:
        """Commit the audio as the user's item, and begin to recognise it."""
        item = message(item_id, "user", {"type": "input_audio", "transcript": None})
        previous = self._conversation.add(item)
        self._emit("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        self._emit("conversation.item.added", item=item, previous_item_id=previous)
        self._emit("conversation.item.done", item=item, previous_item_id=previous)
        self._heard[item_id], self._early = self._early or self._run(self._recognised(audio)), None
        if self._input["transcription"] is not None:
            self._run(self._transcribe(item_id, len(audio) / 16000))

    async def _transcribe(self, item_id: str, seconds: float) -> None:
        transcript = await asyncio.shield(self._heard[item_id])
        self._conversation.note_transcript(item_id, transcript)
        place = {"item_id": item_id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        if transcript:
            self._emit(f"{kind}.delta", **place, delta=transcript)
        usage = {"type": "duration", "seconds": round(seconds, 3)}
        self._emit(f"{kind}.completed", **place, transcript=transcript, usage=usage)

    async def _recognised(self, audio: Samples) -> str:
        return await self._recognise(audio)

    def _check_idle(self) -> None:
        """The caller has said nothing since the answer: ask, when the session has an idle timeout."""
        timeout = (self._input["turn_detection"] or {}).get("idle_timeout_ms")
        if timeout is None or self._idle_since is None or self._ears.audio_ms - self._idle_since < timeout:
            return
        item_id, since = self._new_id("item"), self._idle_since
        self._idle_since = None
        self._emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=since,
            audio_end_ms=self._ears.audio_ms,
            item_id=item_id,
        )
        self._add_speech(item_id, self._ears.take())
        self._respond_if_free()

    # ---- the answer

    @property
    def _input(self) -> Any:
        return self._session["audio"]["input"]

    @property
    def _is_responding(self) -> bool:
        return self._response is not None and not self._response.is_over

    def _respond_if_free(self) -> None:
        """Answer a turn that the server itself has ended; it may come while the client's own response runs."""
        try:
            self._respond({})
        except Refused as refusal:
            self._error(refusal, None)

    def _respond(self, parameters: Mapping[str, Any]) -> None:
        in_conversation = parameters.get("conversation", "auto") == "auto"
        if in_conversation and self._is_responding and self._response:
            raise Refused(
                "conversation_already_has_active_response",
                "",
                f"Conversation already has an active response in progress: {self._response.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        settings = {**self._session, **self._session["audio"]["output"], **parameters}
        response = Response(
            emit=self._emit,
            new_id=self._new_id,
            conversation=self._conversation,
            parameters=settings,
            speaker=self._speaker(settings["format"]) if "audio" in settings["output_modalities"] else None,
            pace=self._pace,
        )
        if in_conversation:
            self._response = response
        response.start(self._run(self._answer(settings)))

    async def _answer(self, settings: Mapping[str, Any]) -> Answer:
        items = settings.get("input") or self._conversation.unanswered()
        heard = {
            item["id"]: await asyncio.shield(self._heard[item["id"]]) for item in items if item.get("id") in self._heard
        }
        return self._model.answer(items, heard=heard, tools=settings["tools"], now=self._now())

    # ---- the wire

    def _emit(self, kind: str, **fields: Any) -> None:
        if kind == "response.done":
            self._idle_since = self._ears.audio_ms
        self._send({"type": kind, "event_id": self._new_id("event"), **fields})

    def _error(self, refusal: Refused, event_id: str | None) -> None:
        error = {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param or None,
            "event_id": event_id,
        }
        self._emit("error", error=error)

    def _run(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


EXPIRED = "Your session hit the maximum duration of 60 minutes."

_ACTIONS: Mapping[str, Callable[[RealtimeSession, Mapping[str, Any]], None]] = {
    "session.update": RealtimeSession._update_session,
    "input_audio_buffer.append": RealtimeSession._append,
    "input_audio_buffer.commit": RealtimeSession._commit,
    "input_audio_buffer.clear": RealtimeSession._clear,
    "conversation.item.create": RealtimeSession._create_item,
    "conversation.item.retrieve": RealtimeSession._retrieve_item,
    "conversation.item.delete": RealtimeSession._delete_item,
    "conversation.item.truncate": RealtimeSession._truncate_item,
    "response.create": RealtimeSession._create_response,
    "response.cancel": RealtimeSession._cancel_response,
}


def _parse(frame: str | bytes) -> dict[str, Any]:
    try:
        event = json.loads(frame)
    except ValueError as error:
        raise Refused("invalid_json", "", f"The frame is not valid JSON: {error}.") from error
    if not isinstance(event, dict):
        raise Refused("invalid_type", "", "The frame is not a JSON object.")
    return event


def _check(event: Mapping[str, Any]) -> None:
    kind = str(event.get("type"))
    if kind not in _EVENTS:
        listed = ", ".join(f"'{each}'" for each in _EVENTS)
        raise Refused("invalid_value", "type", f"Invalid value: '{kind}'. Supported values are: {listed}.")
    _EVENTS[kind]({name: value for name, value in event.items() if name not in ("type", "event_id")}, "")


def _decode(audio: str, audio_format: Mapping[str, Any]) -> tuple[Samples, int]:
    """The samples in an append, and their rate."""
    try:
        data = base64.b64decode(audio, validate=True)
    except binascii.Error as error:
        raise Refused("invalid_value", "audio", "Invalid 'audio'. Expected base64-encoded audio bytes.") from error
    if audio_format["type"] == "audio/pcm":
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16), PCM_RATE
    return g711.decode(data, audio_format["type"].removeprefix("audio/")), g711.RATE


def _turn_detection(setting: Mapping[str, Any] | None) -> TurnDetection | None:
    if setting is None:
        return None
    if setting["type"] == "semantic_vad":
        return TurnDetection(silence_duration_ms=_EAGERNESS_MS[setting["eagerness"]])
    return TurnDetection(
        threshold=setting["threshold"],
        prefix_padding_ms=setting["prefix_padding_ms"],
        silence_duration_ms=setting["silence_duration_ms"],
    )
