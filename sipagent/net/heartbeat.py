"""Two threads that watch each other. A watcher counts in its own beats, so a process that was stopped alarms nobody."""

import sys
import threading
import traceback
from enum import Enum


class Silence(Enum):
    """What the other's silence asks for, at the moment it begins to ask for it."""

    NONE = "none"
    TRACE = "trace"
    EXIT = "exit"


class Watch:
    """Looks at a counter that another thread moves. The limits are looks without a movement."""

    def __init__(self, *, trace_after: int, exit_after: int) -> None:
        self._trace_after = trace_after
        self._exit_after = exit_after
        self._seen = 0
        self._silent = 0

    def look(self, beats: int) -> Silence:
        """Take the present count; returns TRACE and EXIT once each in a silence."""
        self._silent = self._silent + 1 if beats == self._seen else 0
        self._seen = beats
        if self._silent == self._trace_after:
            return Silence.TRACE
        return Silence.EXIT if self._silent == self._exit_after else Silence.NONE


def stacks() -> str:
    """Return where every thread of the process is, for the log."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
