"""Keys in the audio: every one that ITU-T Q.24 wants heard, and none in speech, music or noise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio import g711, tones
from sipagent.audio.dtmf import KeyTone, ToneDetector
from sipagent.audio.encoding import ENCODINGS, FRAME, convert, width
from sipagent.audio.wav import read
from sipagent.testing.voice import vowel

DIGITS = "0123456789*#ABCD"
SILENCE = np.zeros(800, np.int16)


def key(
    digit: str, ms: int, *, low: float = -12.0, high: float = -12.0, low_off: float = 0.0, high_off: float = 0.0
) -> np.ndarray:
    """A key as a bad telephone sends it: levels in dB below full scale, frequencies off by a part of them."""
    frequencies = tones.DTMF[digit]
    return tones.sine(frequencies[0] * (1 + low_off), ms * 8, level=low) + tones.sine(
        frequencies[1] * (1 + high_off), ms * 8, level=high
    )


def heard(*sounds: np.ndarray, shift: int = 0, encoding: str = "pcmu") -> list[KeyTone]:
    samples = np.concatenate([SILENCE, SILENCE[:shift], *sounds, SILENCE])
    audio = convert(g711.encode(samples.astype(np.int16), "pcmu"), "pcmu", encoding)
    detector, size = ToneDetector(), FRAME * width(encoding)
    frames = [audio[start : start + size] for start in range(0, len(audio) - size + 1, size)]
    return [press for frame in frames if (press := detector.hear(frame, encoding)) is not None]


def digits(*sounds: np.ndarray, shift: int = 0) -> str:
    return "".join(press.digit for press in heard(*sounds, shift=shift))


# ---- what is a key


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_sixteen_keys(encoding: str) -> None:
    presses = heard(*(part for digit in DIGITS for part in (key(digit, 80), SILENCE)), encoding=encoding)
    assert "".join(press.digit for press in presses) == DIGITS
    assert all(60 <= press.duration_ms <= 100 for press in presses)


@settings(deadline=None)
@given(st.sampled_from(DIGITS), st.integers(0, 159), st.integers(40, 300))
def test_a_key_of_40_ms_or_more_is_heard_once_wherever_it_begins(digit: str, shift: int, ms: int) -> None:
    assert digits(key(digit, ms), shift=shift) == digit


@settings(deadline=None)
@given(st.sampled_from(DIGITS), st.floats(-0.015, 0.015), st.floats(-0.015, 0.015), st.integers(0, 159))
def test_its_frequencies_may_be_off_by_one_and_a_half_percent(digit: str, low: float, high: float, shift: int) -> None:
    assert digits(key(digit, 70, low_off=low, high_off=high), shift=shift) == digit


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize(("low", "high"), [(-9, -15), (-16, -11), (-30, -30), (-7, -7)])
def test_its_tones_may_be_of_different_strength_and_faint(digit: str, low: float, high: float) -> None:
    assert digits(key(digit, 70, low=low, high=high)) == digit


@pytest.mark.parametrize("shift", range(0, 160, 20))
def test_the_same_key_twice_40_ms_apart_is_two_presses(shift: int) -> None:
    assert digits(key("5", 60), SILENCE[:320], key("5", 60), shift=shift) == "55"


@pytest.mark.parametrize("shift", range(0, 160, 20))
def test_a_gap_of_10_ms_does_not_split_a_press(shift: int) -> None:
    assert digits(key("5", 60), SILENCE[:80], key("5", 60), shift=shift) == "5"


def test_a_key_is_heard_over_a_noisy_line() -> None:
    noise = np.random.default_rng(4).normal(0, 600, 800).astype(np.int16)
    assert digits(key("7", 100) + noise) == "7"


# ---- what is none


@settings(deadline=None)
@given(st.sampled_from(DIGITS), st.integers(0, 159), st.integers(1, 22))
def test_a_blip_of_less_than_23_ms_is_no_key(digit: str, shift: int, ms: int) -> None:
    assert digits(key(digit, ms), shift=shift) == ""


@pytest.mark.parametrize("off", [-0.05, -0.04, 0.04, 0.05])
@pytest.mark.parametrize("digit", "159D")
def test_tones_that_are_far_off_are_no_key(digit: str, off: float) -> None:
    assert digits(key(digit, 100, low_off=off, high_off=off)) == ""


@pytest.mark.parametrize("frequency", [350, 425, 440, 697, 941, 1209, 1633])
def test_one_tone_is_no_key(frequency: int) -> None:
    assert digits(tones.sine(frequency, 4000, level=-12)) == ""


def test_dial_tone_and_noise_are_no_keys() -> None:
    noise = np.random.default_rng(5).normal(0, 4000, 16000).astype(np.int16)
    assert digits(tones.sine(350, 8000, level=-12) + tones.sine(440, 8000, level=-12), noise) == ""


@settings(deadline=None)
@given(st.floats(70, 350), st.floats(-0.3, 0.5))
def test_a_sung_vowel_is_no_key(pitch: float, glide: float) -> None:
    assert digits(vowel(pitch, 6000, glide=glide)) == ""


@pytest.mark.corpora
def test_three_minutes_of_human_speech_hold_no_key_however_loud(corpora: Path) -> None:
    recordings = sorted((corpora / "speech").rglob("*.wav"))
    assert len(recordings) > 30
    for path in recordings:
        speech = read(path.read_bytes()).mono()
        loud = np.clip(speech * 2.5, -32768, 32767).astype(np.int16)
        assert digits(speech, loud) == "", path.name
