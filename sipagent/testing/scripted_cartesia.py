"""Cartesia's TTS WebSocket in memory: a tone of a usual pace for every text, with word timestamps."""

import asyncio
import base64
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sipagent.audio import tones
from sipagent.audio.encoding import PCM, PCMA, PCMU, UNITS, encode, rate, width
from sipagent.testing.socket import HEALTHY, Fault, Frame, ScriptedSocket

FIRST_CHUNK = 0.08
NEXT_CHUNK = 0.04
LIFETIME = 1.0
"""Seconds after its last audio in which a context takes more text."""
UNITS_A_CHARACTER = UNITS // 14
_ENCODINGS = {"pcm_mulaw": PCMU, "pcm_alaw": PCMA, "pcm_s16le": PCM}


@dataclass(slots=True)
class _Context:
    id: str
    encoding: str
    free_at: float = 0.0
    units: int = 0
    flushes: int = 0
    outbox: deque[Frame] = field(default_factory=deque)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class ScriptedCartesia:
    """Cartesia's TTS WebSocket: a tone of a usual pace for every text, with word timestamps.

    `stalls_after` chunks in all nothing more comes; `late_chunks` still come after a cancel, as they may.
    """

    def __init__(
        self,
        *,
        faults: Sequence[Fault] = (),
        first_chunk: float = FIRST_CHUNK,
        late_chunks: int = 2,
        stalls_after: Iterable[int] = (),
    ) -> None:
        self.connections: list[ScriptedSocket] = []
        self.received: list[Frame] = []
        self._faults = iter(faults)
        self._first_chunk = first_chunk
        self._late_chunks = late_chunks
        self._stalls = iter(stalls_after)
        self._budget = next(self._stalls, None)
        self._contexts: dict[tuple[ScriptedSocket, str], _Context] = {}
        self._ended: set[tuple[ScriptedSocket, str]] = set()

    def open_socket(self) -> ScriptedSocket:
        """An unopened connection, with the next fault."""
        return ScriptedSocket("cartesia", next(self._faults, HEALTHY), self.connections.append, self._receive)

    @property
    def spoken(self) -> list[str]:
        """The texts of all contexts, in the order in which they were begun."""
        texts: dict[str, str] = {}
        for frame in self.received:
            if "transcript" in frame:
                texts[frame["context_id"]] = texts.get(frame["context_id"], "") + frame["transcript"]
        return list(texts.values())

    @property
    def cancelled(self) -> list[str]:
        """The ids of cancelled contexts."""
        return [frame["context_id"] for frame in self.received if frame.get("cancel")]

    def fail(self, context_id: str | None, *, status: int, title: str = "Error", error_code: str | None = None) -> None:
        """Send an error on the last connection, for a context or for none."""
        error = {"type": "error", "done": True, "title": title, "message": "scripted", "error_code": error_code}
        error |= {"status_code": status, "request_id": "scripted"}
        self.connections[-1].deliver(error if context_id is None else {**error, "context_id": context_id})

    def _receive(self, socket: ScriptedSocket, frame: Frame) -> None:
        self.received.append(frame)
        key = (socket, frame["context_id"])
        if frame.get("cancel"):
            if context := self._contexts.pop(key, None):
                self._cancel(socket, context)
            return
        if key in self._ended:
            return  # text for a context that is over is never spoken
        missing = {"model_id", "transcript", "voice", "output_format"} - set(frame)
        if missing:
            self.fail(frame["context_id"], status=400, title=f"missing {', '.join(sorted(missing))}")
            return
        encoding = _ENCODINGS[frame["output_format"]["encoding"]]
        context = self._contexts.setdefault(key, _Context(frame["context_id"], encoding))
        self._generate(socket, context, frame["transcript"])
        if not frame.get("continue"):
            del self._contexts[key]
            self._ended.add(key)
            self._at(context, context.free_at, socket, _done(context.id))
        elif context.free_at < float("inf"):
            asyncio.get_running_loop().call_at(context.free_at + LIFETIME, self._expire, key, context.free_at)

    def _generate(self, socket: ScriptedSocket, context: _Context, text: str) -> None:
        """Timestamps first, then chunks of irregular size, faster than they play."""
        now = asyncio.get_running_loop().time()
        at = max(context.free_at, now + self._first_chunk)
        if text.strip():
            self._at(context, at, socket, _timestamps(context, text))
            length = len(text) * UNITS_A_CHARACTER
            for audio in _chunks(_tone(context.encoding, context.units, length), width(context.encoding)):
                if self._is_stalled():
                    context.free_at = float("inf")
                    return
                self._at(context, at, socket, _chunk(context.id, audio))
                at += NEXT_CHUNK
            context.units += length
        context.flushes += 1
        self._at(context, at, socket, _flushed(context))
        context.free_at = at

    def _expire(self, key: tuple[ScriptedSocket, str], free_at: float) -> None:
        """A context without new text is over a while after its last audio."""
        context = self._contexts.get(key)
        if context is not None and context.free_at == free_at:
            self._ended.add(key)
            del self._contexts[key]
            key[0].deliver(_done(context.id))

    def _is_stalled(self) -> bool:
        """Count a chunk; once the budget is used up the context is lost, and the next one gets the next budget."""
        if self._budget is None:
            return False
        if self._budget == 0:
            self._budget = next(self._stalls, None)
            return True
        self._budget -= 1
        return False

    def _at(self, context: _Context, when: float, socket: ScriptedSocket, frame: Frame) -> None:
        """Send a frame at a time. Timers of one moment fire in any order, so frames keep a queue of their own."""
        if when < float("inf"):
            context.outbox.append(frame)
            context.timers.append(asyncio.get_running_loop().call_at(when, self._deliver, context, socket))

    def _deliver(self, context: _Context, socket: ScriptedSocket) -> None:
        socket.deliver(context.outbox.popleft())
        if not context.outbox:
            context.timers.clear()

    def _cancel(self, socket: ScriptedSocket, context: _Context) -> None:
        for timer in context.timers:
            timer.cancel()
        for number in range(self._late_chunks):
            socket.deliver(_chunk(context.id, _tone(context.encoding, 0, 800)), after=0.03 * number)
        socket.deliver(_done(context.id), after=0.1)


