"""Play 20 ms of audio out of more or less than 20 ms, so that nobody hears it: a clock is caught up with, no word lost.

Speech repeats itself with its pitch. One period of it is left out, or played twice, where two of them are most alike,
and the seam is faded over (waveform similarity overlap-add; Verhelst and Roelands 1993).
"""

from typing import NamedTuple

import numpy as np

from sipagent.audio.encoding import FRAME, UNITS, decode, encode, rate, width
from sipagent.audio.level import power

SEAM = 80
"""Units over which one place of the speech fades into another: 10 ms."""

_QUIET = 10 ** (-50.0 / 10)
"""Power below which nobody misses 20 ms."""


class Splice(NamedTuple):
    """A frame that ends `shift` units of 1/8000 s later in the speech than it would; earlier, if negative.

    `likeness` of the two places joined is 1 where they are the same and 0 where they have nothing in common.
    """

    frame: bytes
    shift: int
    likeness: float


class Splicer:
    """Splices audio of one encoding."""

    __slots__ = ("_encoding", "_rising", "_scale", "width")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self.width = width(encoding)
        """Bytes of a unit."""
        self._scale = rate(encoding) // UNITS
        self._rising = np.arange(SEAM * self._scale) / (SEAM * self._scale)

    def is_quiet(self, payload: bytes) -> bool:
        """Tell whether some of this can be left out without being missed."""
        return power(payload, self._encoding) < _QUIET

    def splice(self, audio: bytes, at: int, shifts: range) -> Splice:
        """Make the 20 ms that begin at unit `at` and go over to the place, one of `shifts` away, that is most alike.

        `shifts` ascends by one; `audio` reaches from the first of them to the end of a frame at the last of them.
        """
        scale, seam = self._scale, SEAM * self._scale
        samples = decode(audio, self._encoding).astype(np.float64)
        here = samples[at * scale :][:seam]
        there = samples[(at + shifts[0]) * scale : (at + shifts[-1] + SEAM) * scale]
        likeness = _likeness(here, there)[::scale]
        best = int(np.argmax(likeness))
        start = at + shifts[best]
        faded = here * (1.0 - self._rising) + samples[start * scale :][:seam] * self._rising
        rest = audio[(start + SEAM) * self.width : (start + FRAME) * self.width]
        frame = encode(np.round(faded).astype(np.int16), self._encoding) + rest
        return Splice(frame, shifts[best], float(likeness[best]))


def _likeness(short: np.ndarray, long: np.ndarray) -> np.ndarray:
    """The normalised correlation of a stretch of sound with every stretch of its length in a longer one."""
    squares = np.concatenate(([0.0], np.cumsum(np.square(long))))
    energies = squares[len(short) :] - squares[: -len(short)]
    products: np.ndarray = np.correlate(long, short)
    return np.asarray(products / np.sqrt(energies * np.square(short).sum() + 1.0))
