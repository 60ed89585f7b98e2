"""Recordings: caller left, us right, of one rate whatever the codec, playable at every moment."""

import logging
import os
import resource
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from sipagent.audio import encoding, g711, wav
from sipagent.audio.tones import sine
from sipagent.media import Tape
from sipagent.recorder import Recorder
from sipagent.recorder.recorder import MOST_WAITING

LEFT = sine(440, 4000)
RIGHT = sine(1000, 4000, level=-20)
BOTH = pytest.mark.parametrize("name", ["call.wav", "call.ogg"])


def tape(law: str = "pcmu", received: g711.Samples = LEFT, sent: g711.Samples = RIGHT) -> Tape:
    return Tape(leg=1, encoding=law, received=encoding.encode(received, law), sent=encoding.encode(sent, law))


def wide_tape(*, left: float = 440, right: float = 1000) -> Tape:
    """Half a second of `pcm`: 24,000 samples a second."""
    received, sent = (wave_of(frequency, 24_000) for frequency in (left, right))
    return tape("pcm", received, sent)


def wave_of(frequency: float, rate: int) -> g711.Samples:
    return (4000 * np.sin(2 * np.pi * frequency * np.arange(rate // 2) / rate)).astype(np.int16)


def channels(path: Path, rate: int = 8000) -> np.ndarray:
    recording = wav.read(path.read_bytes())
    assert recording.rate == rate
    return recording.samples


def ogg_channels(path: Path) -> np.ndarray:
    """Rows of 48,000 samples a second: what every Opus decoder gives."""
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def recorded(path: Path, *tapes: Tape, stereo: bool = True, hd_audio: bool = False) -> None:
    recorder = Recorder(path, stereo=stereo, hd_audio=hd_audio)
    for each in tapes:
        recorder.write(each)
    recorder.close().result(5)


def test_the_caller_is_on_the_left_and_we_are_on_the_right(tmp_path: Path) -> None:
    recorded(tmp_path / "call.wav", tape(), tape("pcma"))
    left, right = channels(tmp_path / "call.wav")
    assert len(left) == 8000
    np.testing.assert_array_equal(left[:4000], g711.decode(g711.encode(LEFT, "pcmu"), "pcmu"))
    np.testing.assert_array_equal(right[4000:], g711.decode(g711.encode(RIGHT, "pcma"), "pcma"))


def test_ogg_opus_has_the_same_sides(tmp_path: Path) -> None:
    recorded(tmp_path / "call.ogg", *[tape()] * 4)
    left, right = ogg_channels(tmp_path / "call.ogg")
    assert len(left) == pytest.approx(96_000, abs=960)
    assert pitch(left[24_000:72_000], 48_000) == pytest.approx(440, abs=2)
    assert pitch(right[24_000:72_000], 48_000) == pytest.approx(1000, abs=2)
    assert (tmp_path / "call.ogg").stat().st_size < 20_000


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    recorded(tmp_path / "call.wav", tape())
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth(), file.getnframes()) == (2, 8000, 2, 4000)


def test_a_mono_recording_has_both_voices_and_does_not_wrap(tmp_path: Path) -> None:
    loud = np.full(4000, 30000, np.int16)
    recorded(tmp_path / "call.wav", tape(), tape(received=loud, sent=loud), stereo=False)
    (mixed,) = channels(tmp_path / "call.wav")
    spectrum = np.abs(np.fft.rfft(mixed[:4000], 8000))
    assert spectrum[440] > spectrum[1000] > 50 * spectrum[700]
    assert set(mixed[4000:]) == {32767}


def test_hd_audio_keeps_what_a_wideband_call_has_above_four_kilohertz(tmp_path: Path) -> None:
    recorded(tmp_path / "call.wav", *[wide_tape(left=6000)] * 2, hd_audio=True)
    left, right = channels(tmp_path / "call.wav", rate=24_000)
    assert (len(left), len(right)) == (24_000, 24_000)
    assert pitch(left, 24_000) == pytest.approx(6000, abs=2)


@BOTH
@pytest.mark.parametrize("hd_audio", [False, True])
def test_a_codec_that_changes_in_the_middle_changes_neither_pitch_nor_length(
    tmp_path: Path, name: str, hd_audio: bool
) -> None:
    tapes = [tape(), tape(), wide_tape(), wide_tape(), tape("pcma"), tape("pcma")]
    recorded(tmp_path / name, *tapes, hd_audio=hd_audio)
    if name.endswith("ogg"):
        rows, rate = ogg_channels(tmp_path / name), 48_000
    else:
        rate = 24_000 if hd_audio else 8000
        rows = channels(tmp_path / name, rate)
    assert rows.shape == (2, pytest.approx(3 * rate, abs=rate // 50))
    for second in range(3):
        inner = slice(second * rate + rate // 10, (second + 1) * rate - rate // 10)
        assert pitch(rows[0, inner], rate) == pytest.approx(440, abs=3)
        assert pitch(rows[1, inner], rate) == pytest.approx(1000, abs=3)


def test_the_file_is_whole_after_every_piece_of_tape(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav")
    assert channels(tmp_path / "call.wav").shape == (2, 0)
    recorder.write(tape())
    killed = tmp_path / "killed.wav"
    again = Recorder(tmp_path / "other.wav")
    again.close().result(5)  # one thread writes them all: the tape above is on disk now
    killed.write_bytes((tmp_path / "call.wav").read_bytes())
    assert channels(killed).shape == (2, 4000)
    recorder.close().result(5)


@BOTH
def test_two_calls_recorded_under_one_name_have_a_file_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = tmp_path / name
    first, second = Recorder(path), Recorder(path)
    for recorder, lasts in ((first, 4), (second, 2)):
        for _ in range(lasts):
            recorder.write(tape())
    for recorder in (first, second):
        recorder.close().result()
    sizes = [file.stat().st_size for file in (path, path.with_stem("call-2"))]
    assert sizes[0] > 1.5 * sizes[1]
    assert f"recorded to {path}: this one is in {path.with_stem('call-2')}" in caplog.text
    recorded(path, tape())
    assert path.stat().st_size < sizes[1], "a call that is over leaves its name to the next"


@BOTH
def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="No such file"):
        Recorder(tmp_path / "no such directory" / name)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file of ours can grow over a few seconds of sound."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@BOTH
@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_ends_the_recording_with_one_line_in_the_log(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 4000).astype(np.int16)
    with caplog.at_level(logging.ERROR):
        recorded(tmp_path / name, *[tape(received=noise, sent=noise[::-1])] * 20)
    assert [record.message for record in caplog.records] == [
        f"the recording {tmp_path / name} ends early: File too large"
    ]


def test_a_piece_that_nobody_can_read_is_told_and_the_recording_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        recorded(tmp_path / "call.wav", tape(), Tape(leg=1, encoding="gsm", received=b"", sent=b""), tape())
    assert [record.message for record in caplog.records] == [
        f"the recording {tmp_path / 'call.wav'} misses half a second"
    ]
    assert channels(tmp_path / "call.wav").shape == (2, 8000)


@pytest.fixture
def hanging_disk(tmp_path: Path) -> Iterator[Path]:
    """A file that takes 64 kB and no more, until the test is over."""
    path = tmp_path / "call.ogg"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path
    os.close(reading)  # the writer's write fails now, and its thread goes on


def test_behind_a_disk_that_hangs_a_recording_ends_before_it_fills_the_memory(
    hanging_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 4000).astype(np.int16)
    recorder = Recorder(hanging_disk)
    with caplog.at_level(logging.ERROR):
        for _ in range(MOST_WAITING * 2 + 100):
            recorder.write(tape(received=noise, sent=noise[::-1]))
    assert [record.message for record in caplog.records] == [
        f"the recording {hanging_disk} ends early: its disk is a minute behind"
    ]
