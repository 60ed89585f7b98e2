"""Encodings: as long as they went in, and the same sound, whatever they are converted to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio.encoding import (
    ENCODINGS,
    FRAME,
    Transcoder,
    convert,
    decode,
    duration,
    encode,
    rate,
    silence,
    width,
)
from sipagent.audio.level import SILENT, level
from sipagent.audio.tones import sine

WAYS = [(source, target) for source in ENCODINGS for target in ENCODINGS]


def tone(encoding: str, units: int, frequency: float = 440.0) -> bytes:
    return encode(sine(frequency, units * rate(encoding) // 8000, rate=rate(encoding)), encoding)


def clearness(wanted: np.ndarray, got: np.ndarray) -> float:
    """The signal-to-noise ratio in dB."""
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    return float(10 * np.log10(np.square(wanted).sum() / (np.square(wanted - got).sum() + 1)))


@pytest.mark.parametrize(("encoding", "size"), [("pcmu", 160), ("pcma", 160), ("pcm", 960)])
def test_a_frame_is_160_units(encoding: str, size: int) -> None:
    assert FRAME * width(encoding) == len(silence(encoding, FRAME)) == size
    assert duration(bytes(size), encoding) == FRAME


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_encoded_comes_back(encoding: str) -> None:
    samples = sine(440, 4800, rate=rate(encoding))
    assert clearness(samples, decode(encode(samples, encoding), encoding)) > 35


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_silence_is_silent(encoding: str) -> None:
    assert level(silence(encoding, FRAME), encoding) <= max(SILENT, -70)


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_recording_is_the_same_sound_at_the_same_time_in_another_encoding(source: str, target: str) -> None:
    made = decode(convert(tone(source, 1600), source, target), target)
    edge = 20 * rate(target) // 8000  # where a recording begins and ends at once, the filter rings
    assert clearness(decode(tone(target, 1600), target)[edge:-edge], made[edge:-edge]) > 32


@given(pieces=st.lists(st.integers(0, 500), max_size=20), way=st.sampled_from(WAYS))
@settings(deadline=None)
def test_each_piece_of_a_stream_comes_out_as_long_as_it_went_in(pieces: list[int], way: tuple[str, str]) -> None:
    source, target = way
    transcoder = Transcoder()
    for units in pieces:
        assert duration(transcoder.convert(tone(source, units), source, target), target) == units


@pytest.mark.parametrize(("source", "target"), [way for way in WAYS if "pcm" in way and way[0] != way[1]])
def test_a_stream_of_another_rate_comes_2_ms_later_without_a_seam(source: str, target: str) -> None:
    said, transcoder = tone(source, 1600), Transcoder()
    frame = FRAME * width(source)
    made = b"".join(transcoder.convert(said[at : at + frame], source, target) for at in range(0, len(said), frame))
    late = 16 * rate(target) // 8000
    assert clearness(decode(tone(target, 1600), target)[late:-late], decode(made, target)[2 * late :]) > 32


def test_a_stream_begins_anew_when_it_comes_in_another_encoding() -> None:
    transcoder = Transcoder()
    transcoder.convert(tone("pcmu", 160), "pcmu", "pcm")
    assert transcoder.convert(tone("pcma", 160), "pcma", "pcma") == tone("pcma", 160)
    again = transcoder.convert(tone("pcm", 160), "pcm", "pcmu")
    assert again == Transcoder().convert(tone("pcm", 160), "pcm", "pcmu")
