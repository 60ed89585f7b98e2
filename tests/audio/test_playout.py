"""The playout buffer: what is given comes out in order, marks pass in time, a clear is exact."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.audio import g711
from sipagent.audio.encoding import ENCODINGS, FRAME, silence, width
from sipagent.audio.playout import Mark, Playout


def speech(samples: int, first: int = 0) -> bytes:
    return bytes(1 + (first + n) % 255 for n in range(samples))


def test_speech_comes_out_in_frames_of_twenty_milliseconds() -> None:
    playout = Playout()
    assert playout.put(speech(320), "pcmu") == 0
    assert playout.pop("pcmu") == speech(160)
    assert playout.sent_until == 160
    assert playout.pop("pcmu") == speech(160, 160)
    assert playout.pop("pcmu") == b""
    assert playout.sent_until == playout.given == 320


def test_pieces_of_any_size_are_joined_without_a_seam() -> None:
    playout = Playout()
    assert [playout.put(speech(100, start), "pcmu") for start in (0, 100, 200, 300)] == [0, 100, 200, 300]
    assert playout.pop("pcmu") == speech(160)
    assert playout.pop("pcmu") == speech(160, 160)


def test_only_the_last_frame_is_shorter() -> None:
    playout = Playout()
    playout.put(speech(200), "pcmu")
    playout.pop("pcmu")
    assert playout.pop("pcmu") == speech(40, 160)
    assert playout.sent_until == 200
    assert playout.put(speech(160), "pcmu") == 200


def test_a_mark_passes_with_the_frame_of_its_sample() -> None:
    playout = Playout()
    playout.put(speech(480), "pcmu", [(0, "start"), (159, "first"), (160, "second"), (480, "end")])
    passed = []
    for _ in range(3):
        playout.pop("pcmu")
        passed.append([mark.name for mark in playout.passed()])
    assert passed == [["start", "first"], ["second"], ["end"]]


def test_an_end_mark_passes_though_more_speech_follows() -> None:
    playout = Playout()
    playout.put(speech(160), "pcmu", [(160, "end of one")])
    playout.put(speech(160), "pcmu", [(0, "start of two")])
    playout.pop("pcmu")
    assert playout.passed() == [Mark(0, "end of one", 160)]
    playout.pop("pcmu")
    assert playout.passed() == [Mark(1, "start of two", 160)]


def test_marks_without_audio_pass_when_everything_before_has_left() -> None:
    playout = Playout()
    playout.put(speech(160), "pcmu")
    playout.put(b"", "pcmu", [(0, "done")])
    assert not playout.passed()
    playout.pop("pcmu")
    assert playout.passed() == [Mark(1, "done", 160)]


def test_marks_out_of_order_or_out_of_range_are_put_right() -> None:
    playout = Playout()
    playout.put(speech(320), "pcmu", [(999, "late"), (-5, "early"), (200, "middle")])
    playout.pop("pcmu")
    playout.pop("pcmu")
    assert [(mark.name, mark.position) for mark in playout.passed()] == [("early", 0), ("middle", 200), ("late", 320)]


def test_a_clear_drops_what_waits_and_positions_go_on() -> None:
    playout = Playout()
    playout.put(speech(8000), "pcmu", [(8000, "end")])
    for _ in range(3):
        playout.pop("pcmu")
    assert playout.clear() == 480
    assert playout.pop("pcmu") == b""
    assert playout.put(speech(160), "pcmu", [(0, "next")]) == 8000
    assert playout.sent_until == 8000
    playout.pop("pcmu")
    assert [mark.name for mark in playout.passed()] == ["next"]


@pytest.mark.parametrize(("before", "after"), list(permutations(ENCODINGS, 2)))
def test_what_waits_leaves_in_the_encoding_of_the_moment(before: str, after: str) -> None:
    said = [silence(before, 240), silence(after, 240)]
    playout = Playout()
    assert [playout.put(audio, encoding) for audio, encoding in zip(said, (before, after), strict=True)] == [0, 240]
    assert len(playout.pop(before)) == FRAME * width(before)
    assert [len(playout.pop(after)) for _ in range(3)] == [FRAME * width(after)] * 2 + [0]
    assert playout.sent_until == playout.given == 480


def test_the_laws_are_one_another_s_to_the_byte() -> None:
    playout = Playout()
    playout.put(speech(320), "pcmu")
    playout.pop("pcmu")
    assert playout.pop("pcma") == g711.transcode(speech(160, 160), "pcmu", "pcma")


def test_what_is_less_than_a_unit_is_left_out() -> None:
    playout = Playout()
    playout.put(bytes(6 * 160 + 5), "pcm", [(160, "end")])
    assert playout.given == 160
    assert playout.pop("pcm") == bytes(6 * 160)
    assert playout.passed() == [Mark(0, "end", 160)]


@given(st.lists(st.one_of(st.integers(0, 700), st.just("pop"), st.just("clear")), max_size=60))
def test_every_sample_is_waiting_sent_or_dropped_exactly_once(steps: list[int | str]) -> None:
    playout, sent, dropped = Playout(), 0, 0
    for step in steps:
        if isinstance(step, int):
            end = playout.given
            assert playout.put(bytes(step), "pcmu") == end
        elif step == "pop":
            before = playout.sent_until
            playout.pop("pcmu")
            sent += playout.sent_until - before
        else:
            until = playout.clear()
            assert until == sent + dropped
            dropped += playout.given - until
    assert playout.sent_until == sent + dropped


# ---- looked at ahead, and skipped

PUTS = st.tuples(
    st.integers(0, 1000), st.sampled_from(ENCODINGS), st.lists(st.tuples(st.integers(-5, 1100), st.just("m")))
)


@given(st.lists(PUTS, max_size=12), st.sampled_from(ENCODINGS), st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_what_is_seen_ahead_is_what_leaves_and_skipping_it_is_to_pop_it(
    puts: list[tuple[int, str, list[tuple[int, str]]]], encoding: str, steps: list[int]
) -> None:
    ahead, alone = Playout(), Playout()
    waiting, frames, size = list(puts), 0, FRAME * width(encoding)
    while waiting or alone:
        count = steps[frames % len(steps)] if alone else 1
        for units, given_encoding, marks in waiting[:count]:
            for playout in (ahead, alone):
                playout.put(speech(units * width(given_encoding), frames), given_encoding, marks)
        del waiting[:count]
        most = steps[-1 - frames % len(steps)]
        seen = ahead.ahead(encoding, most)
        assert len(seen) % size == 0
        assert len(seen) <= most * size
        assert ahead.ahead(encoding, most) == seen, "to look takes nothing"
        if seen:
            ahead.skip(len(seen) // size)
            popped = b"".join(alone.pop(encoding) for _ in range(len(seen) // size))
            assert popped == seen
            assert alone, "more waits behind it"
        else:
            assert ahead.pop(encoding) == alone.pop(encoding)
        assert (ahead.sent_until, ahead.given, bool(ahead)) == (alone.sent_until, alone.given, bool(alone))
        due = ahead.next_mark is not None and ahead.next_mark <= ahead.sent_until
        passed = ahead.passed()
        assert passed == alone.passed()
        assert bool(passed) == due, "a mark passes when all up to it has been sent, and not before"
        assert ahead.next_mark is None or ahead.next_mark > ahead.sent_until
        frames += 1


def test_the_last_frame_is_not_seen_ahead_nor_one_that_is_to_be_transcoded_or_joined() -> None:
    playout = Playout()
    playout.put(speech(480), "pcmu")
    assert playout.ahead("pcmu", 9) == speech(320), "with the last the buffer is drained, which is to be told"
    assert playout.ahead("pcmu", 1) == speech(160)
    assert playout.ahead("pcma", 9) == b""
    playout.put(speech(400), "pcma")
    assert playout.ahead("pcmu", 9) == speech(480)
    playout.skip(3)
    assert playout.ahead("pcmu", 9) == b""
    assert playout.ahead("pcma", 9) == speech(320)
