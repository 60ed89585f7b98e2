"""When Python looks for garbage: not in the midst of calls, as far as that can be helped.

A full collection looks at every object with the interpreter held: up to a tenth of a second where 300 calls stand, in
which no packet leaves. What stands when the phone has started is taken out of that for good. Calls that are over are
garbage (agent and providers know each other): they are collected as soon as nobody is on the phone, and otherwise when
as many have ended as go on, so that they never cost more than those.
"""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

from sipagent.events import CallAnswered, Disconnected, Stamped

FEWEST = 50
"""Calls that must have ended while others go on."""
AFTERWARDS = 5.0
"""Seconds from the end of a call until nothing of it runs any more."""
_NEVER = 2**31 - 1


@contextlib.contextmanager
def only_when_told() -> Iterator[None]:
    """Have full collections happen only by order; those of young objects, which take no time, go on by themselves."""
    young, middle, old = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
        gc.unfreeze()


class EndedCalls:
    """Watches a phone, and has its ended calls collected by `collect`."""

    def __init__(self, collect: Callable[[], Any] = gc.collect) -> None:
        self._collect = collect
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
                self._look()

    def close(self) -> None:
        """Collect no more."""
        if self._due is not None:
            self._due.cancel()

    def _look(self) -> None:
        """Collect soon, if it is time; not before what ended last is garbage."""
        if self._live and self._ended < max(FEWEST, len(self._live)):
            return
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(AFTERWARDS, self._clear)

    def _clear(self) -> None:
        self._due = None
        self._ended = 0
        self._collect()
