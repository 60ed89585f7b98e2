"""G.711 against the ITU's own sweep, against its tables, and against itself."""

from pathlib import Path

import numpy as np
import pytest

from sipagent.audio import g711

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def sweep(corpora: Path, name: str) -> np.ndarray:
    return np.fromfile(corpora / "codec-vectors" / "g711" / name, "<i2").astype(np.int16)


@pytest.mark.corpora
def test_a_law_is_bit_exact_over_the_itu_sweep(corpora: Path) -> None:
    codes = sweep(corpora, "sweep-r.a").astype(np.uint8).tobytes()
    assert g711.encode(sweep(corpora, "sweep.src"), "pcma") == codes
    np.testing.assert_array_equal(g711.decode(codes, "pcma"), sweep(corpora, "sweep-r.rea"))


@pytest.mark.corpora
def test_a_law_survives_a_second_coding_of_the_itu_sweep(corpora: Path) -> None:
    once = sweep(corpora, "sweep-r.rea")
    twice = g711.decode(g711.encode(once, "pcma"), "pcma")
    np.testing.assert_array_equal(twice, sweep(corpora, "sweep-r.a-a"))


@pytest.mark.parametrize(
    ("encoding", "code", "sample"),
    [
        ("pcmu", 0x80, 32124),  # the largest positive value of table 2a: 8031 of 14 bits
        ("pcmu", 0x00, -32124),
        ("pcmu", 0xFF, 0),
        ("pcmu", 0x7F, 0),
        ("pcmu", 0xFE, 8),
        ("pcmu", 0xEF, 132),
        ("pcma", 0xAA, 32256),  # the largest of table 1a: 4032 of 13 bits
        ("pcma", 0x2A, -32256),
        ("pcma", 0xD5, 8),
        ("pcma", 0x55, -8),
        ("pcma", 0xC5, 264),
    ],
)
def test_codes_mean_what_the_tables_say(encoding: str, code: int, sample: int) -> None:
    assert g711.decode(bytes([code]), encoding)[0] == sample


@pytest.mark.parametrize(
    ("sample", "code"),
    [(0, 0xFF), (3, 0xFF), (4, 0xFE), (-1, 0x7E), (-8, 0x7E), (-9, 0x7D), (32767, 0x80), (-32768, 0x00)],
)
def test_mu_law_rounds_samples_down_to_14_bits(sample: int, code: int) -> None:
    assert g711.encode(np.array([sample], np.int16), "pcmu")[0] == code


@pytest.mark.filterwarnings("ignore:'audioop' is deprecated")
def test_every_sample_and_every_code_as_the_standard_library_has_them() -> None:
    audioop = pytest.importorskip("audioop", reason="Python 3.13 has no audioop")
    linear = EVERY_SAMPLE.tobytes()
    assert g711.encode(EVERY_SAMPLE, "pcmu") == audioop.lin2ulaw(linear, 2)
    assert g711.encode(EVERY_SAMPLE, "pcma") == audioop.lin2alaw(linear, 2)
    assert g711.decode(EVERY_CODE, "pcmu").tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    assert g711.decode(EVERY_CODE, "pcma").tobytes() == audioop.alaw2lin(EVERY_CODE, 2)


@pytest.mark.parametrize("encoding", ["pcmu", "pcma"])
def test_every_code_comes_back_from_its_own_value(encoding: str) -> None:
    again = g711.encode(g711.decode(EVERY_CODE, encoding), encoding)
    same_value = EVERY_CODE.replace(b"\x7f", b"\xff") if encoding == "pcmu" else EVERY_CODE
    assert again == same_value


@pytest.mark.parametrize("encoding", ["pcmu", "pcma"])
def test_no_sample_is_further_from_its_code_than_half_a_step(encoding: str) -> None:
    linear = EVERY_SAMPLE.astype(np.int32)
    error = np.abs(g711.decode(g711.encode(EVERY_SAMPLE, encoding), encoding) - linear)
    inside = np.abs(linear) < 31600
    assert (error[inside] <= 16 + np.abs(linear[inside]) / 32).all()


def test_transcoding_keeps_the_level_and_the_same_law_keeps_the_bytes() -> None:
    voice = g711.encode((8000 * np.sin(np.arange(8000) / 7)).astype(np.int16), "pcmu")
    in_a_law = g711.transcode(voice, "pcmu", "pcma")
    difference = g711.decode(in_a_law, "pcma").astype(float) - g711.decode(voice, "pcmu")
    assert np.abs(difference).max() <= 256
    assert g711.transcode(voice, "pcmu", "pcmu") is voice


def test_frames_may_be_empty_or_odd() -> None:
    assert g711.encode(g711.decode(b"", "pcmu"), "pcmu") == b""
    assert len(g711.decode(b"\xff\xfe\xfd", "pcma")) == 3
