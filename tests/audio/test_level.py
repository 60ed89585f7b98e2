"""Levels of tones whose level is known, and the meter's memory."""

import numpy as np
import pytest

from sipagent.audio import g711
from sipagent.audio.comfort import noise
from sipagent.audio.encoding import ENCODINGS, encode, rate
from sipagent.audio.level import SILENT, VoiceMeter, are_loud, level
from sipagent.audio.tones import sine


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("peak", [-1.0, -20.0, -40.0])
def test_a_sine_is_three_db_below_its_peak(encoding: str, peak: float) -> None:
    tone = encode(sine(1004, rate(encoding), level=peak, rate=rate(encoding)), encoding)
    assert level(tone, encoding) == pytest.approx(peak - 3.01, abs=0.3)


def test_silence_has_a_floor() -> None:
    assert level(b"", "pcmu") == SILENT
    assert level(b"\xff" * 160, "pcmu") == SILENT


def test_the_meter_hears_through_the_quiet_end_of_a_word() -> None:
    meter = VoiceMeter(threshold=-45.0, hangover=3)
    loud = g711.encode(sine(300, 160, level=-20), "pcmu")
    quiet = noise(0, "pcmu")
    frames = [quiet, loud, quiet, quiet, quiet, quiet, loud]
    assert [meter.hear(frame, "pcmu") for frame in frames] == [False, True, True, True, True, False, True]


def test_the_meter_does_not_hear_a_whisper_of_noise() -> None:
    hiss = (np.random.default_rng(1).standard_normal(160) * 32768 * 10 ** (-50 / 20)).astype(np.int16)
    assert not VoiceMeter().hear(g711.encode(hiss, "pcma"), "pcma")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_meter_agrees_with_the_level_however_the_power_is_spread(encoding: str) -> None:
    chance = np.random.default_rng(7)
    verdicts = set()
    for _ in range(300):
        sound = chance.standard_normal(rate(encoding) // 50) * 32768 * 10 ** (chance.uniform(-60, -35) / 20)
        sound[chance.random(len(sound)) < chance.choice([0.0, 0.5, 0.98])] = 0
        frame = encode(np.clip(sound, -32768, 32767).astype(np.int16), encoding)
        verdict = VoiceMeter(threshold=-45.0).hear(frame, encoding)
        assert verdict == (level(frame, encoding) > -45.0)
        verdicts.add(verdict)
    assert verdicts == {False, True}


@pytest.mark.parametrize("encoding", ["pcmu", "pcma"])
def test_many_frames_are_told_as_one_meter_each_would_tell_them(encoding: str) -> None:
    chance = np.random.default_rng(8)
    levels = 10 ** (chance.uniform(-60, -35, (400, 1)) / 20)
    sound = chance.standard_normal((400, 160)) * 32768 * levels
    sound[chance.random(sound.shape) < chance.choice([0.0, 0.5, 0.98], (400, 1))] = 0
    frames = [g711.encode(one, encoding) for one in np.clip(sound, -32768, 32767).astype(np.int16)]
    verdicts = are_loud(np.frombuffer(b"".join(frames), np.uint8).reshape(-1, 160), encoding).tolist()
    assert verdicts == [VoiceMeter().hear(frame, encoding) for frame in frames]
    assert set(verdicts) == {False, True}
