"""What a phone that owns its process does about memory: none is looked through, or kept, that need not be.

A full collection of garbage looks at every object with the interpreter held: up to a tenth of a second where 300 calls
stand, in which no packet leaves. What stands when the phone has started is taken out of that for good. A call that is
over is freed without it; only what a scenario leaves behind may need it. So it waits until nobody is on the phone, or
for a thousand calls.
"""

import asyncio
import contextlib
import ctypes
import functools
import gc
from collections.abc import Callable, Iterator

from sipagent.events import CallAnswered, Disconnected, Stamped

MOST = 1000
"""Calls that may end while others go on; then those have to wait a moment for once."""
AFTERWARDS = 5.0
"""Seconds from the end of a call until nothing of it runs any more."""

_NEVER = 2**31 - 1
_M_MMAP_THRESHOLD = -3
_LARGE = 128 * 1024


@contextlib.contextmanager
def spared() -> Iterator[None]:
    """Have full collections happen only by order; those of young objects, which take no time, go on by themselves.

    From now on large blocks are the system's again when they are freed. The first of them, TLS's buffers of 256 KiB,
    would teach glibc to keep them, and a call would cost 100 kB more.
    """
    young, middle, old = gc.get_threshold()
    _libc("mallopt", _M_MMAP_THRESHOLD, _LARGE)
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
        gc.unfreeze()


def give_back() -> None:
    """Collect all garbage, and give the system what is free then."""
    gc.collect()
    _libc("malloc_trim", 0)


class EndedCalls:
    """Watches a phone, and has the memory of ended calls given back by `give_back`."""

    def __init__(self, give_back: Callable[[], None] = give_back) -> None:
        self._give_back = give_back
        self._live: set[str] = set()
        self._ended = 0
        self._due: asyncio.TimerHandle | None = None

    def take(self, stamped: Stamped) -> None:
        """Take an event of any call."""
        match stamped.event:
            case CallAnswered():
                self._live.add(stamped.call_id)
            case Disconnected():
                self._live.discard(stamped.call_id)
                self._ended += 1
                if self._is_time and self._due is None:
                    self._due = asyncio.get_running_loop().call_later(AFTERWARDS, self._look)

    def close(self) -> None:
        """Watch no more."""
        if self._due is not None:
            self._due.cancel()

    @property
    def _is_time(self) -> bool:
        return not self._live or self._ended >= MOST

    def _look(self) -> None:
        """What ended last is garbage now; but calls may have come meanwhile."""
        self._due = None
        if self._is_time:
            self._ended = 0
            self._give_back()


def _libc(function: str, *arguments: int) -> None:
    """Call a function of glibc; elsewhere there is none."""
    if hasattr(_loaded(), function):
        getattr(_loaded(), function)(*arguments)


@functools.cache
def _loaded() -> ctypes.CDLL:
    return ctypes.CDLL(None)
