"""The ears: when speech starts, pauses and stops, on a clock of samples."""

import numpy as np
import pytest

from sipagent.audio import g711
from sipagent.local.ears import Change, Ears, Samples, SpeechPaused, SpeechStarted, SpeechStopped, TurnDetection
from tests.local.wire import said


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * 8000), np.int16)


def sentence() -> Samples:
    return g711.decode(said("What are your opening hours?"), g711.PCMU)


def hear(ears: Ears, *parts: Samples) -> list[Change]:
    """Let the ears hear the parts in blocks of 20 ms."""
    audio = np.concatenate(parts)
    return [change for start in range(0, len(audio), 160) for change in ears.hear(audio[start : start + 160], 8000)]


def test_a_turn_starts_pauses_and_stops() -> None:
    ears = Ears()
    ears.turn_detection = TurnDetection(prefix_padding_ms=200, silence_duration_ms=600)
    started, paused, stopped = hear(ears, silence(1), sentence(), silence(1.5))
    assert isinstance(started, SpeechStarted)
    assert isinstance(paused, SpeechPaused)
    assert isinstance(stopped, SpeechStopped)
    assert started.audio_ms == pytest.approx(800, abs=120)
    assert stopped.audio_ms == pytest.approx(1000 + len(sentence()) // 8 + 600, abs=250)
    assert len(stopped.audio) // 16 == pytest.approx(stopped.audio_ms - started.audio_ms, abs=1)
    assert len(paused.audio) < len(stopped.audio)


def test_a_short_pause_does_not_end_the_turn() -> None:
    changes = hear(Ears(), silence(0.5), sentence(), silence(0.3), sentence(), silence(1))
    assert [type(change) for change in changes].count(SpeechStarted) == 1
    assert isinstance(changes[-1], SpeechStopped)
    assert len(changes[-1].audio) / 16000 > 2 * len(sentence()) / 8000


@pytest.mark.parametrize("frequency", [440.0, 1000.0])
def test_a_tone_is_no_speech(frequency: float) -> None:
    tone = (8000 * np.sin(2 * np.pi * frequency * np.arange(16000) / 8000)).astype(np.int16)
    assert hear(Ears(), tone) == []


def test_without_turn_detection_all_audio_is_kept_for_the_commit() -> None:
    ears = Ears()
    ears.turn_detection = None
    assert hear(ears, silence(0.5), sentence(), silence(1)) == []
    expected = 1500 + len(sentence()) // 8
    assert ears.buffered_ms == pytest.approx(expected, abs=1)
    assert len(ears.take()) // 16 == pytest.approx(expected, abs=32)
    assert ears.buffered_ms < 32


def test_with_it_only_the_padding_is_kept_while_nobody_speaks() -> None:
    ears = Ears()
    hear(ears, silence(10))
    assert ears.audio_ms == pytest.approx(10_000, abs=32)
    assert ears.buffered_ms < 500


def test_wide_band_audio_may_be_cut_anywhere() -> None:
    ears = Ears()
    ears.turn_detection = None
    for _ in range(100):
        list(ears.hear(np.zeros(481, np.int16), 24000))
    assert ears.buffered_ms == 100 * 481 // 24
