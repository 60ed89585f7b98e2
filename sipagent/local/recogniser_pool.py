"""A pool of recognisers, each a process: one call's utterance never waits for another's while one is free."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sipagent.local.ears import Samples
from sipagent.local.recogniser import LENGTH

SIZE = max(2, min(4, os.cpu_count() or 1))


class RecogniserPool:
    """`recognise` from any number of calls. A process that dies is replaced, and its utterance is not understood."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process] = asyncio.LifoQueue()

    async def recognise(self, audio: Samples) -> str:
        """Return the phrase that was said in `audio` (16 kHz), or "" when it is none that we know."""
        worker = await self._idle.get()
        try:
            return await _ask(worker, audio.tobytes())
        except (ConnectionError, ValueError):
            worker = await _start()
            return ""
        except asyncio.CancelledError:
            # Its answer is still to come, and would be taken for that of the next utterance.
            with suppress(ProcessLookupError):  # it may have died of itself
                worker.kill()
            worker = await _start()
            raise
        finally:
            self._idle.put_nowait(worker)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RecogniserPool"]:
        """Have the processes run within this context."""
        for worker in await asyncio.gather(*(_start() for _ in range(self._size))):
            self._idle.put_nowait(worker)
        try:
            yield self
        finally:
            while not self._idle.empty():
                await _stop(self._idle.get_nowait())


async def _ask(worker: asyncio.subprocess.Process, audio: bytes) -> str:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(LENGTH.pack(len(audio)) + audio)
    await worker.stdin.drain()
    return str(json.loads(await worker.stdout.readline())["text"])


async def _start() -> asyncio.subprocess.Process:
    """Start a worker; it ends when our end of its standard input closes, however we end."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sipagent.local.recogniser", stdin=pipe, stdout=pipe
    )


async def _stop(worker: asyncio.subprocess.Process) -> None:
    if worker.stdin is not None:
        worker.stdin.close()
    await worker.wait()
