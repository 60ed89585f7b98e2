"""How the delay of a jitter buffer is brought to its target: frames made of more or less than 20 ms of audio."""

from typing import NamedTuple, Protocol

_FRAME_TIME = 0.02
_EXCESS = 0.010
"""Seconds of delay above the target that nobody minds."""
_SHORTAGE = 0.010
"""Seconds by which the delay may fall short of what the jitter needs."""
_PERIODS = range(40, 121)
"""Units by which a frame of speech may move: one period of its pitch (66 to 200 Hz)."""
_PATIENCE = 50
"""Frames (1 s) that we wait for silence before speech is spliced where it is alike."""
_ALIKE = 0.8
_LONGEST_PATIENCE = 250
"""Frames (5 s) after which it is spliced where it is most alike, however little that is."""
_BETWEEN = 5
"""Frames between two splices in speech."""


class Spliced(Protocol):
    """A frame whose end is `shift` units from where it would be; `likeness` (to 1) of what was joined for it."""

    @property
    def frame(self) -> bytes: ...
    @property
    def shift(self) -> int: ...
    @property
    def likeness(self) -> float: ...


class Sound(Protocol):
    """What a jitter buffer must know of the sound in it (`audio.splice.Splicer`, by shape)."""

    @property
    def width(self) -> int:
        """Bytes of a unit of 1/8000 s."""

    def is_quiet(self, payload: bytes) -> bool:
        """Tell whether some of this can be left out without being missed."""

    def splice(self, audio: bytes, at: int, shifts: range) -> Spliced:
        """Make the 20 ms that begin at `at`, and go over to a place that is one of `shifts` away."""


class Course(NamedTuple):
    """By how many units a frame of speech may move (forward: less is played), and how alike its seam must be."""

    shifts: range
    least_likeness: float


def bounds(target: float) -> tuple[float, float]:
    """Return the least and the most delay that are as good as the target."""
    return target - _FRAME_TIME - _SHORTAGE, target + _EXCESS


class Steering:
    """Watches how far the delay is from its target, and since when. Silence is used at once, speech after a while."""

    def __init__(self) -> None:
        self._off_target = 0

    @property
    def is_idle(self) -> bool:
        """Whether the delay was right the last time."""
        return self._off_target == 0

    def begin(self) -> None:
        """Forget what was: a stream begins."""
        self._off_target = 0

    def direction(self, delay: float, target: float) -> int:
        """Take the delay of the next frame: 1 if it is more than needed, -1 if it is too little, else 0."""
        least, most = bounds(target)
        way = int(delay > most) - int(delay < least)
        self._off_target = self._off_target + 1 if way else 0
        return way

    def in_speech(self, direction: int) -> Course | None:
        """Decide how the next frame may move if it is not quiet; None if we rather wait for silence."""
        if self._off_target <= _PATIENCE:
            return None
        shifts = _PERIODS if direction > 0 else range(-_PERIODS[-1], -_PERIODS[0] + 1)
        return Course(shifts, _ALIKE if self._off_target <= _LONGEST_PATIENCE else 0.0)

    def moved(self) -> None:
        """Take note that a frame of speech was spliced; the next one may be after a few more."""
        self._off_target = _PATIENCE - _BETWEEN
