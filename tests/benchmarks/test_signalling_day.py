"""The judge of the day: a fair one passes, and one without a network is seen to have failed."""

from tests.benchmarks.signalling_day import live


def test_every_call_of_an_afternoon_meets_its_fate_and_nothing_is_left() -> None:
    day = live(4.0, 200)
    assert day.passed
    assert day.registrations >= 10 * 4 * 3600 / 300
    assert day.refreshes > 0


def test_calls_without_a_network_are_strays() -> None:
    day = live(1.0, 20, loss=1.0)
    assert not day.passed
    assert (day.registrations, day.left_over) == (0, 0)
    assert day.strays >= 18, "calls that are taken back may look as they should"
