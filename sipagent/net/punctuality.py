"""How late the media thread wakes up, and what the event loop was doing meanwhile."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import FrameType

LATE = 0.002
"""Seconds after which a wake-up counts as late: what the 20 ms grid of a call may be off."""
_DEPTH = 3
"""Frames that are named: what held the interpreter, and who called it."""
_RESTING = {"asyncio.runners", "selectors"}
"""Where an event loop is seen that waits: uvloop has no frame of its own, asyncio's is in `select`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """A late wake-up. `where` is what the watched thread was at when it let the other have the interpreter.

    Empty: the thread ran nothing in Python; its event loop waited, most likely, and the lateness was not its doing.
    """

    seconds: float
    where: str


class Punctuality:
    """An account of wake-ups. `note` is called by the thread that wakes, the rest by the one that is watched."""

    def __init__(self) -> None:
        self.wakes = 0
        self.late = 0
        self.worst = 0.0
        """Seconds of the latest wake-up of all."""
        self._watched = 0
        self._news: Lateness | None = None

    def watch(self, thread: int) -> None:
        """Say where this thread (its `ident`) is when the other wakes up late."""
        self._watched = thread

    def note(self, seconds: float) -> None:
        """Take how late a wake-up was."""
        self.wakes += 1
        if seconds <= LATE:
            return
        self.late += 1
        self.worst = max(self.worst, seconds)
        if self._news is None or seconds > self._news.seconds:
            self._news = Lateness(seconds=seconds, where=_where(self._watched))

    def news(self) -> Lateness | None:
        """Return the worst since the last call; None if none was late."""
        news, self._news = self._news, None
        return news


def _where(thread: int) -> str:
    """Name the innermost frames of a thread that runs, without opening a file."""
    frame = sys._current_frames().get(thread)
    if frame is not None and frame.f_globals.get("__name__") in _RESTING:
        return ""
    return ", called at ".join(
        f"{one.f_code.co_filename}:{one.f_lineno} ({one.f_code.co_name})" for one in islice(_outwards(frame), _DEPTH)
    )


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
