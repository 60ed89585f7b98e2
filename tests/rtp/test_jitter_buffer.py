"""The jitter buffer, tick by tick: given when packets arrive, then this plays at each 20 ms.

`- - 0 1 L 3` tells what each pop gave: nothing, nothing, the packets 0 and 1, a frame to conceal, packet 3; `q` is a
quiet frame. Packets arrive 5 ms after their tick unless a test says otherwise.
"""

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.rtp.jitter_buffer import JitterBuffer, Lost, Outlook
from sipagent.rtp.timeline import FRAME

TICK = 0.02
QUIET = 0xFF


class Cut(NamedTuple):
    frame: bytes
    shift: int
    likeness: float


class Scissors:
    """A sound that is cut where it is asked for, and never faded: the numbers in it stay to be seen."""

    width = 1

    def __init__(self, likeness: float) -> None:
        self._likeness = likeness

    def is_quiet(self, payload: bytes) -> bool:
        return payload == bytes([QUIET]) * FRAME

    def splice(self, audio: bytes, at: int, shifts: range) -> Cut:
        assert len(audio) >= at + max(0, shifts[-1]) + FRAME
        assert at + shifts[0] >= 0
        shift = max(shifts, key=abs)
        return Cut(audio[at + shift : at + shift + FRAME], shift, self._likeness)


class Line:
    """A network that delivers to a jitter buffer, and the ticks that play it."""

    def __init__(
        self,
        *,
        ptime: int = 20,
        first_sequence: int = 0,
        first_timestamp: int = 0,
        quiet: Container[int] = (),
        likeness: float = 0.0,
    ) -> None:
        self.buffer = JitterBuffer(Scissors(likeness))
        self._quiet = quiet
        self._samples = ptime * 8
        self._first_sequence = first_sequence
        self._first_timestamp = first_timestamp
        self._tick = 0

    def arrive(self, number: int, at: float, *, marker: bool = False, shift: int = 0) -> None:
        """Let packet `number` of the stream arrive; its sound is its number. `shift` is silence not sent before it."""
        self.buffer.add(
            self._first_sequence + number,
            (self._first_timestamp + number * self._samples + shift) & 0xFFFFFFFF,
            bytes([QUIET if number in self._quiet else number % 250]) * self._samples,
            at,
            marker,
        )

    def play(self, ticks: int, arrivals: Iterable[tuple[float, int]] = ()) -> str:
        """Play so many ticks, while packets (arrival, number) come."""
        waiting = sorted(arrivals)
        played = []
        for _ in range(ticks):
            now = self._tick * TICK
            while waiting and waiting[0][0] <= now:
                arrival, number = waiting.pop(0)
                self.arrive(number, arrival)
            played.append(_sign(self.buffer.pop(now)))
            self._tick += 1
        return " ".join(played)


def _sign(popped: bytes | Lost | None) -> str:
    match popped:
        case None:
            return "-"
        case Lost():
            return "L"
        case payload:
            assert len(payload) == FRAME
            return "+".join("q" if sound == QUIET else str(sound) for sound in dict.fromkeys(payload))


def steady(*numbers: int, ptime: int = 20, late: float = 0.0) -> list[tuple[float, int]]:
    return [(number * ptime / 1000 + 0.005 + late, number) for number in numbers]


# ---- in time


def test_an_even_stream_plays_20_to_40_ms_after_it_arrived() -> None:
    assert Line().play(7, steady(*range(7))) == "- - 0 1 2 3 4"


def test_nothing_plays_before_anything_came() -> None:
    assert Line().play(3) == "- - -"


@pytest.mark.parametrize(
    ("ptime", "played"),
    [
        (10, "- - 0+1 2+3 4+5 6+7 8+9"),
        (20, "- - 0 1 2 3 4"),
        (30, "- - 0 0+1 1 2 2+3"),
        (40, "- - 0 0 1 1 2"),
        (60, "- - 0 0 0 1 1"),
    ],
)
def test_packets_of_any_duration_come_out_as_20_ms(ptime: int, played: str) -> None:
    assert Line(ptime=ptime).play(7, steady(*range(20), ptime=ptime)) == played


def test_both_numbers_wrap() -> None:
    line = Line(first_sequence=65534, first_timestamp=0xFFFFFFFF - 200)
    assert line.play(8, steady(*range(8))) == "- - 0 1 2 3 4 5"


# ---- out of order, twice, never


def test_packets_out_of_order_are_put_in_order() -> None:
    swapped = [(0.005, 0), (0.026, 2), (0.027, 1), (0.065, 3), (0.085, 4)]
    assert Line().play(7, swapped) == "- - 0 1 2 3 4"


