"""Comfort noise: what a line sounds like while nobody speaks, so that it never seems dead.

Quiet, not silent: about -65 dBFS, and never the code of zero, which some gateways take for a broken stream.
The noise is a constant: one second computed at import, the same on every machine, so a replay sends the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

from sipagent.audio.encoding import ENCODINGS, PCMU, encode, rate

LEVEL = -65.0
"""Of the noise, in dBFS."""
_FAINTEST, _LOUDEST = -96.0, -30.0
"""Bounds of a level that somebody else asks for; nothing louder comforts anybody."""
FRAMES = 50
"""Frames after which the noise begins anew."""


def noise(tick: int, encoding: str, level: float = LEVEL) -> bytes:
    """Return the 20 ms of comfort noise that belong to a tick; `level`, in dBFS, is heard between -96 and -30."""
    frame = _NOISE[encoding][tick % FRAMES]
    if level == LEVEL:
        return frame
    gain = 10 ** ((min(max(level, _FAINTEST), _LOUDEST) - LEVEL) / 20)
    hiss = _HISS[rate(encoding)][tick % FRAMES] * gain
    return encode(np.round(hiss).astype(np.int16), encoding)


def _hash(number: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble a counter: the finaliser of SplitMix64 (Steele, Lea, Flood 2014), which passes for white."""
    number = (number ^ number >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ number >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return number ^ number >> np.uint64(31)


def _hiss(samples: int) -> NDArray[np.float64]:
    """One second of noise in frames, near enough to Gaussian: four uniform draws of 16 bits a sample, summed."""
    counter = np.arange(1, samples + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    draws = _hash(counter).view(np.uint16).reshape(-1, 4).astype(np.float64) / 65535 - 0.5
    hiss: NDArray[np.float64] = draws.sum(axis=1)
    scale: float = 32768 * 10 ** (LEVEL / 20) / float(hiss.std())
    return (hiss * scale).reshape(FRAMES, -1)


def _frames(encoding: str) -> tuple[bytes, ...]:
    """The noise as it is sent. In mu-law a zero of either sign becomes the smallest step of that sign."""
    frames = [encode(frame, encoding) for frame in np.round(_HISS[rate(encoding)]).astype(np.int16)]
    if encoding == PCMU:
        frames = [frame.translate(bytes.maketrans(b"\xff\x7f", b"\xfe\x7e")) for frame in frames]
    return tuple(frames)


_HISS = {samples: _hiss(samples) for samples in map(rate, ENCODINGS)}
_NOISE = {encoding: _frames(encoding) for encoding in ENCODINGS}
