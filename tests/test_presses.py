"""Each press once, whichever ways it is told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.presses import Presses

E, T, INFO = "rfc4733", "inband", "info"


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ([("1", E, 0.0)], "1"),
        ([("1", E, 0.0), ("1", T, 0.1)], "1"),
        ([("1", T, 0.0), ("1", E, 0.3)], "1"),
        ([("1", E, 0.0), ("1", E, 0.2)], "11"),
        ([("1", E, 0.0), ("1", T, 0.1), ("1", E, 0.2), ("1", T, 0.3)], "11"),
        ([("1", E, 0.0), ("1", E, 0.2), ("1", T, 0.25), ("1", T, 0.3)], "11"),
        ([("1", E, 0.0), ("2", T, 0.1), ("2", E, 0.2)], "12"),
        ([("1", E, 0.0), ("1", T, 1.5)], "11"),
    ],
)
def test_what_is_told_twice_is_one_press(told: list[tuple[str, str, float]], heard: str) -> None:
    presses = Presses()
    assert "".join(digit for digit, method, at in told if presses.is_new(digit, method, at)) == heard


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ([("1", INFO, 0.0, 3.0), ("1", E, 3.0, 3.0)], "1"),
        ([("1", E, 3.0, 3.0), ("1", INFO, 3.1, 0.25)], "1"),
        ([("1", INFO, 0.0, 0.0), ("1", E, 3.0, 0.1)], "11"),
        ([("1", INFO, 0.0, 3.0), ("1", T, 3.0, 3.0), ("1", E, 3.1, 3.0)], "1"),
        ([("1", INFO, 0.0, 3.0), ("1", E, 3.0, 3.0), ("1", INFO, 4.0, 3.0), ("1", E, 7.0, 3.0)], "11"),
    ],
    ids=["told when it goes down", "told when it comes up", "two short ones", "in all three ways", "two long ones"],
)
def test_a_long_press_is_one_however_long_it_is(told: list[tuple[str, str, float, float]], heard: str) -> None:
    presses = Presses()
    new = [digit for digit, method, at, lasted in told if presses.is_new(digit, method, at, lasted)]
    assert "".join(new) == heard


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("12#"), st.floats(0.05, 0.6)), max_size=20), st.floats(0, 0.9))
def test_three_ways_that_agree_tell_no_more_than_one(pressed: list[tuple[str, float]], later: float) -> None:
    told, at = [], 0.0
    for digit, pause in pressed:
        at += pause
        told += [(at, digit, E), (at + later, digit, T), (at + later / 2, digit, INFO)]
    presses = Presses()
    heard = [digit for at, digit, method in sorted(told) if presses.is_new(digit, method, at)]
    assert heard == [digit for digit, _ in pressed]
