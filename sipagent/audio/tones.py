"""Tones: sines, the sixteen digits of DTMF (ITU-T Q.23) and the ringing tone, for in-band digits, clips and tests."""

import numpy as np

from sipagent.audio import g711

_LOW = (697, 770, 852, 941)
_HIGH = (1209, 1336, 1477, 1633)
DTMF = {
    digit: (low, high)
    for low, row in zip(_LOW, ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, digit in zip(_HIGH, row, strict=True)
}
"""The two frequencies of each digit, in Hz."""


def sine(frequency: float, samples: int, *, level: float = -10.0, rate: int = g711.RATE) -> g711.Samples:
    """Make a sine of so many samples; `level` is its peak in dB below full scale."""
    phase = 2 * np.pi * frequency * np.arange(samples) / rate
    return np.round(np.sin(phase) * 32767 * 10 ** (level / 20)).astype(np.int16)


def dtmf(digit: str, samples: int, *, level: float = -10.0, rate: int = g711.RATE) -> g711.Samples:
    """Make one DTMF digit (`0`-`9`, `*`, `#`, `A`-`D`), both tones at `level`. Raises KeyError for anything else."""
    low, high = DTMF[digit]
    return sine(low, samples, level=level, rate=rate) + sine(high, samples, level=level, rate=rate)


def ringback(rate: int = g711.RATE) -> g711.Samples:
    """Make one period of the ringing tone that a caller hears: 425 Hz for 1 s, then 3 s of quiet (ITU-T E.180)."""
    return np.concatenate([sine(425, rate, level=-16.0, rate=rate), np.zeros(3 * rate, np.int16)])
