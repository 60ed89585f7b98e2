"""A second Cartesia TTS server, written apart from `sipagent.local`. Its voice is a tone that a test knows again.

Wire: contexts, word timestamps in groups, uneven chunks faster than real time, `done` once a context.
"""

import asyncio
import base64
import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.interop.peers.wire import to_mu_law

HERTZ = 880
_SAMPLES_A_CHARACTER = 8000 // 14
_CHUNKS = (1600, 3217, 777, 4000)


class ToneSession:
    """One connection; contexts run side by side."""

    def __init__(self, connection: ServerConnection, log: Callable[[dict[str, Any]], None]) -> None:
        self._connection = connection
        self._log = log
        self._contexts: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._voices: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        try:
            async for text in self._connection:
                request = json.loads(text)
                self._log({"type": "cancel" if request.get("cancel") else "generation", **request})
                self._receive(request)
        finally:
            for voice in self._voices.values():
                voice.cancel()

    def _receive(self, request: dict[str, Any]) -> None:
        context = request["context_id"]
        if request.get("cancel"):
            if voice := self._voices.get(context):
                voice.cancel()
            return
        if context not in self._contexts:
            self._contexts[context] = asyncio.Queue()
            self._voices[context] = asyncio.create_task(self._speak(context))
        self._contexts[context].put_nowait(request)

    async def _speak(self, context: str) -> None:
        position, more = 0, True
        with suppress(asyncio.CancelledError):
            while more:
                request = await self._contexts[context].get()
                more = bool(request.get("continue"))
                expected = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
                assert request["output_format"] == expected, request["output_format"]
                if request.get("add_timestamps") and request["transcript"].strip():
                    words = _timestamps(request["transcript"], position)
                    await self._send("timestamps", context, 206, word_timestamps=words)
                for chunk in _chunks(len(request["transcript"]) * _SAMPLES_A_CHARACTER, position):
                    position += len(chunk)
                    data = base64.b64encode(chunk).decode()
                    await self._send("chunk", context, 206, data=data, step_time=20.0)
                    await asyncio.sleep(len(chunk) / 8000 / 5)
        await self._send("done", context, 200)

    async def _send(self, kind: str, context: str, status: int, **fields: Any) -> None:
        frame = {"type": kind, "context_id": context, "status_code": status, "done": kind == "done", **fields}
        with suppress(ConnectionClosed):
            await self._connection.send(json.dumps(frame))


def _chunks(length: int, position: int) -> Iterator[bytes]:
    """A tone of so many samples; `position` keeps its phase from one piece of text to the next."""
    end = position + length
    sizes = iter(_CHUNKS * (length // min(_CHUNKS) + 1))
    while position < end:
        size = min(next(sizes), end - position)
        turn = 2 * math.pi * HERTZ / 8000
        yield bytes(to_mu_law(int(9000 * math.sin(turn * sample))) for sample in range(position, position + size))
        position += size


def _timestamps(text: str, position: int) -> dict[str, list[Any]]:
    """Each word lasts as long as it is."""
    words: list[str] = text.split()
    starts, at = [], position
    for word in words:
        starts.append(at / 8000)
        at += (len(word) + 1) * _SAMPLES_A_CHARACTER
    ends = [start + len(word) * _SAMPLES_A_CHARACTER / 8000 for start, word in zip(starts, words, strict=True)]
    return {"words": words, "start": starts, "end": ends}
