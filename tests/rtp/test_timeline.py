"""A stream laid out in order: where packets belong, what of them can be heard, and what was lost on the way there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.rtp.timeline import FRAME, Coded, Segment, Timeline


def frame(number: int) -> bytes:
    return bytes([number % 256]) * FRAME


class Payload:
    """20 ms that take note of when they are decoded; without `audio` they cannot be."""

    units, ticks = FRAME, 6

    def __init__(self, number: int, decoded: list[int], audio: bytes | None) -> None:
        self._number = number
        self._decoded = decoded
        self._audio = audio

    def decode(self) -> bytes | None:
        self._decoded.append(self._number)
        return self._audio


def arrived(*numbers: int, coded: dict[int, Coded] | None = None) -> Timeline:
    """A timeline on which these packets of 20 ms have come, in this order, of timestamps that count 6 a unit."""
    timeline = Timeline(1)
    for number in numbers:
        timestamp = number * FRAME * 6 % 2**32
        start = timeline.place(number, timestamp, 6)
        assert start is not None
        payload = coded[number] if coded else None
        segment = Segment(start, start + FRAME, number, b"" if coded else frame(number), False, payload)
        if timeline.newest is None or number > timeline.newest.sequence:
            timeline.append(segment, timestamp, 6)
        else:
            timeline.insert(segment)
    return timeline


def test_packets_are_heard_in_their_order_however_they_came() -> None:
    timeline = arrived(1, 3, 2)
    assert timeline.read(0, 3 * FRAME) == frame(1) + frame(2) + frame(3)
    assert [timeline.take() for _ in range(4)] == [frame(1), frame(2), frame(3), None]
    assert timeline.next_sequence == 4


@pytest.mark.parametrize(
    ("sequence", "timestamp", "ticks", "start"),
    [
        (11, 11 * 960, 6, 160),
        (12, 14 * 960, 6, 640),
        (9, 9 * 960, 6, -160),
        (11, (11 * 960 + 2**31), 6, None),
        (11, 61 * 960, 6, None),
        (3010, 11 * 960, 6, None),
        (11, 11 * 160, 1, None),
        (11, 9 * 960, 6, None),
    ],
    ids=["next", "after silence", "late", "new timestamps", "pause", "leap", "another clock", "back in time"],
)
def test_a_packet_has_its_place_within_a_second_of_the_newest(
    sequence: int, timestamp: int, ticks: int, start: int | None
) -> None:
    assert arrived(10).place(sequence, timestamp, ticks) == start


def test_timestamps_that_wrap_go_on() -> None:
    number = 2**32 // (FRAME * 6)
    assert arrived(number - 1, number, number + 1).end == 3 * FRAME


def test_what_was_played_and_what_waits_is_known_if_it_comes_again() -> None:
    timeline = arrived(1, 2, 4)
    timeline.take()
    again = [Segment(start, start + FRAME, number, b"", False, None) for number, start in ((1, 0), (2, 160), (3, 320))]
    assert [timeline.knows(segment) for segment in again] == [True, True, False]


def test_payloads_are_decoded_once_in_their_order_and_not_before_they_are_heard() -> None:
    decoded: list[int] = []
    timeline = arrived(1, 3, 2, coded={number: Payload(number, decoded, frame(number)) for number in (1, 2, 3)})
    assert decoded == []
    assert timeline.read(0, 2 * FRAME) == frame(1) + frame(2)
    assert decoded == [1, 2]
    assert timeline.read(0, 3 * FRAME) == frame(1) + frame(2) + frame(3)
    assert decoded == [1, 2, 3]


def test_what_cannot_be_decoded_is_as_if_it_had_not_come() -> None:
    timeline = arrived(1, 2, coded={1: Payload(1, [], None), 2: Payload(2, [], frame(2))})
    timeline.decode(2 * FRAME)
    assert (timeline.undecodable, [segment.sequence for segment in timeline.segments]) == (1, [2])


def test_a_frame_of_which_a_part_is_lost_repeats_the_rest() -> None:
    timeline = arrived(1)
    timeline.append(Segment(200, 360, 3, frame(3), False, None), 200 * 6, 6)
    timeline.move_to(80)
    assert timeline.take() == frame(1)[:80] + frame(3)[:40] + frame(1)[:40]


@pytest.mark.parametrize(("whole", "left", "wanted"), [(False, 2, 3), (True, 3, 4)])
def test_what_is_too_much_is_given_up(whole: bool, left: int, wanted: int) -> None:
    timeline = arrived(1, 2, 3, 4)
    assert timeline.give_up(2 * FRAME + 1, whole=whole) == left
    assert timeline.next_sequence == wanted


def test_another_stream_begins_where_nothing_has_come() -> None:
    timeline = arrived(1, 2)
    timeline.begin(6)
    assert (timeline.segments, timeline.newest, timeline.end) == ([], None, 0)
    assert timeline.place(9000, 77, 1) == 0


# ---- packets in a row


def row(*numbers: int, timestamp: int = 0) -> Timeline:
    """A timeline of G.711 on which these packets have come; number 1 has this timestamp."""
    timeline = Timeline(1)
    for number in numbers:
        add(timeline, number, timestamp + (number - 1) * FRAME)
    timeline.next_sequence = numbers[0]
    return timeline


def add(timeline: Timeline, number: int, timestamp: int, size: int = FRAME) -> None:
    timestamp &= 0xFFFFFFFF
    start = timeline.place(number, timestamp, 1)
    assert start is not None
    timeline.append(Segment(start, start + size, number, frame(number)[:size], False, None), timestamp, 1)


def known(timeline: Timeline) -> tuple[object, ...]:
    """All that can be asked of a timeline, its segments by what is in them."""
    newest = timeline.newest
    assert newest is not None
    waiting = [(one.start, one.end, one.sequence, one.payload) for one in timeline.segments]
    again = [timeline.knows(Segment(-1, -1, number, b"", False, None)) for number in range(newest.sequence + 2)]
    place = timeline.place(newest.sequence + 1, timeline.next_timestamp, 1)
    at = timeline.position, timeline.next_sequence, timeline.end, timeline.next_timestamp, timeline.into_packet
    return waiting, again, place, at, timeline.is_whole, (newest.start, newest.end, newest.sequence)


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 200), st.integers(0, 40), st.integers(0, 0xFFFFFFFF))
def test_packets_that_are_followed_leave_what_they_would_one_by_one(
    before: int, played: int, packets: int, left: int, timestamp: int
) -> None:
    """Some have come and been played, more come; all but the last few are played too. The timestamps may wrap."""
    followed, alone = (row(*range(1, before + 1), timestamp=timestamp) for _ in range(2))
    for timeline in (followed, alone):
        for _ in range(min(played, before)):
            timeline.take()
    assert known(followed) == known(alone)
    assert alone.is_whole

    for number in range(before + 1, before + packets + 1):
        assert alone.next_timestamp == (timestamp + (number - 1) * FRAME) & 0xFFFFFFFF
        add(alone, number, alone.next_timestamp)
        if number - alone.next_sequence >= 12:  # as a jitter buffer plays while more come
            assert alone.take() is not None
    while len(alone.segments) > left:
        assert alone.take() is not None
    waiting = [one.payload for one in alone.segments]
    followed.follow(packets, waiting)
    assert known(followed) == known(alone)
    followed_frames = [followed.take() for _ in waiting]
    assert followed_frames == waiting


@pytest.mark.parametrize("odd", ["a hole", "another size", "begun", "another clock", "coded", "nothing"])
def test_what_is_odd_is_not_whole(odd: str) -> None:
    timeline = row(1, 2, 3) if odd != "nothing" else Timeline(1)
    match odd:
        case "a hole":
            add(timeline, 5, 4 * FRAME)
        case "another size":
            add(timeline, 4, 3 * FRAME, 80)
        case "begun":
            timeline.move_to(80)
        case "another clock":
            timeline = arrived(1, 2, 3)
            timeline.next_sequence = 1
        case "coded":
            timeline.segments[1].coded = Payload(2, [], frame(2))
    assert not timeline.is_whole


def test_what_has_all_been_played_in_a_row_is_whole() -> None:
    timeline = row(1, 2)
    assert timeline.is_whole
    timeline.take()
    timeline.take()
    assert timeline.is_whole
    timeline.move_to(3 * FRAME)
    assert not timeline.is_whole