def test_a_duplicate_plays_once() -> None:
    line = Line()
    assert line.play(7, [*steady(*range(7)), (0.046, 2), (0.105, 2)]) == "- - 0 1 2 3 4"
    assert (line.buffer.statistics().duplicates, line.buffer.statistics().late) == (2, 0)


def test_each_lost_packet_is_concealed_in_its_place() -> None:
    line = Line()
    assert line.play(12, steady(0, 1, 3, 4, 7, 8, 9, 10)) == "- - 0 1 L 3 4 L L 7 8 9"
    assert line.buffer.statistics().concealed == 3


@pytest.mark.parametrize("ptime", [10, 20, 40])
def test_the_last_lost_frame_knows_what_follows_it(ptime: int) -> None:
    line = Line(ptime=ptime)
    line.play(4, steady(*range(40 // ptime), ptime=ptime))
    for number in range(80 // ptime, 120 // ptime):
        line.arrive(number, 0.079)
    first, last, after = (line.buffer.pop(tick * TICK) for tick in (4, 5, 6))
    assert isinstance(after, bytes)
    assert (first, last) == (Lost(), Lost(following=after))


def test_a_lost_packet_of_40_ms_is_two_frames() -> None:
    assert Line(ptime=40).play(10, steady(0, 1, 3, 4, ptime=40)) == "- - 0 0 1 1 L L 3 3"


def test_a_lost_packet_of_30_ms_takes_its_30_ms_and_no_more() -> None:
    assert Line(ptime=30).play(11, steady(0, 1, 3, 4, 5, ptime=30)) == "- - 0 0+1 1 L 3 3 4 4+5 5"


def test_a_burst_that_is_longer_than_the_buffer_takes_its_time_and_no_more() -> None:
    assert Line().play(14, steady(0, 1, *range(7, 14))) == "- - 0 1 L L L L L 7 8 9 10 11"


# ---- late

HELD_UP = [(0.130, 3), (0.131, 4), (0.132, 5)]


def test_a_stream_that_is_held_up_is_waited_for_and_not_a_word_is_skipped() -> None:
    line = Line()
    assert line.play(14, [*steady(0, 1, 2, *range(6, 14)), *HELD_UP]) == "- - 0 1 2 L L 3 4 5 6 7 8 9"
    assert line.buffer.statistics().late == 0


def test_a_packet_that_comes_after_its_place_was_concealed_makes_room_for_the_next_like_it() -> None:
    line = Line()
    late = [(0.105, 2)]
    assert line.play(9, [*steady(0, 1, *range(3, 9)), *late]) == "- - 0 1 L 3 L L 4"
    assert line.buffer.statistics().late == 1
    assert line.play(8, [*steady(8, 9, *range(11, 17)), (0.265, 10)]) == "5 6 7 8 9 10 11 12"
    assert line.buffer.statistics().late == 1


def test_a_packet_that_is_hopelessly_late_costs_three_frames_and_no_more() -> None:
    line = Line()
    played = line.play(25, [*steady(0, 1, *range(3, 25)), (0.385, 2)]).split()
    assert played[:6] == ["-", "-", "0", "1", "L", "3"]
    assert played[19:] == ["17", "L", "L", "L", "18", "19"]


def test_the_target_follows_the_jitter() -> None:
    line = Line()
    jittery = [(number * TICK + 0.005 + (0.06 if number % 2 else 0.0), number) for number in range(100)]
    line.play(110, jittery)
    assert line.buffer.statistics().target == pytest.approx(0.08)


def test_a_delay_that_is_no_longer_needed_is_taken_out_of_the_silence_within_a_second() -> None:
    """Not at once: what was waited for once may be needed again."""
    line = Line(quiet=range(8, 80))
    waited = line.play(40, [*steady(0, 1, 2, *range(6, 40)), *HELD_UP])
    assert waited.startswith("- - 0 1 2 L L 3 4 5 6 7 q q")
    assert line.buffer.statistics().cut == 0
    line.play(40, steady(*range(40, 80)))
    assert line.buffer.statistics().cut == pytest.approx(0.02)
    assert line.buffer.statistics().delay <= line.buffer.statistics().target + 0.01


@pytest.mark.parametrize(
    ("likeness", "after"), [(0.9, 1.0), (0.5, 5.0)], ids=["where it is alike", "where it is most alike"]
)
def test_without_silence_speech_is_spliced_after_some_patience(likeness: float, after: float) -> None:
    line = Line(likeness=likeness)
    until = 5 + round(after / TICK)
    line.play(until, [*steady(0, 1, 2, *range(6, until)), *HELD_UP])
    assert line.buffer.statistics().cut == 0
    line.play(800, steady(*range(until, until + 800)))
    assert 0.02 <= line.buffer.statistics().cut <= 0.04
    assert line.buffer.statistics().delay <= 0.05


@pytest.mark.parametrize("likeness", [0.0, 0.9], ids=["in the silence", "in the speech"])
@pytest.mark.parametrize("rate", [0.999, 0.9998, 1.0002, 1.0005])
def test_a_clock_that_is_wrong_is_kept_up_with_and_nothing_is_lost_or_concealed(rate: float, likeness: float) -> None:
    line = Line(quiet=() if likeness else range(0, 6000, 10), likeness=likeness)
    line.play(6000, [(number * TICK * rate + 0.005, number) for number in range(6100)])
    statistics = line.buffer.statistics()
    assert (statistics.late, statistics.dropped, statistics.concealed) == (0, 0, 0)
    assert statistics.cut - statistics.stretched == pytest.approx(120 * (1 - rate), abs=0.03)
    assert min(statistics.cut, statistics.stretched) == 0
    assert 0.01 <= statistics.delay <= 0.055


# ---- silence that was never sent


def test_a_pause_begins_like_a_loss_and_after_400_ms_is_silence() -> None:
    assert Line().play(28, steady(0, 1, 2)) == " ".join(["- - 0 1 2", *["L"] * 20, "- - -"])


def test_after_a_short_pause_everything_is_in_its_time() -> None:
    line = Line()
    assert line.play(8, steady(0, 1, 2)) == "- - 0 1 2 L L L"
    line.arrive(3, 8 * TICK - 0.015, marker=True, shift=4 * FRAME)
    line.arrive(4, 9 * TICK - 0.015, shift=4 * FRAME)
    assert line.play(4) == "- 3 4 L"


def test_after_a_long_pause_the_stream_begins_anew() -> None:
    line = Line()
    line.play(60, steady(0, 1, 2))
    for number in (3, 4, 5):
        line.arrive(number, 1.185 + (number - 2) * TICK, marker=number == 3, shift=56 * FRAME)
    assert line.play(5) == "- - 3 4 5"


def test_a_gap_before_a_marker_is_silence_though_numbers_are_missing() -> None:
    line = Line()
    for number, marker in ((0, False), (3, True), (4, False)):
        line.arrive(number, 0.0, marker=marker)
    assert line.play(6) == "0 - - 3 4 L"


def test_a_gap_without_missing_numbers_is_silence() -> None:
    line = Line()
    line.arrive(0, 0.0)
    line.arrive(1, 0.0, shift=2 * FRAME)
    assert line.play(6) == "0 - - 1 L L"


def test_in_a_rest_nothing_is_concealed_or_waited_for() -> None:
    line = Line()
    assert line.play(5, steady(0, 1, 2)) == "- - 0 1 2"
    line.buffer.rest(3)
    assert line.play(20) == " ".join("-" * 20)
    for number in (4, 5, 6):
        line.arrive(number, 0.445 + (number - 3) * TICK, shift=20 * FRAME)
    assert line.play(3) == "4 5 6"
    assert line.buffer.statistics().concealed == 0


def test_a_rest_in_the_middle_of_what_waits_is_silence() -> None:
    line = Line()
    line.arrive(0, 0.0)
    line.buffer.rest(1)
    line.arrive(2, 0.0)
    assert line.play(3) == "0 - 2"


# ---- jumps and bounds


def test_a_stream_whose_timestamps_jump_goes_on_where_it_was() -> None:
    for jump in (400_000_000, -400_000_000, 9000, -1):
        line = Line()
        line.play(3, steady(0, 1))
        line.arrive(2, 0.045, shift=jump * FRAME)
        line.arrive(3, 0.065, shift=jump * FRAME)
        assert line.play(3) == "1 2 3"


def test_a_new_source_goes_on_where_the_old_one_was() -> None:
    line = Line()
    line.play(3, steady(0, 1))
    for number in (0, 1):
        line.buffer.add(0x20000 + 777 + number, 123456 + number * 160, bytes([50 + number]) * FRAME, 0.045)
    assert line.play(3) == "1 50 51"


def test_what_belongs_before_a_jump_is_late() -> None:
    line = Line()
    line.arrive(0, 0.0)
    line.arrive(2, 0.0, shift=1_000_000)
    line.arrive(1, 0.01)
    assert line.play(4) == "0 2 L L"
    assert line.buffer.statistics().late == 1


@pytest.mark.parametrize("size", [0, 8001, 65000])
def test_a_payload_of_no_size_or_no_sense_is_dropped(size: int) -> None:
    line = Line()
    line.buffer.add(0, 0, bytes(size), 0.0)
    assert line.play(3) == "- - -"
    assert line.buffer.statistics().dropped == 1


def test_a_burst_of_old_sound_is_cut_to_half_a_second() -> None:
    line = Line()
    line.play(2, steady(0))
    assert line.play(3, [(0.05, number) for number in range(1, 50)]) == "0 25 26"
    assert line.buffer.statistics().depth <= 0.5


def test_a_buffer_that_nobody_plays_holds_one_second() -> None:
    line = Line()
    for number in range(1000):
        line.arrive(number, number * TICK)
    assert line.buffer.statistics().depth == 1.0
    assert line.buffer.statistics().dropped == 950


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 0x40000), st.integers(0, 0xFFFFFFFF), st.integers(0, 2000), st.booleans()),
        max_size=60,
    )
)
def test_no_packet_breaks_the_clock_or_the_memory(packets: list[tuple[int, int, int, bool]]) -> None:
    buffer = JitterBuffer()
    for tick, (sequence, timestamp, size, marker) in enumerate(packets):
        buffer.add(sequence, timestamp, bytes(size), tick * TICK, marker)
        popped = buffer.pop(tick * TICK)
        assert not isinstance(popped, bytes) or len(popped) == FRAME
        assert buffer.statistics().depth <= 1.0


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 0.015), min_size=30, max_size=30),
    st.sets(st.integers(1, 28), max_size=8),
)
def test_jitter_below_a_frame_changes_nothing(jitter: list[float], lost: set[int]) -> None:
    arrivals = [
        (number * TICK + extra, number) for number, extra in enumerate(jitter) if number not in lost and number > 0
    ]
    played = Line().play(32, [(0.0, 0), *arrivals])
    heard = [sign for sign in played.split() if sign.isdecimal()]
    assert heard == [str(number) for number in range(30) if number not in lost]
    assert played.split().index("29") == 30


