"""No silence for long: a watch that runs from the moment that the caller waits for us until he hears us."""

import asyncio
from collections.abc import Callable

PATIENCE = 3.5
"""Seconds of silence in the agent's turn after which the caller hears something."""


class SilenceWatch:
    """One timer. `too_long` is called when it runs out; whoever is called sets it anew."""

    def __init__(self, too_long: Callable[[], None]) -> None:
        self._too_long = too_long
        self._has_asked = False
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, *, waited: bool, waits: bool) -> None:
        """Start when the caller begins to wait; stop when he `waits` no more."""
        if not waits:
            self.set(None)
        elif not waited or self._timer is None:
            self._has_asked = False
            self.set(PATIENCE)

    def ask_patience(self) -> bool:
        """The caller is asked for patience. True for the first time since he began to wait."""
        first, self._has_asked = not self._has_asked, True
        return first

    def set(self, seconds: float | None) -> None:
        """Run out in so many seconds; None for never."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._run_out) if seconds is not None else None

    def _run_out(self) -> None:
        self._timer = None
        self._too_long()
