"""Ears for the line itself: ringback, busy, beeps and music are told, speech and noise are not."""

from pathlib import Path

import numpy as np
import pytest

from sipagent.audio import g711, tones
from sipagent.audio.encoding import encode, rate, width
from sipagent.audio.progress import ProgressEars, Sign
from sipagent.audio.resample import resample
from sipagent.audio.wav import read
from sipagent.testing.voice import vowel

Sound = np.ndarray


def tone(seconds: float, *frequencies: float, level: float = -16.0) -> Sound:
    samples = round(seconds * g711.RATE)
    return np.asarray(sum(tones.sine(frequency, samples, level=level) for frequency in frequencies))


def quiet(seconds: float) -> Sound:
    return np.zeros(round(seconds * g711.RATE))


def noise(seconds: float, strength: float = 3000.0) -> Sound:
    return np.random.default_rng(1).normal(0, strength, round(seconds * g711.RATE))


def speech(seconds: float) -> Sound:
    """Hisses and gliding vowels with pauses between them: nobody's words, but their manner."""
    words = [(noise(0.1, 900.0), vowel(pitch, 2000, glide=0.5), quiet(0.12)) for pitch in (110, 130, 95, 120, 105)]
    return np.resize(np.concatenate([part for word in words for part in word]), round(seconds * g711.RATE))


def tune(chords: int) -> Sound:
    """Half a second each of three decaying notes with their overtones."""
    random = np.random.default_rng(2)
    time = np.arange(g711.RATE // 2) / g711.RATE
    return np.concatenate([_chord(220 * 2 ** (random.integers(0, 24, 3) / 12), time) for _ in range(chords)])


def _chord(frequencies: Sound, time: Sound) -> Sound:
    notes = [np.sin(2 * np.pi * f * order * time) / order for f in frequencies for order in (1, 2, 3)]
    return np.asarray(3000 * np.exp(-2 * time) * np.sum(notes, axis=0))


def told(*sounds: Sound, encoding: str = "pcmu") -> list[tuple[Sign, float]]:
    """What is told, and after how many seconds."""
    samples = np.clip(np.concatenate(sounds), -32768, 32767).astype(np.int16)
    audio, ears = encode(resample(samples, g711.RATE, rate(encoding)), encoding), ProgressEars()
    size = 160 * width(encoding)
    signs = [ears.hear(audio[start : start + size], encoding) for start in range(0, len(audio) - size + 1, size)]
    return [(sign, number * 0.02) for number, sign in enumerate(signs) if sign is not None]


def signs(*sounds: Sound, encoding: str = "pcmu") -> list[Sign]:
    return [sign for sign, _ in told(*sounds, encoding=encoding)]


@pytest.mark.parametrize("encoding", ["pcmu", "pcma", "pcm"])
@pytest.mark.parametrize(
    "period",
    [
        [tone(1.0, 425), quiet(4.0)],
        [tone(1.0, 425), quiet(3.0)],
        [tone(2.0, 440, 480), quiet(4.0)],
        [tone(0.4, 400, 450), quiet(0.2), tone(0.4, 400, 450), quiet(2.0)],
        [tone(1.5, 440), quiet(3.5)],
    ],
    ids=["Germany", "Poland", "USA", "United Kingdom", "France"],
)
def test_ringback_is_told_once_when_it_rings_again(period: list[Sound], encoding: str) -> None:
    length = sum(len(part) for part in period) / g711.RATE
    heard = told(*period * 4, encoding=encoding)
    assert [sign for sign, _ in heard] == [Sign.RINGBACK]
    assert length <= heard[0][1] <= length + 0.4


@pytest.mark.parametrize(
    "period",
    [
        [tone(0.48, 425), quiet(0.48)],
        [tone(0.5, 480, 620), quiet(0.5)],
        [tone(0.25, 480, 620), quiet(0.25)],
        [tone(0.375, 400), quiet(0.375)],
        [tone(0.24, 425), quiet(0.24)],
    ],
    ids=["Germany", "USA", "USA, congestion", "United Kingdom", "Germany, congestion"],
)
def test_busy_is_told_once_at_its_third_tone(period: list[Sound]) -> None:
    heard = told(*period * 8)
    assert [sign for sign, _ in heard] == [Sign.BUSY]
    assert heard[0][1] <= 3 * sum(len(part) for part in period) / g711.RATE


@pytest.mark.parametrize("frequency", [440, 800, 1000, 1400, 2000])
@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.2])
def test_the_beep_of_a_machine_is_told_when_it_is_over(frequency: float, seconds: float) -> None:
    heard = told(speech(3.0), quiet(0.3), tone(seconds, frequency), quiet(1.0))
    assert [sign for sign, _ in heard] == [Sign.BEEP]
    assert heard[0][1] == pytest.approx(3.3 + seconds + 0.3, abs=0.05)


@pytest.mark.parametrize("offset", [0.003, 0.01, 0.017])
def test_a_beep_that_fades_and_begins_in_the_midst_of_a_frame_is_told(offset: float) -> None:
    beep = tone(0.45, 700) * np.minimum(1, np.linspace(15, 0, 3600))
    assert signs(speech(3.0), quiet(0.2 + offset), beep, quiet(1.0)) == [Sign.BEEP]


def test_each_beep_is_told() -> None:
    beep = [speech(2.0), tone(0.4, 1000), quiet(0.5)]
    assert signs(*beep, *beep) == [Sign.BEEP, Sign.BEEP]


def test_music_is_told_after_six_seconds_of_it() -> None:
    heard = told(tune(20))
    assert [sign for sign, _ in heard] == [Sign.MUSIC]
    assert heard[0][1] == pytest.approx(6.0, abs=0.3)


def test_a_call_from_its_first_ring_to_the_beep() -> None:
    ring = [tone(1.0, 425), quiet(4.0)]
    assert signs(*ring, *ring, speech(4.0), tone(0.5, 1000), quiet(1.0)) == [Sign.RINGBACK, Sign.BEEP]


@pytest.mark.parametrize(
    "sounds",
    [
        [quiet(10.0)],
        [noise(10.0)],
        [noise(10.0, 300.0)],
        [speech(12.0)],
        [tone(10.0, 350, 440)],
        [quiet(1.0), tone(0.5, 1000), quiet(2.0)],
        [tone(1.0, 425), quiet(4.0)],
        [speech(2.0), tone(0.06, 1000), quiet(1.0)],
        [speech(2.0), tone(0.16, 355), noise(0.4, 3000.0), speech(1.0)],
        [quiet(6.0), speech(0.5), quiet(8.0), speech(0.5), quiet(8.0)],
        [noise(6.0, 20.0), speech(0.5), noise(8.0, 20.0)],
    ],
    ids=[
        *("silence", "noise", "faint noise", "speech", "dial tone", "a tone nobody spoke before", "one ring", "a blip"),
        *("an even vowel in the midst of a word", "a word now and then", "a word in the hiss of a line"),
    ],
)
def test_what_means_nothing_is_not_told(sounds: list[Sound]) -> None:
    assert signs(*sounds) == []


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("strength", "encoding"),
    [(0, "pcmu"), (60, "pcmu"), (600, "pcmu"), (60, "pcm")],
    ids=["clean", "a little noise", "much noise", "wideband"],
)
def test_three_minutes_of_human_speech_are_nothing_but_speech(corpora: Path, strength: float, encoding: str) -> None:
    recordings = [read(path.read_bytes()).mono() for path in sorted((corpora / "speech").rglob("*.wav"))]
    everything = np.concatenate(recordings)
    assert signs(everything + noise(len(everything) / g711.RATE, strength), encoding=encoding) == []