class Wrapped:
    """A payload that is decoded when it is played, by the clock of Opus."""

    ticks = 6

    def __init__(self, audio: bytes) -> None:
        self.units = len(audio)
        self._audio = audio

    def decode(self) -> bytes:
        return self._audio


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 2, 4, 30]), st.floats(0, 0.12)), max_size=80),
    st.integers(0, 0xFFFFFFFF),
)
def test_coded_or_not_and_wherever_its_numbers_begin_a_stream_plays_the_same(
    packets: list[tuple[int, float]], first: int
) -> None:
    """Lost, late and out of order as they may be: what is ordinary is only done sooner."""
    arrivals, number = list[tuple[float, int]](), 0
    for gap, late in packets:
        number += gap
        arrivals.append((number * TICK + late, number))
    plays = []
    for begin, coded in ((0, False), (first, False), (first, True)):
        buffer, waiting = JitterBuffer(), sorted(arrivals)
        played = []
        for tick in range(number + 20):
            while waiting and waiting[0][0] <= tick * TICK:
                at, each = waiting.pop(0)
                audio = bytes([each % 250]) * FRAME
                payload = Wrapped(audio) if coded else audio
                timestamp = begin + each * FRAME * (Wrapped.ticks if coded else 1)
                buffer.add(begin + each, timestamp & 0xFFFFFFFF, payload, at)
            played.append(buffer.pop(tick * TICK))
        plays.append((played, buffer.statistics()))
    assert plays[0] == plays[1] == plays[2]


