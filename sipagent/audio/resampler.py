"""Change the sample rate of live audio: libswresample by way of av, 1 to 2 ms behind, and no bursts.

Whole recordings are better served by `audio.resample`, which delays nothing.
"""

import numpy as np

from sipagent.audio.g711 import Samples
from sipagent.audio.libav import AudioFrame, AudioResampler

_WARM_UP = 50
"""Silence of this part of a second, after which libswresample gives as much as it takes, whatever the pieces."""


class Resampler:
    """One stream, mono, at multiples of 8000 Hz. A piece of whole units of 1/8000 s comes out as long as it went in."""

    __slots__ = ("_source", "_swr")

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._swr = AudioResampler(format="s16", layout="mono", rate=target)
        self.convert(np.zeros(source // _WARM_UP, np.int16))

    def convert(self, samples: Samples) -> Samples:
        """Take the next samples at the one rate; returns them at the other."""
        if not len(samples):
            return samples
        frame = AudioFrame(format="s16", layout="mono", samples=len(samples))
        frame.sample_rate = self._source
        frame.planes[0].update(samples.tobytes())
        made = [np.frombuffer(memoryview(out.planes[0]), np.int16, out.samples) for out in self._swr.resample(frame)]
        return made[0] if len(made) == 1 else np.concatenate(made)
