"""Keys heard in the audio itself (DTMF, ITU-T Q.23, Q.24), for telephones that send no telephone events.

Every 10 ms a window of 12.75 ms is measured at the eight frequencies (Goertzel's sums, as one matrix product). It holds
a key if two tones, one of each group, are nearly all that is in it; three such windows in a row begin a press, three
without it end it. So 40 ms of a key are always one press, 23 ms never are (Q.24 table A-1), a gap of 10 ms splits none,
and speech, whose power lies in many harmonics, is not taken for keys.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import g711
from sipagent.audio.encoding import PCM, PCMU, Transcoder
from sipagent.audio.level import power
from sipagent.audio.tones import DTMF

_WINDOW = 102
_STEP = 80
_KEPT = _STEP + _WINDOW - g711.FRAME
"""Samples of the frame before that the first window of a frame needs."""
_RESOLUTION = g711.RATE / _WINDOW
"""Hz that a window can tell apart."""
_STEP_MS = 10
_AGREEING = 3
"""Windows in a row that begin a press, and that end it."""

_FAINTEST = 10 ** (-40.0 / 10)
_PUREST = 0.6
"""The part of all power that the two tones have at least. A window that is partly filled has less, in proportion."""
_LOW_LOUDER = 10 ** (8 / 10)
_HIGH_LOUDER = 10 ** (6 / 10)
"""Twist: how much louder one tone may be than the other. Lines take more from the high one."""
_RIVAL = 0.2
"""What another tone of the group may have of the power of the loudest."""
_HARMONIC = 0.15
"""What twice a frequency may have of the louder tone's power: speech has harmonics, keys have none."""
_SUBHARMONIC = 0.1

_FREQUENCIES = sorted({frequency for pair in DTMF.values() for frequency in pair})
_DIGITS = {(_FREQUENCIES.index(low), _FREQUENCIES.index(high) - 4): digit for digit, (low, high) in DTMF.items()}


class KeyTone(NamedTuple):
    """A key that was pressed, and is released."""

    digit: str
    duration_ms: int


class ToneDetector:
    """Listens to one stream, 20 ms at a time."""

    __slots__ = ("_before", "_different", "_digit", "_narrow", "_same", "_windows")

    def __init__(self) -> None:
        self._before = np.zeros(_KEPT)
        self._digit: str | None = None
        self._same = self._different = 0
        self._windows = 0
        self._narrow = Transcoder()

    def hear(self, frame: bytes, encoding: str) -> KeyTone | None:
        """Take a frame of 20 ms; returns the key released in it."""
        if encoding == PCM:
            frame, encoding = self._narrow.convert(frame, PCM, PCMU), PCMU
        if power(frame, encoding) < _FAINTEST and not self._before.any():
            return self._note(None) or self._note(None)
        samples = g711.decode(frame, encoding) / 32768.0
        heard = np.concatenate((self._before, samples))
        self._before = samples[-_KEPT:] if power(frame, encoding) >= _FAINTEST else np.zeros(_KEPT)
        return self._note(_digit_in(heard[:_WINDOW])) or self._note(_digit_in(heard[_STEP:]))

    def _note(self, digit: str | None) -> KeyTone | None:
        """Take what one window holds. A press lasts from its first window to its last, whatever lies between."""
        self._windows += 1
        if digit is not None and digit == self._digit:
            self._same += 1
            self._different = 0
            return None
        self._different += 1
        if self._digit is not None and self._is_pressed and self._different < _AGREEING:
            return None
        released = KeyTone(self._digit, self._duration) if self._digit is not None and self._is_pressed else None
        self._digit, self._same, self._different, self._windows = digit, 1, 0, 1
        return released

    @property
    def _is_pressed(self) -> bool:
        return self._same >= _AGREEING

    @property
    def _duration(self) -> int:
        return (self._windows - self._different) * _STEP_MS


def _digit_in(window: NDArray[np.float64]) -> str | None:
    """Find the one key that a window holds."""
    total = float(window @ window) / _WINDOW
    if total < _FAINTEST:
        return None
    powers = _powers(window, _TONES)
    low, high = int(np.argmax(powers[:4])), int(np.argmax(powers[4:]))
    lower, higher = powers[low], powers[4 + high]
    if lower + higher < _PUREST * total or lower > _LOW_LOUDER * higher or higher > _HIGH_LOUDER * lower:
        return None
    if np.sum(powers[:4] > _RIVAL * lower) > 1 or np.sum(powers[4:] > _RIVAL * higher) > 1:
        return None
    harmonics = _powers(window, _HARMONICS)
    # In 2, 6 and C the harmonic of the lower tone lies beside the higher one: whichever is stronger is there.
    told_apart = abs(2 * _FREQUENCIES[low] - _FREQUENCIES[4 + high]) > _RESOLUTION
    allowed = _HARMONIC * max(lower, higher)
    if harmonics[4 + high] > allowed or harmonics[low] > (allowed if told_apart else higher):
        return None
    # A voice in which the lower tone is the second harmonic has a first one.
    if _powers(window, _HALVES)[low] > _SUBHARMONIC * max(lower, higher):
        return None
    return _DIGITS[low, high]


def _sums(frequencies: Sequence[float]) -> NDArray[np.float64]:
    """Cosines and sines of each frequency, scaled so that the squares of a tone's two sums add up to its power."""
    phase = 2 * np.pi * np.outer(frequencies, np.arange(_WINDOW)) / g711.RATE
    return np.asarray(np.concatenate((np.cos(phase), np.sin(phase))) * np.sqrt(2) / _WINDOW)


def _powers(window: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = np.square(sums @ window)
    return np.asarray(squares[:8] + squares[8:])


_TONES = _sums(_FREQUENCIES)
_HARMONICS = _sums([2.0 * frequency for frequency in _FREQUENCIES])
_HALVES = _sums([0.5 * frequency for frequency in _FREQUENCIES])
