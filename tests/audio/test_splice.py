"""Splicing: a frame out of more or less than 20 ms, whose seam nobody hears."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio import g711
from sipagent.audio.comfort import noise
from sipagent.audio.encoding import ENCODINGS, encode, rate, width
from sipagent.audio.splice import SEAM, Splicer
from sipagent.testing.voice import vowel

FORWARD, BACK = range(40, 121), range(-120, -39)


def spoken(pitch: float, encoding: str = "pcmu") -> bytes:
    return encode(vowel(pitch, 600 * rate(encoding) // 8000, rate=rate(encoding)), encoding)


@pytest.mark.parametrize("encoding", ["pcmu", "pcm"])
@pytest.mark.parametrize("shifts", [FORWARD, BACK], ids=["forward", "back"])
@pytest.mark.parametrize("pitch", [80, 100, 125, 160, 200])
def test_a_vowel_moves_by_a_period_of_its_pitch(pitch: int, shifts: range, encoding: str) -> None:
    spliced = Splicer(encoding).splice(spoken(pitch, encoding), 160, shifts)
    period = g711.RATE / pitch
    assert min(abs(abs(spliced.shift) - count * period) for count in (1, 2, 3)) <= 1
    assert spliced.likeness > 0.9


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shifts", [FORWARD, BACK], ids=["forward", "back"])
def test_a_frame_goes_over_from_one_place_to_the_other(shifts: range, encoding: str) -> None:
    audio, unit = spoken(100, encoding), width(encoding)
    spliced = Splicer(encoding).splice(audio, 160, shifts)
    start = 160 + spliced.shift
    assert len(spliced.frame) == 160 * unit
    assert spliced.frame[0] == audio[160 * unit]
    assert spliced.frame[SEAM * unit :] == audio[(start + SEAM) * unit : (start + 160) * unit]


@settings(deadline=None)
@given(st.floats(66, 200), st.sampled_from([FORWARD, BACK]), st.integers(130, 300))
def test_a_seam_in_speech_does_not_click(pitch: float, shifts: range, at: int) -> None:
    audio = spoken(pitch)
    spliced = Splicer("pcmu").splice(audio, at, shifts)
    end = at + 160 + spliced.shift
    played = g711.decode(audio[:at] + spliced.frame + audio[end:], "pcmu").astype(int)
    said = g711.decode(audio, "pcmu").astype(int)
    assert np.abs(np.diff(played)).max() <= 1.3 * np.abs(np.diff(said)).max()


def test_different_sounds_have_little_likeness() -> None:
    audio = g711.encode(np.random.default_rng(1).integers(-9000, 9000, 600).astype(np.int16), "pcmu")
    assert Splicer("pcmu").splice(audio, 160, FORWARD).likeness < 0.6


def test_silence_can_be_spliced_too() -> None:
    silent = g711.SILENCE["pcmu"] * 600
    assert Splicer("pcmu").splice(silent, 160, range(160, 161)) == (silent[:160], 160, 0.0)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_quiet_can_be_left_out(encoding: str) -> None:
    splicer = Splicer(encoding)
    assert splicer.is_quiet(noise(1, encoding))
    assert not splicer.is_quiet(spoken(100, encoding)[: 160 * width(encoding)])
