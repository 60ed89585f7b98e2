"""Cartesia's TTS socket: many contexts on one connection, each a transcript that grows, and the sound of it.

    request ─► context: buffer ─► piece of text ─► voice ─► chunk, timestamps … ─► flush_done ─► done

Differences from the service on purpose: espeak-ng's voice, no phonemes, emotions or dictionaries.
"""

import asyncio
import base64
import json
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sipagent.audio import g711
from sipagent.local.cartesia_request import RequestError, check_request, voice_of
from sipagent.local.ears import Samples
from sipagent.local.voice import Speech, Voice, Word

DEFAULT_BUFFER_MS = 3000
LINGER = 1.0
"""Seconds that a context without further text lives after its last audio."""
WORDS_IN_GROUP = 4
WORDS_PER_MINUTE = 165

_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s*$")
_SPEAKERS = ("f3", "f1", "f2", "f4", "m1", "m3", "m5", "m7")
_LANGUAGE_VOICES = {"en": "en-us", "pt": "pt-br", "zh": "cmn", "no": "nb"}

Send = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast audio comes: seconds to the first chunk of a piece, then so many times faster than it plays."""

    first_chunk: float = 0.01
    speed: float = 8.0


class SpeechSocket:
    """One connection of a client. `max_contexts` limits how many may be active at once; 0 is no limit.

    `late_chunks` more are sent after a cancel, as the service may do.
    """

    def __init__(
        self, *, voice: Voice, send: Send, version: str, pace: Pace, max_contexts: int = 0, late_chunks: int = 0
    ) -> None:
        self._voice, self._send, self._version, self._pace = voice, send, version, pace
        self._max_contexts, self._late_chunks = max_contexts, late_chunks
        self._contexts: dict[str, Context] = {}

    def receive(self, frame: str | bytes) -> None:
        """Carry out one request; a bad one is answered with an error frame."""
        request: Any = None
        try:
            request = _parse(frame)
            check_request(request, self._version, self._voice.knows)
            self._cancel(request) if "cancel" in request else self._generate(request)
        except RequestError as error:
            context_id = request.get("context_id") if isinstance(request, dict) else None
            self._send(error.frame(self._version, context_id if isinstance(context_id, str) else None))

    def close(self) -> None:
        """Stop all contexts."""
        for context in self._contexts.values():
            context.stop()

    def _generate(self, request: Mapping[str, Any]) -> None:
        context = self._contexts.get(request["context_id"])
        if context is None:
            self._check_concurrency()
            context = Context(request, voice=self._voice, send=self._send, pace=self._pace)
            self._contexts[request["context_id"]] = context
        # A finished context takes no more text, and the service says nothing about it.
        if not context.is_over:
            context.add(request)

    def _cancel(self, request: Mapping[str, Any]) -> None:
        context = self._contexts.get(request["context_id"])
        if context is not None and not context.is_over and request["cancel"]:
            context.cancel(self._late_chunks)

    def _check_concurrency(self) -> None:
        active = sum(not context.is_over for context in self._contexts.values())
        if self._max_contexts and active >= self._max_contexts:
            message = f"More than {self._max_contexts} contexts at once."
            raise RequestError(429, "Concurrency limited", message, "concurrency_limited")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Text to be spoken in one go; `flush` is the id of the flush that follows it, 0 for none."""

    text: str
    flush: int = 0


