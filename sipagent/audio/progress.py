"""What a line tells without words: ringback, busy, the beep of a machine, music on hold. Never used inside the tick.

Each 20 ms is silence, a tone (nearly all its power about one frequency) or another sound. Runs of these are told by
their cadence: the tones of ITU-T E.180 and its national habits repeat with pauses of their own; a beep is one short
tone after somebody spoke; music neither pauses like speech nor moves its pitch from one frame to the next.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import g711
from sipagent.audio.encoding import ENCODINGS, decode, rate
from sipagent.audio.level import level

Frames = int
"""Of 20 ms."""


class Sign(Enum):
    """What is going on at the far end."""

    RINGBACK = "ringback"
    BUSY = "busy"
    BEEP = "beep"
    MUSIC = "music"


class _Kind(Enum):
    SILENCE = "silence"
    TONE = "tone"
    SOUND = "sound"


class _Glance(NamedTuple):
    """One frame: its kind, its strongest frequency in Hz, its level in dBFS."""

    kind: _Kind
    frequency: float
    level: float


@dataclass(slots=True)
class _Run:
    """Frames of one kind in a row, and of one frequency if they are a tone."""

    kind: _Kind
    frequency: float
    frames: Frames

    def takes(self, glance: _Glance) -> bool:
        is_tone = self.kind is _Kind.TONE
        return glance.kind is self.kind and not (is_tone and abs(glance.frequency - self.frequency) > _WOBBLE)


_SILENT = -45.0
_SIZE = 256
_HZ = g711.RATE / _SIZE
_BREADTH = 6
"""Bins to each side that a tone, or two close together (480 and 620 Hz), may take."""
_PURE = 0.9
_LOWEST_TONE, _HIGHEST_TONE = 330.0, 2600.0
_WOBBLE = 40.0
_SMALLEST_RUN = 2
"""Frames: a single one of another kind is an edge, and no run."""

_RING = range(15, 126)
_RING_PAUSE = range(75, 300)
_BUSY_TONE = range(8, 40)
_BEEP_TONE = range(7, 100)
_BEEP_AFTER = 25
"""Frames of other sound in the seconds before a beep: somebody, or a machine, has answered."""
_BEEP_WAVER = 10.0
_BEEP_SWELL = 3.0
"""Hz and dB that a beep may waver: a sung vowel does more."""
_BEEP_FADES = 12.0
"""dB by which the line is quieter after a beep: in the midst of a word a vowel may be as even."""
_EDGE = 2
"""Frames at each end of a beep that it does not fill, or in which it fades."""
_SETTLED = 15
"""Frames of a run after which it is judged."""

_WINDOW = 300
"""Frames by which music is judged: 6 s."""
_HUSHED = -25.0
"""dB below the loud frames of the window: a pause of speech, even over a noisy line."""
_FEWEST_PAUSES = 0.03
"""The part of the window that pauses have at least in speech: a fifth in the calm, a twelfth in haste."""
_STEADY = 0.45
"""The part of the frames whose strongest frequency is that of the one before. Noise has hardly any."""
_FEWEST_PITCHES = 3


class ProgressEars:
    """Listens to one stream, 20 ms at a time."""

    def __init__(self) -> None:
        self._runs: deque[_Run] = deque([_Run(_Kind.SILENCE, 0.0, 0)], maxlen=12)
        self._strange: Frames = 0
        self._heard: Frames = 0
        self._window: deque[_Glance] = deque(maxlen=_WINDOW)
        self._told: Sign | None = None

    def hear(self, frame: bytes, encoding: str) -> Sign | None:
        """Take a frame of 20 ms; returns what became clear with it. What goes on is told once, each beep again."""
        glance = _look(frame, encoding)
        self._window.append(glance)
        self._heard += 1
        self._lengthen(glance)
        sign = self._judge()
        if sign is None or (sign is self._told and sign is not Sign.BEEP):
            return None
        self._told = sign
        return sign

    def _lengthen(self, glance: _Glance) -> None:
        """Add a frame to the present run, or begin another with it."""
        run = self._runs[-1]
        self._strange = 0 if run.takes(glance) else self._strange + 1
        if self._strange < _SMALLEST_RUN:
            run.frames += 1
            return
        run.frames -= self._strange - 1
        self._runs.append(_Run(glance.kind, glance.frequency, self._strange))
        self._strange = 0

    def _judge(self) -> Sign | None:
        """Ask of each run once, when it is long enough to be sure of it; of music now and then."""
        *earlier, run = self._runs
        if self._heard >= _WINDOW and self._heard % _SETTLED == 0 and _is_music(self._window):
            return Sign.MUSIC
        if run.frames == _BUSY_TONE[0] and run.kind is _Kind.SILENCE and _is_busy(earlier):
            return Sign.BUSY
        if run.frames != _SETTLED:
            return None
        if run.kind is _Kind.TONE and _is_ringing(earlier, run):
            return Sign.RINGBACK
        return Sign.BEEP if run.kind is not _Kind.TONE and self._is_beep(earlier) else None

    def _is_beep(self, runs: Sequence[_Run]) -> bool:
        """One short, even tone: before it something that is neither tone nor silence, after it a line that waits."""
        if not runs or runs[-1].kind is not _Kind.TONE or runs[-1].frames not in _BEEP_TONE:
            return False
        spoken = sum(glance.kind is _Kind.SOUND for glance in self._window)
        heard = list(self._window)
        inner, after = heard[_EDGE - _SETTLED - runs[-1].frames : -_EDGE - _SETTLED], heard[_EDGE - _SETTLED :]
        wavers = np.ptp([glance.frequency for glance in inner])
        levels = [glance.level for glance in inner]
        is_even = bool(wavers < _BEEP_WAVER and np.ptp(levels) < _BEEP_SWELL)
        fades = np.mean(levels) - np.mean([glance.level for glance in after])
        return spoken >= _BEEP_AFTER and is_even and bool(fades > _BEEP_FADES)


def _look(frame: bytes, encoding: str) -> _Glance:
    loudness = level(frame, encoding)
    if loudness < _SILENT:
        return _Glance(_Kind.SILENCE, 0.0, loudness)
    size = _SIZE * rate(encoding) // g711.RATE
    spectrum = np.square(np.abs(np.fft.rfft(decode(frame, encoding) * _HANN[encoding], size)[: len(_BINS)]))
    peak = int(np.argmax(spectrum))
    around = slice(max(0, peak - _BREADTH), peak + _BREADTH + 1)
    near = float(spectrum[around].sum())
    frequency = float(spectrum[around] @ _BINS[around]) / near * _HZ
    is_tone = near > _PURE * float(spectrum.sum()) and _LOWEST_TONE < frequency < _HIGHEST_TONE
    return _Glance(_Kind.TONE if is_tone else _Kind.SOUND, frequency, loudness)


_HANN: dict[str, NDArray[np.float64]] = {encoding: np.hanning(rate(encoding) // 50) for encoding in ENCODINGS}
_BINS = np.arange(_SIZE // 2 + 1)
"""Up to 4 kHz, whatever the encoding: no line tells anything above."""


def _same_tone(runs: Sequence[_Run]) -> bool:
    frequencies = [run.frequency for run in runs]
    return max(frequencies) - min(frequencies) < _WOBBLE


def _is_busy(runs: Sequence[_Run]) -> bool:
    """Three tones and two pauses, all of them short: busy and congestion differ in their pace alone."""
    latest = runs[-5:]
    tones, pauses = latest[0::2], latest[1::2]
    return (
        len(latest) == 5
        and all(run.kind is _Kind.TONE and run.frames in _BUSY_TONE for run in tones)
        and all(run.kind is _Kind.SILENCE and run.frames in _BUSY_TONE for run in pauses)
        and _same_tone(tones)
    )


def _is_ringing(runs: Sequence[_Run], tone: _Run) -> bool:
    """A tone, a long pause, and the same tone again."""
    if len(runs) < 2:
        return False
    before, pause = runs[-2:]
    return (
        before.kind is _Kind.TONE
        and before.frames in _RING
        and pause.kind is _Kind.SILENCE
        and pause.frames in _RING_PAUSE
        and _same_tone([before, tone])
    )


def _is_music(window: Sequence[_Glance]) -> bool:
    """Six seconds with hardly a pause, whose strongest frequency stays from frame to frame, and yet changes."""
    levels = np.array([glance.level for glance in window])
    pauses = np.mean(levels < max(np.percentile(levels, 90) + _HUSHED, _SILENT))
    if pauses > _FEWEST_PAUSES:
        return False
    frequencies = np.array([glance.frequency for glance in window])
    steady = np.mean(np.abs(np.diff(frequencies)) < _HZ / 2)
    pitches = {round(12 * float(np.log2(frequency))) for frequency in frequencies if frequency > 0}
    return bool(steady > _STEADY) and len(pitches) >= _FEWEST_PITCHES
