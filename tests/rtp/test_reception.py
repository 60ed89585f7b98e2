"""The sums of a receiver, from the appendix of RFC 3550: A.1 sequence numbers, A.3 loss, A.8 jitter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.rtp.reception import Reception
from sipagent.rtp.rtcp import ReportBlock


def reception(*sequences: int) -> Reception:
    """A source that sent these packets, 20 ms apart and in time."""
    source = Reception(ssrc=7, first_sequence=sequences[0], clock_rate=8000)
    for index, sequence in enumerate(sequences):
        source.receive(sequence, index * 160, index * 0.02)
    return source


def report(source: Reception) -> ReportBlock:
    return source.take_block(last_report=0, delay=0)


# ---- A.1


@pytest.mark.parametrize(
    ("arriving", "extended"),
    [
        ([10, 11, 12], [10, 11, 12]),
        ([10, 13, 14], [10, 13, 14]),
        ([10, 12, 11, 13], [10, 12, 11, 13]),
        ([65534, 65535, 0, 1], [65534, 65535, 65536, 65537]),
        ([65534, 0, 65535, 1], [65534, 65536, 65535, 65537]),
        ([65535, 2998], [65535, 68534]),
        ([10, 11, 11, 12], [10, 11, None, 12]),
        ([10, 12, 11, 11], [10, 12, 11, None]),
        ([0, 65535], [0, -1]),
    ],
    ids=["order", "loss", "swap", "wrap", "swap at the wrap", "leap", "twin", "late twin", "first two swapped"],
)
def test_sequence_numbers_are_extended(arriving: list[int], extended: list[int | None]) -> None:
    source = Reception(ssrc=7, first_sequence=arriving[0], clock_rate=8000)
    assert [source.receive(number, 0, 0.0) for number in arriving] == extended


@given(st.lists(st.one_of(st.just(1), st.just(1), st.integers(-90, 40)), max_size=40), st.integers(0, 65535))
def test_each_number_counts_once_whatever_the_order(steps: list[int], first: int) -> None:
    """After a run without a gap, as after any: of the last 128 numbers it is known which have come."""
    source = Reception(ssrc=7, first_sequence=first, clock_rate=8000)
    highest, number, seen = first, first, set[int]()
    for step in [0, *[1] * 130, *steps, *[1] * 130, *steps]:
        number = max(number + step, highest - 90)
        expected = None if number in seen else number
        assert source.receive(number % 65536, 0, 0.0) == expected
        seen.add(number)
        highest = max(highest, number)
    assert source.lost == highest - first + 1 - source.received


@pytest.mark.parametrize(
    ("sequence", "verdict"),
    [(1000, True), (1001, True), (3999, True), (4000, False), (901, True), (900, False), (33768, False)],
)
def test_a_run_goes_on_within_3000_ahead_and_100_behind(sequence: int, verdict: bool) -> None:
    assert reception(1000).continues(sequence) is verdict


def test_an_origin_is_added_for_us_and_not_for_the_sender() -> None:
    source = Reception(ssrc=7, first_sequence=5, clock_rate=8000, origin=131072)
    assert source.receive(5, 0, 0.0) == 131077
    assert report(source).highest_sequence == 5


# ---- A.3


def test_nothing_lost() -> None:
    block = report(reception(1, 2, 3, 4))
    assert (block.ssrc, block.fraction_lost, block.cumulative_lost, block.highest_sequence) == (7, 0, 0, 4)


def test_one_of_four_lost_is_a_quarter_of_256() -> None:
    block = report(reception(1, 2, 4))
    assert (block.fraction_lost, block.cumulative_lost) == (64, 1)


def test_the_fraction_is_of_the_interval_and_the_sum_of_all() -> None:
    source = reception(1, 2, 4)
    report(source)
    for sequence in range(5, 13):
        source.receive(sequence, sequence * 160, sequence * 0.02)
    assert (report(source).fraction_lost, source.lost) == (0, 1)


def test_duplicates_can_make_loss_negative_but_no_fraction() -> None:
    block = report(reception(1, 2, 2, 2))
    assert (block.fraction_lost, block.cumulative_lost) == (0, -2)


def test_a_loss_at_the_wrap_is_one_loss() -> None:
    block = report(reception(65534, 0))
    assert (block.cumulative_lost, block.highest_sequence) == (1, 65536)


def test_news_are_over_once_reported() -> None:
    source = reception(1, 2)
    assert source.has_news
    report(source)
    assert not source.has_news


# ---- A.8


def jitter(*packets: tuple[int, float]) -> float:
    """Jitter in timestamp units after packets of these timestamps and arrivals."""
    source = Reception(ssrc=7, first_sequence=0, clock_rate=8000)
    for sequence, (timestamp, arrival) in enumerate(packets):
        source.receive(sequence, timestamp, arrival)
    return source.jitter


def test_packets_in_time_have_no_jitter() -> None:
    assert jitter((0, 0.0), (160, 0.02), (320, 0.04)) == pytest.approx(0)


def test_a_change_of_transit_counts_a_sixteenth() -> None:
    assert jitter((0, 0.0), (160, 0.03)) == pytest.approx(80 / 16)
    assert jitter((0, 0.0), (160, 0.03), (320, 0.05)) == pytest.approx(5 - 5 / 16)


def test_silence_that_was_not_sent_is_no_jitter() -> None:
    assert jitter((0, 0.0), (8000, 1.0)) == pytest.approx(0)


def test_the_timestamp_wraps() -> None:
    assert jitter((0xFFFFFFFF - 79, 0.0), (80, 0.02)) == pytest.approx(0)


def test_the_packets_of_one_telephone_event_say_nothing_of_the_network() -> None:
    assert jitter((0, 0.0), (160, 0.02), (160, 0.04), (160, 0.06), (640, 0.08)) == pytest.approx(0)


def test_a_jitter_beyond_what_a_report_can_say_is_the_most_that_it_can() -> None:
    source = Reception(ssrc=7, first_sequence=0, clock_rate=8000)
    for sequence in range(60):
        source.receive(sequence, sequence % 2 * 0x7FFFFFFF, sequence * 0.02)
    source.hear_by(48000)
    assert report(source).jitter == 0xFFFFFFFF


# ---- many at once


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.integers(-300, 300), max_size=40),
    st.lists(st.floats(0, 0.5), min_size=1, max_size=300),
    st.lists(st.integers(1, 100), min_size=1, max_size=5),
    st.integers(1, 100000),
)
def test_packets_that_follow_one_another_are_counted_at_once_as_they_are_one_by_one(
    first: int, timestamp: int, before: list[int], late: list[float], batches: list[int], gap: int
) -> None:
    """Whatever came before them, both numbers may wrap on the way."""
    one, many = (Reception(ssrc=7, first_sequence=first, clock_rate=8000, origin=3 << 16) for _ in range(2))
    now = 0.0
    for place, leap in enumerate([0, *before]):
        for source in (one, many):
            source.receive((first + leap) & 0xFFFF, (timestamp + 160 * place) & 0xFFFFFFFF, now)
        now += 0.02
    timestamp, waiting, batch = (timestamp + 160 * len(before) + gap) & 0xFFFFFFFF, list(late), 0
    while waiting:
        size = batches[batch % len(batches)]
        came, waiting = waiting[:size], waiting[size:]
        arrivals = [now + 0.02 * place + extra for place, extra in enumerate(came)]
        many.follow(timestamp, 160, arrivals)
        for arrival in arrivals:
            expected = one.highest_sequence + 1
            assert one.receive(expected & 0xFFFF, timestamp, arrival) == expected
            timestamp = (timestamp + 160) & 0xFFFFFFFF
        now += 0.02 * len(came)
        batch += 1
    assert many.highest_sequence == one.highest_sequence
    assert (many.jitter, many.lost, many.duplicates) == (one.jitter, one.lost, one.duplicates)
    assert report(many) == report(one)
    for behind in range(-3, 140):  # what has come before is a twin for both, and the jitter goes on alike
        sequence = (one.highest_sequence - behind) & 0xFFFF
        assert many.receive(sequence, timestamp, now) == one.receive(sequence, timestamp, now)
    assert (many.jitter, many.duplicates) == (one.jitter, one.duplicates)
