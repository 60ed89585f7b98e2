"""Tones have their frequencies and nothing else."""

import numpy as np
import pytest

from sipagent.audio.tones import DTMF, dtmf, sine


def loudest(samples: np.ndarray, count: int) -> set[int]:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8000))
    peaks = [n for n in range(1, 3999) if spectrum[n - 1] < spectrum[n] >= spectrum[n + 1]]
    return set(sorted(peaks, key=lambda n: spectrum[n])[-count:])


@pytest.mark.parametrize("digit", list(DTMF))
def test_a_digit_is_its_two_tones(digit: str) -> None:
    found = sorted(loudest(dtmf(digit, 1600), 2))
    assert found == pytest.approx(DTMF[digit], abs=2)


def test_two_tones_of_the_default_level_do_not_clip() -> None:
    assert np.abs(dtmf("5", 8000).astype(int)).max() < 32767


def test_a_sine_has_the_peak_it_was_asked_for() -> None:
    assert np.abs(sine(1000, 8000, level=-6.0).astype(int)).max() == pytest.approx(32767 * 10**-0.3, abs=20)