# ---- what a convoy plays


def outlook(line: Line) -> Outlook:
    seen = line.buffer.outlook()
    assert seen is not None
    return seen


def test_the_outlook_says_what_comes_and_what_is_played() -> None:
    line = Line(first_sequence=65534, first_timestamp=0xFFFFFFFF)
    line.play(5, steady(*range(5)))
    seen = outlook(line)
    assert (seen.sequence, seen.timestamp) == (65534 + 4, 4 * FRAME - 1)
    assert (seen.start, seen.position) == (4 * FRAME, 3 * FRAME)
    assert list(seen.waiting) == [bytes([3]) * FRAME]
    assert seen.batched == 4
    assert seen.prospects.shortest == pytest.approx(0.005)
    assert (seen.prospects.target, seen.prospects.least, seen.prospects.most) == pytest.approx((0.04, 0.01, 0.05))


@pytest.mark.parametrize(
    ("arrivals", "ticks"),
    [
        ([], 3),
        (steady(0, 1), 1),
        (steady(0, 1, 2, 4, 5), 6),
        (steady(0, 1, 2, *range(6, 12)), 7),
        ([*steady(0, 1, 2, 3), (0.01, 40)], 4),
    ],
    ids=["nothing came", "not begun", "a hole", "waiting", "far ahead"],
)
def test_there_is_no_outlook_where_it_is_not_ordinary(arrivals: list[tuple[float, int]], ticks: int) -> None:
    line = Line()
    line.play(ticks, arrivals)
    assert line.buffer.outlook() is None


