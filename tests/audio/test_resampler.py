"""Live resampling: as much out as in, 1 to 2 ms late, and nothing that was not there before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio.resampler import Resampler
from sipagent.audio.tones import sine

RATES = [(8000, 24000), (24000, 8000), (16000, 24000), (24000, 16000), (48000, 24000), (48000, 8000), (16000, 8000)]


def resampled(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """In frames of 20 ms."""
    resampler, frame = Resampler(source, target), source // 50
    return np.concatenate([resampler.convert(samples[at : at + frame]) for at in range(0, len(samples), frame)])


def spectrum(samples: np.ndarray) -> np.ndarray:
    """In dB below the strongest frequency, a bin a Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), len(samples))) ** 2
    return np.asarray(10 * np.log10(power / power.max() + 1e-12))


@given(st.lists(st.integers(0, 400), max_size=20), st.sampled_from(RATES))
@settings(deadline=None)
def test_a_piece_comes_out_as_long_as_it_went_in(units: list[int], rates: tuple[int, int]) -> None:
    source, target = rates
    resampler = Resampler(source, target)
    for length in units:
        made = resampler.convert(np.ones(length * source // 8000, np.int16))
        assert len(made) == length * target // 8000


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_click_comes_at_most_2_ms_later(source: int, target: int) -> None:
    pulse = np.zeros(source // 5, np.int16)
    pulse[source // 10 :][: source // 8000 * 4] = 20000
    made = resampled(pulse, source, target).astype(np.float64)
    moment = float((np.arange(len(made)) * made).sum() / made.sum()) / target
    assert 0.0005 < moment - 0.10025 < 0.0022


@pytest.mark.parametrize(("source", "target"), RATES)
def test_of_a_tone_comes_a_tone(source: int, target: int) -> None:
    made = spectrum(resampled(sine(1000, 2 * source, rate=source), source, target)[-target:])
    made[990:1011] = -120
    assert made.max() < -65


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    high = sine(5000, 24000, rate=24000)
    assert np.abs(resampled(high, 24000, 8000)[800:].astype(int)).max() < 20
