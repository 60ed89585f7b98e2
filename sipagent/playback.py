"""Audio being played to the far end, as something that can be awaited."""

import asyncio
from collections.abc import Generator
from typing import Any

from sipagent.agent.interfaces import Cleared, Speaker
from sipagent.audio.encoding import duration


class Playback:
    """Audio being played. Awaiting it gives True when it was sent to its end, False when it was dropped before."""

    def __init__(self, unit: Speaker, audio: bytes) -> None:
        """Play `audio`, in the encoding of `unit`, after what is queued in `unit`."""
        self._unit = unit
        self._done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        unit.speak(audio, marks=((duration(audio, unit.encoding), "end"),), listener=self)

    def stop(self) -> None:
        """Stop now, and drop whatever else is queued in the unit."""
        self._unit.drop_speech()

    def mark_passed(self, name: str, position: int) -> None:
        """The last sample has left."""
        self._finish(True)

    def cleared(self, report: Cleared) -> None:
        """The rest will never leave."""
        self._finish(False)

    def __await__(self) -> Generator[Any, None, bool]:
        return asyncio.shield(self._done).__await__()

    def _finish(self, whole: bool) -> None:
        if not self._done.done():
            self._done.set_result(whole)
