"""Recordings of every usual rate end up at 8000 Hz: the band kept, the rest gone."""

import numpy as np
import pytest

from sipagent.audio.resample import resample
from sipagent.audio.tones import sine

RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [300, 1000, 3000])
def test_a_tone_in_the_band_stays_what_it_is(rate: int, frequency: int) -> None:
    got = resample(sine(frequency, rate, rate=rate), rate, 8000)
    want = sine(frequency, 8000)
    assert len(got) == 8000
    error = got[400:-400].astype(float) - want[400:-400]
    assert np.sqrt(np.mean(error**2)) < 10


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_a_tone_above_the_band_is_gone(rate: int) -> None:
    got = resample(sine(5000, rate, rate=rate, level=0.0), rate, 8000)
    assert np.abs(got[400:-400]).max() <= 4


def test_going_up_makes_no_images() -> None:
    got = resample(sine(1000, 8000), 8000, 24000)
    error = got[1200:-1200].astype(float) - sine(1000, 24000, rate=24000)[1200:-1200]
    assert np.sqrt(np.mean(error**2)) < 10


def test_full_scale_does_not_wrap() -> None:
    square = np.where(np.arange(16000) % 160 < 80, 32767, -32768).astype(np.int16)
    got = resample(square, 16000, 8000).astype(int)
    assert got[5:35].min() > 25000
    assert got[45:75].max() < -25000


@pytest.mark.parametrize("samples", [0, 1, 7])
def test_very_short_recordings(samples: int) -> None:
    assert len(resample(np.zeros(samples, np.int16), 16000, 8000)) == (samples + 1) // 2