class Context:
    """One transcript, from its first request to its `done`, which comes once."""

    def __init__(self, request: Mapping[str, Any], *, voice: Voice, send: Send, pace: Pace) -> None:
        self._request, self._voice, self._send, self._pace = request, voice, send, pace
        self._rate = request["output_format"]["sample_rate"]
        self._encode = ENCODINGS[request["output_format"]["encoding"]]
        delay = request.get("max_buffer_delay_ms")
        self._buffer_delay = (DEFAULT_BUFFER_MS if delay is None else delay) / 1000
        self._buffer = ""
        self._buffer_timer: asyncio.TimerHandle | None = None
        self._pieces: asyncio.Queue[_Piece | None] = asyncio.Queue()
        self._flushes = 0
        self._spoken = 0.0
        self._late_chunks: int | None = None
        self._chance = random.Random(request["context_id"])
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """`done` has been sent, or will be without regard to further text."""
        return self._task.done() or self._late_chunks is not None

    def add(self, request: Mapping[str, Any]) -> None:
        """Take more of the transcript; pieces are joined verbatim."""
        self._buffer += request["transcript"]
        more = bool(request.get("continue"))
        if request.get("flush") or (more and self._buffer_delay == 0):
            self._flushes += 1
            self._release(flush=self._flushes)
        elif not more or _SENTENCE_END.search(self._buffer):
            self._release()
        elif self._buffer_timer is None:
            self._buffer_timer = asyncio.get_running_loop().call_later(self._buffer_delay, self._release)
        if not more:
            self._pieces.put_nowait(None)

    def cancel(self, late_chunks: int) -> None:
        """Stop generating; chunks already under way may still be sent."""
        self._late_chunks = late_chunks
        self._stop_timer()
        self._pieces.put_nowait(None)

    def stop(self) -> None:
        """The connection is gone."""
        self._stop_timer()
        self._task.cancel()

    def _release(self, flush: int = 0) -> None:
        """Hand the buffered text to the voice."""
        self._stop_timer()
        text, self._buffer = self._buffer, ""
        self._pieces.put_nowait(_Piece(text=text, flush=flush))

    def _stop_timer(self) -> None:
        if self._buffer_timer is not None:
            self._buffer_timer.cancel()
        self._buffer_timer = None

    async def _run(self) -> None:
        """Speak piece after piece, until there is no more, or none has come for a while."""
        while (piece := await self._next_piece()) is not None:
            if piece.text.strip() and self._late_chunks is None:
                await self._speak(piece)
            if piece.flush and self._late_chunks is None:
                self._emit("flush_done", flush_done=True, flush_id=piece.flush, done=False, status_code=206)
        self._emit("done", done=True, status_code=200)

    async def _next_piece(self) -> _Piece | None:
        """The next piece; None when the transcript is over. A buffered text is waited for."""
        while True:
            try:
                return await asyncio.wait_for(self._pieces.get(), LINGER)
            except TimeoutError:
                if self._spoken and self._buffer_timer is None:
                    return None

    async def _speak(self, piece: _Piece) -> None:
        speech = self._render(piece.text)
        await asyncio.sleep(self._pace.first_chunk)
        flush = {"flush_id": piece.flush} if piece.flush else {}
        words = list(speech.words) if self._request.get("add_timestamps") else []
        position = 0
        while position < len(speech.samples) and self._goes_on():
            chunk = speech.samples[position : position + self._chunk_length()]
            position += len(chunk)
            words = self._tell_words(words, position / self._rate, flush)
            self._send_chunk(chunk, flush)
            await asyncio.sleep(len(chunk) / self._rate / self._pace.speed)
        self._spoken += len(speech.samples) / self._rate

    def _goes_on(self) -> bool:
        """Whether another chunk may be sent; after a cancel, as many as are late."""
        if self._late_chunks is None:
            return True
        self._late_chunks -= 1
        return self._late_chunks >= 0

    def _chunk_length(self) -> int:
        """Samples in the next chunk: uneven, never a whole number of 20 ms frames, as the service sends them."""
        return self._chance.randint(self._rate // 20, self._rate // 5) | 1

    def _tell_words(self, words: Sequence[Word], heard: float, flush: Mapping[str, int]) -> list[Word]:
        """Send the times of the words that begin before `heard`, in groups; returns those still to be told."""
        begun = [word for word in words if word.start < heard]
        if not begun or (len(begun) < WORDS_IN_GROUP and len(begun) < len(words)):
            return list(words)
        times = {
            "words": [word.text for word in begun],
            "start": [round(self._spoken + word.start, 3) for word in begun],
            "end": [round(self._spoken + word.end, 3) for word in begun],
        }
        self._emit("timestamps", word_timestamps=times, done=False, status_code=206, **flush)
        return list(words[len(begun) :])

    def _send_chunk(self, samples: Samples, flush: Mapping[str, int]) -> None:
        started = time.perf_counter()
        data = base64.b64encode(self._encode(samples)).decode()
        step = round((time.perf_counter() - started) * 1000, 3)
        self._emit("chunk", data=data, done=False, status_code=206, step_time=step, **flush)

    def _render(self, text: str) -> Speech:
        config = self._request.get("generation_config", {})
        speech = self._voice.speak(
            text,
            voice=espeak_voice(voice_of(self._request), self._request.get("language", "en"), self._voice),
            words_per_minute=round(WORDS_PER_MINUTE * config.get("speed", 1.0)),
        ).at(self._rate)
        return speech.louder(config.get("volume", 1.0))

    def _emit(self, kind: str, **fields: Any) -> None:
        self._send({"type": kind, "context_id": self._request["context_id"], **fields})


def espeak_voice(voice_id: str, language: str, voice: Voice) -> str:
    """The espeak-ng voice for one of Cartesia's: itself if it is one, else a speaker chosen by the id."""
    if voice.knows(voice_id):
        return voice_id
    speaker = _SPEAKERS[zlib.crc32(voice_id.encode()) % len(_SPEAKERS)]
    return f"{_LANGUAGE_VOICES.get(language, language)}+{speaker}"


ENCODINGS: Mapping[str, Callable[[Samples], bytes]] = {
    "pcm_f32le": lambda samples: (samples / np.float32(32768)).astype("<f4").tobytes(),
    "pcm_s16le": lambda samples: samples.astype("<i2").tobytes(),
    "pcm_mulaw": lambda samples: g711.encode(samples, g711.PCMU),
    "pcm_alaw": lambda samples: g711.encode(samples, g711.PCMA),
}


def _parse(frame: str | bytes) -> dict[str, Any]:
    try:
        request = json.loads(frame)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise RequestError(400, "Invalid request", "The frame is not a JSON object.", "invalid_request")
    return request
