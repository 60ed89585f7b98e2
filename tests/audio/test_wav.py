"""WAV files: what we write the standard library reads, and what others write we read."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.audio import g711, wav
from sipagent.audio.tones import sine

TONE = sine(440, 800)


def riff(form: bytes, audio: bytes, *, extra: bytes = b"", claimed: int | None = None) -> bytes:
    size = len(audio) if claimed is None else claimed
    return (
        b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"fmt ", len(form)) + form + extra
        + struct.pack("<4sI", b"data", size) + audio
    )  # fmt: skip


def form(kind: int, channels: int, rate: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits)


def test_the_standard_library_reads_what_we_write() -> None:
    stereo = np.stack([TONE, -TONE])
    with wave.open(io.BytesIO(wav.write(stereo, 16000))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth(), file.getnframes()) == (2, 16000, 2, 800)
        assert file.readframes(800) == stereo.T.astype("<i2").tobytes()


def test_we_read_what_we_write() -> None:
    recording = wav.read(wav.write(np.stack([TONE, -TONE]), 24000))
    assert recording.rate == 24000
    np.testing.assert_array_equal(recording.samples, [TONE, -TONE])


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_wide_samples_keep_their_upper_bits(bits: int) -> None:
    wide = (TONE.astype(np.int64) << (bits - 16)).astype("<i4").tobytes()
    audio = b"".join(wide[n : n + bits // 8] for n in range(0, len(wide), 4))
    np.testing.assert_array_equal(wav.read(riff(form(1, 1, 8000, bits), audio)).samples[0], TONE)


def test_eight_bits_are_unsigned() -> None:
    assert wav.read(riff(form(1, 1, 8000, 8), b"\x80\xff\x00")).samples[0].tolist() == [0, 127 << 8, -128 << 8]


@pytest.mark.parametrize(("kind", "encoding"), [(6, "pcma"), (7, "pcmu")])
def test_telephone_recordings_are_expanded(kind: int, encoding: str) -> None:
    codes = g711.encode(TONE, encoding)
    recording = wav.read(riff(form(kind, 1, 8000, 8), codes))
    np.testing.assert_array_equal(recording.samples[0], g711.decode(codes, encoding))


def test_the_extensible_form_of_windows() -> None:
    extended = form(0xFFFE, 1, 8000, 16) + struct.pack("<HHIH14s", 22, 16, 4, 1, bytes(14))
    np.testing.assert_array_equal(wav.read(riff(extended, TONE.tobytes())).samples[0], TONE)


def test_other_chunks_are_stepped_over_with_their_padding() -> None:
    extra = struct.pack("<4sI3sx", b"LIST", 3, b"abc")
    np.testing.assert_array_equal(wav.read(riff(form(1, 1, 8000, 16), TONE.tobytes(), extra=extra)).samples[0], TONE)


def test_a_file_whose_recorder_was_killed_ends_where_it_ends() -> None:
    data = riff(form(1, 2, 8000, 16), TONE.tobytes() + b"\x01", claimed=0xFFFFFFFF)
    assert wav.read(data).samples.shape == (2, 400)


def test_a_stereo_file_becomes_telephone_audio() -> None:
    tone = sine(440, 48000, rate=48000)
    mono = wav.read(wav.write(np.stack([tone, tone]), 48000)).mono()
    np.testing.assert_allclose(mono[400:-400], sine(440, 8000)[400:-400], atol=4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"OggS" + bytes(60),
        b"RIFF\0\0\0\0WAVE",
        riff(form(1, 0, 8000, 16), b""),
        riff(form(1, 1, 0, 16), b""),
        riff(form(85, 1, 8000, 16), b""),
        riff(form(1, 1, 8000, 12), b"ab"),
        riff(b"\x01\0", b"ab"),
    ],
)
def test_what_is_no_playable_wav_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(wav.WavError, match="WAV"):
        wav.read(data)


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_no_bytes_make_it_fail_in_any_other_way(start: bytes, rest: bytes) -> None:
    for data in (start, b"RIFF\0\0\0\0WAVE" + start, riff(start, rest)):
        try:
            recording = wav.read(data)
        except wav.WavError:
            continue
        assert recording.samples.dtype == np.int16
