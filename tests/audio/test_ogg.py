"""Ogg pages: numbered, checked, and laid out as RFC 3533 has them."""

import io

import av
import pytest

from sipagent.audio.ogg import MOST_SEGMENTS, Pages, opus_tags

HEAD = b"OpusHead\x01\x01\x38\x01\x40\x1f\x00\x00\x00\x00\x00"
SILENCE = b"\xf8\xff\xfe"
"""A packet of 20 ms (RFC 6716 section 3.1)."""


def test_a_page_says_what_it_is_and_what_is_in_it() -> None:
    pages = Pages(serial=7)
    first, last = pages.page([b"one"], 0), pages.page([b"x" * 300, b"y" * 255], 1920, last=True)
    assert first[:4] == last[:4] == b"OggS"
    assert (first[5], last[5]) == (0x02, 0x04)
    assert int.from_bytes(last[6:14], "little") == 1920
    assert (last[14], first[18], last[18]) == (7, 0, 1)
    assert last[26:31] == bytes([4, 255, 45, 255, 0])
    assert last[31:] == b"x" * 300 + b"y" * 255


def heard(stream: bytes) -> float:
    """Seconds that a player, who knows nothing of us, makes of it."""
    with av.open(io.BytesIO(stream), "r") as file:
        return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


def test_other_programs_agree_with_the_checksum() -> None:
    pages = Pages(serial=1)
    stream = pages.page([HEAD], 0) + pages.page([opus_tags("us")], 0) + pages.page([SILENCE] * 50, 48_000, last=True)
    assert heard(stream) == pytest.approx(1.0, abs=0.01)


def test_other_programs_drop_a_page_with_a_flipped_bit() -> None:
    pages = Pages(serial=1)
    stream = bytearray(pages.page([HEAD], 0) + pages.page([opus_tags("us")], 0))
    middle = len(stream)
    stream += pages.page([SILENCE] * 50, 48_000)
    stream[middle + 100] ^= 1
    stream += pages.page([SILENCE] * 50, 96_000, last=True)
    assert heard(bytes(stream)) == pytest.approx(1.0, abs=0.01)


def test_more_than_a_page_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="255 segments"):
        Pages(serial=1).page([b"x"] * (MOST_SEGMENTS + 1), 0)
