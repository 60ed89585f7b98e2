"""When reports leave: spread over the seconds, and by no two calls alike."""

from statistics import mean

from sipagent.rtp.report_interval import ReportInterval


def drawn(seed: int, count: int = 1000) -> list[float]:
    interval = ReportInterval(seed)
    return [interval.draw() for _ in range(count)]


def test_intervals_are_spread_evenly_over_half_to_one_and_a_half_of_five_seconds() -> None:
    intervals = drawn(0xCAFE)
    assert 2.5 <= min(intervals) < 2.6
    assert 7.4 < max(intervals) < 7.5
    assert 4.8 < mean(intervals) < 5.2


def test_calls_opened_together_soon_report_apart() -> None:
    times = [sum(drawn(ssrc, 5)) for ssrc in range(1, 101)]
    assert max(sum(abs(one - other) < 0.5 for other in times) for one in times) < 30


def test_a_replay_draws_the_same() -> None:
    assert drawn(7) == drawn(7)
