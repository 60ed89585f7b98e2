"""MediaStarted and MediaEnded of one source: when its audio really began to play, and one second after it had ended."""

import asyncio
from collections.abc import Callable

from sipagent.events import Event, MediaEnded, MediaStarted

QUIET = 1.0
"""Seconds with nothing left to play after which a stream has ended."""


class MediaStream:
    """Watches one source's stream. `duration` of the end is the time played, in seconds."""

    def __init__(self, source: str, publish: Callable[[Event], None]) -> None:
        self.tag = ""
        """What `send_media_to` called the stream."""
        self._source = source
        self._publish = publish
        self._playing = False
        self._played = 0.0
        self._quiet: asyncio.TimerHandle | None = None

    def started(self, encoding: str) -> None:
        """Audio begins to play, or goes on after a short pause."""
        self._cancel()
        if not self._playing:
            self._playing = True
            self._publish(MediaStarted(source=self._source, tag=self.tag, encoding=encoding))

    def paused(self, played: float) -> None:
        """Nothing is left to play; `played` seconds were, since the last pause."""
        if self._playing:
            self._played += played
            self._cancel()
            self._quiet = asyncio.get_running_loop().call_later(QUIET, self.stopped)

    def stopped(self) -> None:
        """The stream is over now."""
        self._cancel()
        if self._playing:
            self._playing = False
            played, self._played = self._played, 0.0
            self._publish(MediaEnded(source=self._source, tag=self.tag, duration=round(played, 3)))

    def _cancel(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
