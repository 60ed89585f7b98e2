"""A voice without a recording: a sung vowel, the same on every machine."""

import numpy as np

from sipagent.audio import g711


def vowel(pitch: float, samples: int, *, glide: float = 0.0, rate: int = g711.RATE) -> g711.Samples:
    """Sing: the harmonics of `pitch` (Hz) under 3.4 kHz, strongest about 600 Hz; it may rise by `glide` a second."""
    time = np.arange(samples) / rate
    phase = 2 * np.pi * pitch * (time + glide * time**2 / 2)
    orders = range(1, int(3400 / (pitch * (1 + glide * samples / rate))) + 1)
    wave = sum((np.cos(order * phase + order**2) * _strength(order * pitch) for order in orders), np.zeros(samples))
    return np.asarray(wave * (12000 / np.abs(wave).max()), np.int16)


def _strength(frequency: float) -> float:
    return 1 / (1 + abs(frequency - 600) / 200)
