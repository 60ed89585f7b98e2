"""Judging what a receiver made of speech: PESQ of each recording (ITU-T P.862, narrow band), and how late it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

import numpy as np

from sipagent.audio import g711
from sipagent.audio.g711 import Samples

RATE = g711.RATE
_MARGIN = RATE * 3 // 10
"""Samples before and after a recording that PESQ may hear too: half of the pause between two."""
PAUSE = 2 * _MARGIN
_FARTHEST = 5 * RATE
"""Samples within which a recording is looked for around its place: some networks begin with seconds at once."""
_NEAR = RATE // 2
_WORST = 1.0
"""The score of a recording of which nothing was heard; PESQ has none."""
_WINDOW = RATE // 4
_SPOKEN = 300
"""Root mean square of a window in which somebody speaks."""
_ALIKE = 0.8
"""A window of speech that is less like what was said tells nothing of its delay: some of it was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was heard of several recordings: scores from 1 to 4.5, and delays in milliseconds."""

    scores: tuple[float, ...]
    delays: tuple[float, ...]

    @property
    def score(self) -> float:
        return fmean(self.scores)

    @property
    def spread(self) -> float:
        """The standard deviation of the recordings' scores."""
        return pstdev(self.scores)

    @property
    def delay(self) -> float:
        return fmean(self.delays) if self.delays else float("nan")

    @property
    def median_delay(self) -> float:
        return median(self.delays) if self.delays else float("nan")

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(scores=self.scores + other.scores, delays=self.delays + other.delays)


def programme(recordings: Sequence[Samples]) -> tuple[Samples, list[slice]]:
    """Put recordings one after the other, with pauses; returns them as one, and where each of them is."""
    pieces: list[Samples] = []
    places: list[slice] = []
    at = 0
    for recording in recordings:
        pieces += [np.zeros(PAUSE, np.int16), recording]
        places.append(slice(at + PAUSE, at + PAUSE + len(recording)))
        at += PAUSE + len(recording)
    rest = PAUSE + -(at + PAUSE) % g711.FRAME
    return np.concatenate([*pieces, np.zeros(rest, np.int16)]), places


def judge(said: Samples, heard: Samples, places: Sequence[slice]) -> tuple[float, ...]:
    """Score each recording of a programme by what was heard of it, whenever that was."""
    padded = np.pad(heard, (_FARTHEST, _FARTHEST))
    return tuple(_score(said, padded, place) for place in places)


def delays(said: Samples, heard: Samples, places: Sequence[slice]) -> list[tuple[float, float]]:
    """When each quarter of a second of speech was said, and how much later it was heard (seconds), if it is whole."""
    padded, found = np.pad(heard, (_FARTHEST, _FARTHEST)), []
    for place in places:
        at = _whereabouts(said, padded, place) - place.start
        for start in range(place.start, place.stop - _WINDOW, _WINDOW):
            window, around = said[start : start + _WINDOW], max(0, at + start - _NEAR)
            lag, likeness = _find(window, padded[around : around + 2 * _NEAR + _WINDOW])
            if window.std() > _SPOKEN and likeness > _ALIKE:
                found.append((start / RATE, (around + lag - _FARTHEST - start) / RATE))
    return found


def quality(rate: int, reference: Samples, degraded: Samples) -> float:
    """PESQ for the narrow band, by the reference code of the ITU in the extra `bench`."""
    from pesq import pesq

    return float(pesq(rate, reference, degraded, "nb"))


def _score(said: Samples, padded: Samples, place: slice) -> float:
    at = _whereabouts(said, padded, place)
    reference = said[place.start - _MARGIN : place.stop + _MARGIN]
    degraded = padded[max(0, at - _MARGIN) : at + place.stop - place.start + _MARGIN]
    return quality(RATE, reference, degraded) if degraded.any() else _WORST


def _whereabouts(said: Samples, padded: Samples, place: slice) -> int:
    """Where a recording begins in what was heard, some seconds before or after its place."""
    lag, _ = _find(said[place], padded[place.start : place.stop + 2 * _FARTHEST])
    begin: int = place.start + lag
    return begin


def _find(part: Samples, whole: Samples) -> tuple[int, float]:
    """Where in a longer sound a shorter one is, and how alike they are there (at most 1)."""
    short, long = part.astype(np.float64), whole.astype(np.float64)
    long = np.pad(long, (0, max(0, len(short) - len(long))))
    size = 1 << (len(long) + len(short) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size)), size)
    products = products[: len(long) - len(short) + 1]
    squares = np.concatenate(([0.0], np.cumsum(np.square(long))))
    energies = squares[len(short) :] - squares[: -len(short)]
    likeness = products / np.sqrt(energies * np.square(short).sum() + 1.0)
    best = int(np.argmax(likeness))
    return best, float(likeness[best])
