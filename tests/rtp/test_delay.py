"""The target delay: what the jitter of the last packets asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.rtp.delay import BATCH, MAXIMUM, MINIMUM, DelayEstimate


def estimate(*extra: float, start: float = 0.0) -> DelayEstimate:
    """An estimate from 20 ms packets with so much extra delay each, on a path of 30 ms."""
    delay = DelayEstimate(frame=0.02)
    for index, late in enumerate(extra):
        delay.add(index * 0.02, start + index * 0.02 + 0.03 + late)
        delay.settle()
    return delay


def test_an_even_stream_needs_the_minimum() -> None:
    assert estimate(*[0.0] * 200).target == MINIMUM


def test_the_target_covers_the_jitter_and_a_frame() -> None:
    assert estimate(*[0.0, 0.05] * 25).target == pytest.approx(0.07)


def test_one_packet_of_a_hundred_may_be_late() -> None:
    assert estimate(*([0.0] * 99 + [0.3]) * 5).target == MINIMUM
    assert estimate(*([0.0] * 49 + [0.3]) * 10).target == pytest.approx(0.32)


def test_the_target_has_an_upper_bound() -> None:
    assert estimate(*[0.0, 2.0] * 25).target == MAXIMUM


def test_ten_seconds_of_calm_bring_it_down() -> None:
    assert estimate(*[0.0, 0.05] * 25, *[0.0] * 500).target == MINIMUM


def test_one_stall_is_no_jitter_even_in_the_first_second() -> None:
    assert estimate(*[0.0] * 20, 0.06, 0.04, 0.02).target == pytest.approx(MINIMUM)


def test_jitter_is_borne_as_soon_as_it_shows() -> None:
    assert estimate(*[0.0] * 20, *[0.06, 0.0] * 4).target == pytest.approx(0.08)


def test_a_path_that_became_longer_is_no_jitter_after_two_seconds() -> None:
    assert estimate(*[0.0] * 500, *[0.2] * 50).target == pytest.approx(0.22)
    assert estimate(*[0.0] * 500, *[0.2] * 150).target == MINIMUM


@pytest.mark.parametrize("drift", [0.001, 0.03])
def test_a_path_that_becomes_longer_and_longer_is_hardly_jitter(drift: float) -> None:
    lags = [number * 0.02 * drift for number in range(2000)]
    delay = estimate(*lags)
    assert delay.target <= MINIMUM + 3 * drift
    assert delay.of(40.0, now=40.0 + lags[-1] + 0.03) <= 3 * drift


def test_the_delay_of_a_sample_counts_from_its_earliest_possible_arrival() -> None:
    delay = estimate(0.01, 0.0, 0.02, start=100.0)
    assert delay.of(0.04, now=100.09) == pytest.approx(0.02)


def test_a_late_packet_raises_the_target_at_once() -> None:
    delay = estimate(0.0)
    delay.raise_to(0.1)
    assert delay.target == pytest.approx(0.12)
    delay.raise_to(0.05)
    assert delay.target == pytest.approx(0.12)
    delay.raise_to(3.0)
    assert delay.target == MAXIMUM


def test_a_new_stream_starts_from_its_own_first_packet() -> None:
    delay = estimate(*[0.0, 0.05] * 25)
    delay.forget()
    delay.add(500.0, 7.0)
    assert delay.of(500.0, now=7.02) == pytest.approx(0.02)
    assert delay.target == pytest.approx(0.07)


@given(
    st.lists(st.floats(0, 0.1), min_size=1, max_size=60),
    st.lists(st.floats(-0.02, 0.1), max_size=700),
    st.integers(1, 70),
)
def test_lags_that_the_target_bears_are_taken_together_as_they_are_one_by_one(
    before: list[float], extra: list[float], most: int
) -> None:
    """What it does not bear, a convoy leaves to `add`; who settles does so after so many as it took."""
    one, many = DelayEstimate(frame=0.02), DelayEstimate(frame=0.02)
    lags = list[float]()

    def settle() -> None:
        if lags:
            many.follow(lags)
            lags.clear()
        for delay in (one, many):
            delay.settle()
        assert known(many) == known(one)

    for number, late in enumerate([*before, *extra]):
        media_time, arrival = number * 0.02, number * 0.02 + 0.03 + late
        lag = arrival - media_time
        shortest = min(one.shortest, lag)
        if number < len(before) or lag - shortest + 0.02 > one.target:
            settle()
            for delay in (one, many):
                delay.add(media_time, arrival)
        else:
            one.add(media_time, arrival)
            lags.append(lag)
        if len(lags) == most or one.count >= BATCH:
            settle()
    settle()


def known(delay: DelayEstimate) -> tuple[float, float, int, bool, float]:
    """All that can be asked of an estimate."""
    return delay.target, delay.shortest, delay.count, delay.is_known, delay.of(7.0, now=7.1)
