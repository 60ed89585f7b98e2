"""Recordings: caller left, us right, playable at every moment."""

import logging
import wave
from pathlib import Path

import numpy as np
import pytest

from sipagent.audio import g711, wav
from sipagent.audio.tones import sine
from sipagent.media import Tape
from sipagent.recorder import Recorder

LEFT = sine(440, 4000)
RIGHT = sine(1000, 4000, level=-20)


def tape(encoding: str = "pcmu", received: g711.Samples = LEFT, sent: g711.Samples = RIGHT) -> Tape:
    return Tape(
        leg=1,
        encoding=encoding,
        received=g711.encode(received, encoding),
        sent=g711.encode(sent, encoding),
    )


def channels(path: Path) -> np.ndarray:
    recording = wav.read(path.read_bytes())
    assert recording.rate == 8000
    return recording.samples


def test_the_caller_is_on_the_left_and_we_are_on_the_right(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav")
    recorder.write(tape())
    recorder.write(tape("pcma"))
    recorder.close().result(5)
    left, right = channels(tmp_path / "call.wav")
    assert len(left) == 8000
    np.testing.assert_array_equal(left[:4000], g711.decode(g711.encode(LEFT, "pcmu"), "pcmu"))
    np.testing.assert_array_equal(right[4000:], g711.decode(g711.encode(RIGHT, "pcma"), "pcma"))


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav")
    recorder.write(tape())
    recorder.close().result(5)
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth(), file.getnframes()) == (2, 8000, 2, 4000)


def test_a_mono_recording_has_both_voices_and_does_not_wrap(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", stereo=False)
    loud = np.full(4000, 30000, np.int16)
    recorder.write(tape())
    recorder.write(tape(received=loud, sent=loud))
    recorder.close().result(5)
    (mixed,) = channels(tmp_path / "call.wav")
    spectrum = np.abs(np.fft.rfft(mixed[:4000], 8000))
    assert spectrum[440] > spectrum[1000] > 50 * spectrum[700]
    assert set(mixed[4000:]) == {32767}


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


def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Recorder(tmp_path / "no such directory" / "call.wav")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_ends_the_recording_with_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        recorder = Recorder(Path("/dev/full"))
        for _ in range(3):
            recorder.write(tape())
        recorder.close().result(5)
    assert [record.message for record in caplog.records] == [
        "the recording /dev/full ends early: No space left on device"
    ]
