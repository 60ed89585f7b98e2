"""Change the sample rate of a whole recording: a windowed sinc, for files. Not for live audio, which must not wait."""

from math import gcd

import numpy as np

from sipagent.audio.g711 import Samples

_CROSSINGS = 24
"""Zero crossings of the sinc on each side: the length of the filter at the lower of the two rates."""
_ROLL_OFF = 0.94
"""Where the filter cuts, as a part of the lower Nyquist frequency: room for its slope."""
_BETA = 9.0
"""Of the Kaiser window: images and aliases under -80 dB."""
_BLOCK = 4096


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Convert a mono recording from one rate to another (both in Hz); its duration stays."""
    if source == target or not len(samples):
        return samples
    common = gcd(source, target)
    up, down = target // common, source // common
    filters = _filters(up, min(1.0, target / source))
    taps = filters.shape[1]
    padded = np.pad(samples.astype(np.float64), (taps // 2 - 1, taps // 2))
    if down == 1:  # each sample has all phases: a tenth of the work
        return _round(np.stack([np.correlate(padded, phase) for phase in filters], axis=1).ravel())
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    moment = np.arange(-(-len(samples) * up // down)) * down
    return np.concatenate(
        [
            _round(np.einsum("ij,ij->i", windows[block // up], filters[block % up]))
            for block in np.array_split(moment, -(-len(moment) // _BLOCK))
        ]
    )


def _filters(phases: int, bandwidth: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """One row of taps for each place that an output sample can have between two input samples."""
    half = int(np.ceil(_CROSSINGS / bandwidth))
    distance = np.arange(-half + 1, half + 1) - np.arange(phases)[:, None] / phases
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, 1))) / np.i0(_BETA)
    cut = bandwidth * _ROLL_OFF
    taps = cut * np.sinc(cut * distance) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True))


def _round(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Samples:
    return np.clip(np.round(values), -32768, 32767).astype(np.int16)
