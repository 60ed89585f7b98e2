"""Marked frames are told again wherever they come out."""

from sipagent.bench.marks import FRAME, Kind, Mark, find, frame, read


def test_a_frame_says_what_it_is_for_at_its_beginning() -> None:
    audio = frame(Kind.FIRST, 7, 0)
    assert len(audio) == FRAME
    assert read(audio) == Mark(Kind.FIRST, 7, 0)
    assert read(audio[1:]) is None


def test_it_is_found_in_audio_that_was_cut_anywhere() -> None:
    audio = b"\xff" * 100 + frame(Kind.CALLER, 300, 1234)[21:] + b"\xff" * 100
    assert find(audio) == Mark(Kind.CALLER, 300, 1234)


def test_what_only_begins_like_a_mark_is_none() -> None:
    audio = frame(Kind.VOICE, 0, 5)
    assert find(b"\xff" * 160) is None
    assert find(audio[:15]) is None
    assert read(audio[:4] + b"\xff" * 12) is None
