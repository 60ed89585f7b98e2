"""Sentences that must be heard even when no provider answers: rendered beforehand, kept as audio."""

from collections.abc import Callable
from dataclasses import dataclass

from sipagent.agent.interfaces import Cleared, Speaker
from sipagent.audio.encoding import PCMU, convert, duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """Three recordings, each PCMU at 8000 samples a second."""

    apology: bytes
    """Something went wrong, and the call ends."""
    one_moment: bytes
    """It takes longer than usual."""
    goodbye: bytes
    """The end of a call in which the model did not say it."""


class PlayedClip:
    """A clip played into a call after what is queued there. `over` is called when it has left, or was cleared."""

    def __init__(self, clip: bytes, call: Speaker, over: Callable[[], None]) -> None:
        self._over: Callable[[], None] | None = over
        audio = convert(clip, PCMU, call.encoding)
        call.speak(audio, marks=((duration(clip, PCMU), "end"),), listener=self)

    @property
    def is_over(self) -> bool:
        """Nothing of it will be sent any more."""
        return self._over is None

    def mark_passed(self, name: str, position: int) -> None:
        """The last sample has left."""
        self._end()

    def cleared(self, report: Cleared) -> None:
        """The rest will never leave."""
        self._end()

    def _end(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over()
