"""Cartesia's text to speech over its WebSocket: text in, G.711 into a call, words back to what was heard.

    say ─► request ─► wire ─► chunk, timestamps ─► context ─► unit.speak ─► marks ─► Utterance

A context is one utterance: texts of one context are joined verbatim. Contexts are generated in parallel and spoken
in the order in which they were asked for. Frames of a context that we do not know (any more) are dropped: that is
how a cancelled one stays silent. Wire: docs.cartesia.ai, "TTS WebSocket", version 2026-03-01.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from sipagent.agent.heard import Utterance
from sipagent.agent.interfaces import Close, Speaker, Speech, SpeechState, Surroundings, surroundings
from sipagent.audio import g711
from sipagent.errors import LocalProtocolError, ProviderError
from sipagent.events import ProviderClosed, ProviderEvent, ProviderFailed
from sipagent.providers.cartesia_context import Context
from sipagent.providers.connection import Connection, Leaving, Readiness, websocket_url
from sipagent.providers.media_stream import MediaStream
from sipagent.providers.refusals import explain, missing_key

BASE_URL = "wss://api.cartesia.ai"
VERSION = "2026-03-01"
MODEL = "sonic-3"
VOICE = "a0e99841-438c-4a64-b679-ae501e7d6091"


class CartesiaTTS:
    """A voice. `async with` begins to connect and returns; what is said before it stands waits.

    Options left out come from code, environment and sip.conf, in this order. `speed` is 0.6 to 1.5 (sonic-3).
    A socket that Cartesia closes while nothing is said (five minutes idle) is opened again by the next `say`.
    """

    name = "cartesia"

    def __init__(
        self,
        *,
        voice: str | None = None,
        model: str | None = None,
        language: str | None = None,
        speed: float | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> None:
        self._voice = voice
        self._model = model
        self._language = language
        self._speed = speed
        self._api_key = api_key
        self._base_url = base_url
        self.failure: ProviderError | None = None
        """Why it cannot be used; None while it can, or is still being opened."""
        self._surroundings: Surroundings | None = None
        self._connection: Connection | None = None
        self._readiness = Readiness(type(self).__name__)
        self._leaving = Leaving()
        self._unsent: list[tuple[str, str]] = []
        self._contexts: dict[str, Context] = {}
        self._used: dict[str, Utterance] = {}
        self._unfinished: dict[str, Utterance] = {}
        self._unit: Speaker | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "CartesiaTTS":
        self._surroundings = surroundings.get()
        self._media = MediaStream(self.name, self._surroundings.publish)
        self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ready(self) -> None:
        """Return once the socket stands. Raises ProviderError when it was refused."""
        await self._readiness.wait()

    # ---- what is said

    def say(
        self,
        text: str,
        *,
        voice: str | None = None,
        model: str | None = None,
        language: str | None = None,
        context_id: str | None = None,
        more: bool = False,
    ) -> Utterance:
        """Speak `text` after what was said before. Returns at once.

        With `more=True` text of the same utterance follows: it is joined verbatim, so spaces matter, and a last piece
        with `more=False` (it may be empty) ends it. Another context ends the one before. Raises ValueError for an
        utterance that begins blank, or one that has already ended; text for an interrupted one is dropped.
        """
        if context_id is not None and (said := self._used.get(context_id)) and context_id not in self._contexts:
            return _ended(said)
        context = self._continued(context_id)
        if context is None:
            context = self._begin(text, context_id, voice=voice, model=model, language=language)
        self._request(context, text, more=more)
        return context.utterance

    def clear(self) -> None:
        """Stop at once: nothing said before is sent after the next tick, and what comes late is dropped."""
        if not self._unfinished:
            return
        if self._unit is not None:
            self._unit.drop_speech()
        for context_id, context in tuple(self._contexts.items()):
            self._drop(context_id)
            if not context.is_done:
                self._cancel(context)
        for utterance in tuple(self._unfinished.values()):
            utterance.stop()

    def send_media_to(self, unit: Speaker, *, tag: str = "") -> None:
        """Speak into `unit` from now on, in its encoding. `tag` names the stream in its media events."""
        self._media.tag = tag
        if self._unit is not None and self._unit is not unit:
            self._unit.disconnect_source(self)
        self._unit = unit
        unit.connect_source(self)
        self._advance()

    def stop_media_to(self, unit: Speaker) -> None:
        """No longer speak into `unit`; what was said is cut off."""
        if self._unit is not unit:
            return
        self.clear()
        self._unit = None
        unit.disconnect_source(self)
        for utterance in self._unfinished.values():
            self._media.paused(utterance.heard_seconds)
        self._media.stopped()

    def reconnect(self) -> None:
        """Go on over a fresh socket. What was being said fails."""
        self._leave_socket()
        self._connect()
        failed, self._contexts = self._contexts, {}
        self._set_timer()
        for context in failed.values():
            context.utterance.fail("the socket was replaced")

    async def close(self) -> None:
        """Close the socket; nothing more is said. Idempotent."""
        if self._unit is not None:
            self.stop_media_to(self._unit)
        else:
            self.clear()
        self._leave_socket()
        for utterance in tuple(self._unfinished.values()):
            utterance.abandon()
        await self._leaving.over()

    # ---- the socket

    def _connect(self) -> None:
        here = self._here
        options = here.options(self.name)
        self.failure = None
        self._readiness.begin()
        if not self._key:
            self._refused(missing_key(self.name))
            return
        self._connection = Connection(
            self.name,
            here.open_socket(self.name),
            websocket_url(self._base_url or options.base_url or BASE_URL, "/tts/websocket"),
            {"X-API-Key": self._key, "Cartesia-Version": VERSION},
            opened=self._opened,
            receive=self._receive,
            ended=self._ended,
        )

    @property
    def _key(self) -> str:
        return self._api_key or self._here.options(self.name).api_key

    @property
    def _here(self) -> Surroundings:
        if self._surroundings is None:
            raise LocalProtocolError("CartesiaTTS is used outside its `async with`")
        return self._surroundings

    def _opened(self) -> None:
        assert self._connection is not None
        for _, frame in self._unsent:
            self._connection.send(frame)
        self._unsent.clear()
        for context in self._contexts.values():
            self._expect_audio(context)
        self._readiness.stand()

    def _ended(self, how: Close | ProviderError) -> None:
        """The socket is gone. Without anything being said that is no matter: the next `say` opens another."""
        self._connection = None
        if isinstance(how, ProviderError):
            self._refused(how)
        elif any(not context.is_done for context in self._contexts.values()):
            self._here.publish(ProviderClosed(provider=self.name, code=how.code, reason=how.reason, clean=how.clean))
            self._fail_all(f"the socket was closed in the middle of speech ({how.code} {how.reason})".rstrip())
        else:
            closed = {"code": how.code, "reason": how.reason, "clean": how.clean}
            self._here.publish(ProviderEvent(provider=self.name, type="close", data=closed))

    def _refused(self, error: ProviderError) -> None:
        self.failure = error
        self._readiness.fail(error)
        self._fail_all(str(error).removeprefix(f"{self.name}: "), error.status)

    def _leave_socket(self) -> None:
        """Let the socket close in the background; the next request opens another."""
        self._unsent.clear()
        if self._connection is not None:
            self._leaving.leave(self._connection)
            self._connection = None

    # ---- requests

    def _continued(self, context_id: str | None) -> Context | None:
        """The open context that `context_id` (or its absence) goes on with. Another open one is ended."""
        for known, context in self._contexts.items():
            if context.is_open:
                if context_id in (None, known):
                    return context
                self._request(context, "", more=False)
        if context_id in self._contexts:
            raise ValueError(f"the utterance {context_id!r} has ended")
        return None

    def _begin(
        self, text: str, context_id: str | None, *, voice: str | None, model: str | None, language: str | None
    ) -> Context:
        if not text.strip():
            raise ValueError("an utterance cannot begin with blank text")
        options = self._here.options(self.name)
        fields: dict[str, Any] = {
            "model_id": model or self._model or options.model or MODEL,
            "voice": {"mode": "id", "id": voice or self._voice or options.voice or VOICE},
        }
        if spoken := language or self._language:
            fields["language"] = spoken
        if self._speed is not None:
            fields["generation_config"] = {"speed": self._speed}
        encoding = self._unit.encoding if self._unit is not None else g711.PCMU
        context = Context(context_id or self._here.new_id("context"), fields, encoding)
        context.utterance.watch(self._changed)
        name = context.utterance.context_id
        self._contexts[name] = context
        self._used[name] = self._unfinished[name] = context.utterance
        return context

    def _request(self, context: Context, text: str, *, more: bool) -> None:
        if context.has_expired and not (more or text.strip()):
            context.end()
            self._advance()
            return
        if context.has_expired:
            context.renew(self._here.new_id("context"))
        self._send(context.wire_id, context.request(text, more=more))
        self._expect_audio(context)

    def _cancel(self, context: Context) -> None:
        """Stop a context on the server; one that was never sent is only forgotten."""
        unsent = [(owner, frame) for owner, frame in self._unsent if owner != context.wire_id]
        if len(unsent) == len(self._unsent) and self._connection is not None:
            self._connection.send(context.cancellation())
        self._unsent = unsent

    def _send(self, context_id: str, frame: str) -> None:
        if self._connection is None:
            self._connect()
        if self._connection is not None and self._connection.is_open:
            self._connection.send(frame)
        else:
            self._unsent.append((context_id, frame))

    # ---- answers

    def _receive(self, frame: Mapping[str, Any]) -> None:
        kind = str(frame.get("type", ""))
        self._here.publish(ProviderEvent(provider=self.name, type=kind, data=frame))
        wire_id = frame.get("context_id")
        context = next((context for context in self._contexts.values() if context.wire_id == wire_id), None)
        if kind == "error":
            self._take_error(context, frame)
        elif context is None:
            return  # cancelled, or never ours
        elif kind == "chunk":
            context.take_chunk(frame, asyncio.get_running_loop().time())
            self._set_timer()
            self._advance()
        elif kind == "timestamps":
            context.take_timestamps(frame)
        elif kind == "done":
            if not context.take_done():
                self._fail(context, "it said that it was done, and sent no audio", None)
            self._set_timer()
            self._advance()

    def _take_error(self, context: Context | None, frame: Mapping[str, Any]) -> None:
        """Both body shapes: `error` (before 2026-03-01), `title`, `message`, `error_code` (since)."""
        words = [str(frame[key]) for key in ("error_code", "title", "message", "error") if frame.get(key)]
        message = ": ".join(words) or "an error without words"
        status = frame.get("status_code")
        status = status if isinstance(status, int) else None
        if context is not None:
            self._fail(context, message, status)
            self._advance()
        elif "context_id" not in frame or not frame["context_id"]:
            self._fail_all(message, status)

    # ---- speaking, in order

    def _advance(self) -> None:
        """Give the leg what the first context has; when that is all, go on with the next."""
        while self._contexts and self._unit is not None:
            context_id, context = next(iter(self._contexts.items()))
            context.speak_into(self._unit)
            if not context.is_done or context.is_open:
                return
            self._drop(context_id)
            context.utterance.take_end()

    def _changed(self, speech: Speech) -> None:
        """Follow an utterance of ours: the media events, and what is still unfinished."""
        assert isinstance(speech, Utterance)
        if speech.state is SpeechState.SPEAKING:
            self._media.started(self._unit.encoding if self._unit is not None else "")
        if speech.finished:
            self._unfinished.pop(speech.context_id, None)
            self._media.paused(speech.heard_seconds)

    # ---- failing

    def _expect_audio(self, context: Context) -> None:
        """Watch for audio, from now on or, while the socket is not open, from then on."""
        if self._connection is not None and self._connection.is_open:
            context.expect_audio(asyncio.get_running_loop().time())
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadlines = [context.deadline for context in self._contexts.values() if context.deadline is not None]
        self._timer = asyncio.get_running_loop().call_at(min(deadlines), self._silent) if deadlines else None

    def _silent(self) -> None:
        """Audio is overdue: a socket that owes it is not to be trusted with more."""
        self._timer = None
        self._leave_socket()
        self._fail_all("it sent no audio in time")

    def _fail_all(self, message: str, status: int | None = None) -> None:
        reason = explain(self.name, status, message, secret=self._key)
        self._unsent.clear()
        self._here.publish(ProviderFailed(provider=self.name, reason=reason, status=status))
        failed, self._contexts = self._contexts, {}
        self._set_timer()
        for context in failed.values():
            context.utterance.fail(reason)

    def _fail(self, context: Context, message: str, status: int | None) -> None:
        reason = explain(self.name, status, message, secret=self._key)
        self._here.publish(ProviderFailed(provider=self.name, reason=reason, status=status))
        name = context.utterance.context_id
        if name in self._contexts:  # nobody cleared it on hearing that
            self._drop(name).utterance.fail(reason)

    def _drop(self, context_id: str) -> Context:
        context = self._contexts.pop(context_id)
        self._set_timer()
        return context


def _ended(utterance: Utterance) -> Utterance:
    """Text for an utterance that was cut off is dropped; for one that its own last piece ended it is an error."""
    if utterance.state is SpeechState.INTERRUPTED or utterance.failure:
        return utterance
    raise ValueError(f"the utterance {utterance.context_id!r} has ended")