def _tone(encoding: str, begin: int, length: int) -> bytes:
    """From unit `begin` on, so that the next text goes on where the last one ended."""
    hertz = rate(encoding)
    tone = tones.sine(200.0, (begin + length) * hertz // UNITS, rate=hertz)
    return encode(tone[begin * hertz // UNITS :], encoding)


def _chunks(audio: bytes, unit: int) -> list[bytes]:
    """Cut into 100 to 300 ms, at sizes that fit no frame; where a unit has more bytes than one, inside of it."""
    chunks, at = [], 0
    for units in (1001, 2403, 1777, 2048) * (len(audio) // unit // 1000 + 1):
        if at >= len(audio):
            break
        size = units * unit - unit // 2
        chunks.append(audio[at : at + size])
        at += size
    return chunks


def _chunk(context_id: str, audio: bytes) -> Frame:
    data = base64.b64encode(audio).decode()
    return {
        "type": "chunk",
        "data": data,
        "done": False,
        "status_code": 206,
        "step_time": 1.5,
        "context_id": context_id,
    }


def _timestamps(context: _Context, text: str) -> Frame:
    """Each word where its letters lie in the audio."""
    words, starts, ends, at = [], [], [], 0
    for word in text.split():
        at = text.index(word, at)
        words.append(word)
        starts.append((context.units + at * UNITS_A_CHARACTER) / UNITS)
        at += len(word)
        ends.append((context.units + at * UNITS_A_CHARACTER) / UNITS)
    timestamps = {"words": words, "start": starts, "end": ends}
    frame = {"type": "timestamps", "word_timestamps": timestamps, "done": False, "status_code": 206}
    return frame | {"context_id": context.id}


def _flushed(context: _Context) -> Frame:
    frame = {"type": "flush_done", "flush_done": True, "flush_id": context.flushes, "done": False}
    return frame | {"status_code": 206, "context_id": context.id}


def _done(context_id: str) -> Frame:
    return {"type": "done", "done": True, "status_code": 200, "context_id": context_id}