def test_there_is_none_in_a_rest_or_without_a_sound() -> None:
    line = Line()
    line.play(5, steady(*range(5)))
    line.buffer.rest(9)
    assert line.buffer.outlook() is None
    plain = JitterBuffer()
    for tick in range(5):
        plain.add(tick, tick * FRAME, bytes(FRAME), tick * TICK)
        plain.pop(tick * TICK)
    assert plain.outlook() is None


class Ride:
    """Plays what a buffer's outlook says, as a convoy does, for as long as all is ordinary."""

    def __init__(self, buffer: JitterBuffer, seen: Outlook) -> None:
        self._buffer = buffer
        self._waiting = list(seen.waiting)
        self._next = seen.sequence
        self._start, self._position = seen.start, seen.position
        self._came = 0
        self._last = b""
        self._delay = 0.0

    def play(self, now: float, packets: Sequence[tuple[int, bytes, float]]) -> bytes | None:
        """Play a tick with what came for it, (sequence number, payload, arrival); None if it is not ordinary."""
        prospects = self._buffer.prospects
        starts = [self._start + FRAME * place for place in range(len(packets))]
        lags = [packet[2] - start / 8000 for packet, start in zip(packets, starts, strict=True)]
        shortest = min([prospects.shortest, *lags])
        waiting = [*self._waiting, *(payload for _, payload, _ in packets)]
        delay = now - self._position / 8000 - shortest
        in_order = [packet[0] for packet in packets] == list(range(self._next, self._next + len(packets)))
        borne = all(lag - shortest + TICK <= prospects.target for lag in lags)
        if not (in_order and borne and waiting and prospects.least <= delay <= prospects.most):
            return None
        self._last, *self._waiting = waiting
        self._delay = delay
        self._next += len(packets)
        self._came += len(packets)
        self._start += FRAME * len(packets)
        self._position += FRAME
        self._buffer.follow_lags(lags, settles=True)
        return self._last

    def end(self) -> None:
        """Let the buffer go on."""
        self._buffer.follow(self._came, self._waiting, self._last, self._delay)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 0.0195), st.floats(0, 0.1)), min_size=60, max_size=200),
    st.lists(st.floats(0, 0.0195), max_size=100),
    st.sets(st.integers(1, 299), max_size=6),
    st.sampled_from([0, 65500]),
)
def test_what_was_followed_is_as_what_was_played(
    rough: list[float], even: list[float], lost: set[int], first: int
) -> None:
    """Of two buffers one is told what came and was played while that is ordinary, the other one plays it itself."""
    late = [0.0, *even, *rough, *even]
    alone, followed = (Line(first_sequence=first, first_timestamp=-30 * first & 0xFFFFFFFF) for _ in range(2))
    arrivals = sorted((number * TICK + extra, number) for number, extra in enumerate(late) if number not in lost)
    ride: Ride | None = None
    rode = 0
    for tick in range(len(late)):
        now = tick * TICK
        came = [arrivals.pop(0) for _ in range(sum(at <= now for at, _ in arrivals))]
        for at, number in came:
            alone.arrive(number, at)
        expected = alone.buffer.pop(now)
        packets = [(first + number, bytes([number % 250]) * FRAME, at) for at, number in came]
        played: bytes | Lost | None = ride.play(now, packets) if ride is not None else None
        if played is None or tick == len(late) - 1:
            if ride is not None:
                ride.end()
                ride = None
            if played is None:
                for at, number in came:
                    followed.arrive(number, at)
                played = followed.buffer.pop(now)
            assert followed.buffer.statistics() == alone.buffer.statistics()
            seen = followed.buffer.outlook()
            assert seen == alone.buffer.outlook()
            ride = Ride(followed.buffer, seen) if seen is not None else None
        else:
            rode += 1
        assert played == expected
    assert rode > 20 or len(even) < 40 or lost or max(late) > 0.0195, "or it proves little"
