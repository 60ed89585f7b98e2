"""What audio inside the house is encoded in: `pcmu` and `pcma` (G.711), and `pcm` for wideband calls.

`pcm` is linear, 16 bits, little-endian, mono, 24,000 samples a second: what OpenAI and Cartesia take as it is.

Time is counted alike in all of them: positions, marks and durations are in units of 1/8000 s, of which 160 are a frame
of 20 ms. A unit takes `width` bytes; audio is always a whole number of units.
"""

import numpy as np

from sipagent.audio import g711
from sipagent.audio.g711 import Samples
from sipagent.audio.resample import resample
from sipagent.audio.resampler import Resampler

PCMU, PCMA = g711.PCMU, g711.PCMA
PCM = "pcm"
ENCODINGS = (PCMU, PCMA, PCM)

UNITS = 8000
"""A second."""
FRAME = 160
"""Units in 20 ms: what one tick plays and hears."""

_SAMPLES_A_UNIT = {PCMU: 1, PCMA: 1, PCM: 3}
_WIDTH = {PCMU: 1, PCMA: 1, PCM: 6}


def width(encoding: str) -> int:
    """Return the bytes of one unit."""
    return _WIDTH[encoding]


def rate(encoding: str) -> int:
    """Return the samples a second."""
    return UNITS * _SAMPLES_A_UNIT[encoding]


def duration(audio: bytes, encoding: str) -> int:
    """Return how many units this is; what is less than one at its end does not count."""
    return len(audio) // _WIDTH[encoding]


def silence(encoding: str, units: int) -> bytes:
    """Return audio of the smallest step there is, or of none."""
    return bytes(_WIDTH[encoding] * units) if encoding == PCM else g711.SILENCE[encoding] * units


def decode(audio: bytes, encoding: str) -> Samples:
    """Expand to linear samples at `rate(encoding)`."""
    return np.frombuffer(audio, "<i2") if encoding == PCM else g711.decode(audio, encoding)


def encode(samples: Samples, encoding: str) -> bytes:
    """Compress linear samples at `rate(encoding)`."""
    return samples.astype("<i2", copy=False).tobytes() if encoding == PCM else g711.encode(samples, encoding)


def convert(audio: bytes, source: str, target: str) -> bytes:
    """Say a whole recording in another encoding; it stays as long as it is. Not for audio that comes in pieces."""
    if PCM in (source, target) and source != target:
        return encode(resample(decode(audio, source), rate(source), rate(target)), target)
    return g711.transcode(audio, source, target)


class Transcoder:
    """Says one stream of audio in another encoding, piece by piece: each comes out as long as it went in.

    Between the two laws of G.711 it is a table. Where the rate changes the audio comes out 2 ms late.
    """

    __slots__ = ("_resampler", "_way")

    def __init__(self) -> None:
        self._way: tuple[str, str] | None = None
        self._resampler: Resampler | None = None

    def convert(self, audio: bytes, source: str, target: str) -> bytes:
        """Take the next piece of the stream. Another `source` or `target` than before begins a new stream."""
        if source == target:
            return audio
        if PCM not in (source, target):
            return g711.transcode(audio, source, target)
        if self._resampler is None or (source, target) != self._way:
            self._way = source, target
            self._resampler = Resampler(rate(source), rate(target))
        return encode(self._resampler.convert(decode(audio, source)), target)
