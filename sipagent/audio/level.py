"""How loud audio is. That of G.711 is not decoded for it: one table look-up a sample.

0 dBFS is the power of a full-scale square wave (RMS 32768); a full-scale sine is at -3 dBFS, telephone speech near -25.
"""

from functools import cache
from math import log10

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import g711
from sipagent.audio.encoding import FRAME, PCM

SILENT = -96.0
"""What `level` says of nothing at all, and of digital zero: the floor of 16 bits."""

VOICED = -45.0
"""In dBFS: what is louder is more than silence."""
HANGOVER = 10
"""Frames after a loud one that are voiced too."""

_POWER = {
    encoding: np.square(g711.decode(bytes(range(256)), encoding) / 32768.0) for encoding in (g711.PCMU, g711.PCMA)
}
"""The power of each code of G.711, 1.0 being full scale. Sums of them are exact in any order."""


def power(payload: bytes, encoding: str) -> float:
    """Return the mean power of audio, 1.0 being full scale; 0.0 for no audio."""
    if not payload:
        return 0.0
    if encoding == PCM:
        samples = np.frombuffer(payload, "<i2") * np.float32(1 / 32768)
        return float(samples @ samples) / len(samples)
    return float(np.add.reduce(_POWER[encoding].take(np.frombuffer(payload, np.uint8)))) / len(payload)


def level(payload: bytes, encoding: str) -> float:
    """Return the level of audio in dBFS, never below -96."""
    mean = power(payload, encoding)
    return max(SILENT, 10 * log10(mean)) if mean > 0.0 else SILENT


class VoiceMeter:
    """Says of each frame whether there is more than silence in it. A level meter, not a voice detector.

    A frame above `threshold` dBFS is voiced, and so are the `hangover` frames after it: words have quiet ends.
    """

    __slots__ = ("_hangover", "_threshold", "left")

    def __init__(self, *, threshold: float = VOICED, hangover: int = HANGOVER) -> None:
        self._threshold: float = 10 ** (threshold / 10)
        self._hangover = hangover
        self.left = 0
        """Frames that are voiced yet, however quiet they are."""

    def hear(self, frame: bytes, encoding: str) -> bool:
        """Take a frame of 20 ms; returns whether it is voiced."""
        if self._is_loud(frame, encoding):
            self.left = self._hangover
            return True
        voiced = self.left > 0
        self.left -= voiced
        return voiced

    def _is_loud(self, frame: bytes, encoding: str) -> bool:
        """Compare with the threshold. Most frames of G.711 need no sum: no sample is above it, or one is above all."""
        if encoding != PCM:
            faint, loud = _bounds(self._threshold, encoding)
            rest = frame.translate(None, faint)
            if not rest:
                return False
            if len(rest.translate(None, loud)) < len(rest):
                return True
        return power(frame, encoding) > self._threshold


def are_loud(frames: NDArray[np.uint8], encoding: str) -> NDArray[np.bool_]:
    """Tell of many frames of G.711, [frames, 160], whether each is louder than `VOICED`, as a `VoiceMeter` does."""
    threshold = 10 ** (VOICED / 10)
    highest = np.frombuffer(frames.tobytes().translate(_ranks(threshold, encoding)), np.uint8).reshape(-1, FRAME).max(1)
    loud: NDArray[np.bool_] = highest == 2
    uncertain = np.flatnonzero(highest == 1)
    if len(uncertain):
        loud[uncertain] = _POWER[encoding][frames[uncertain]].sum(1) / FRAME > threshold
    return loud


@cache
def _ranks(threshold: float, encoding: str) -> bytes:
    """Return for each code 0 if it is not above a power, 2 if it alone brings a frame above it, else 1."""
    faint, loud = _bounds(threshold, encoding)
    return bytes(0 if code in faint else 2 if code in loud else 1 for code in range(256))


@cache
def _bounds(threshold: float, encoding: str) -> tuple[bytes, bytes]:
    """Return the codes that are not above a power, and those of which one alone brings a frame above it."""
    powers = _POWER[encoding]
    codes = np.arange(256, dtype=np.uint8)
    return codes[powers <= threshold].tobytes(), codes[powers > threshold * FRAME].tobytes()
