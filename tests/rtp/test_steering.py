"""Steering the delay to its target: what is minded, which way, and how long we wait for silence."""

import pytest

from sipagent.rtp.steering import Steering

TARGET = 0.06


@pytest.mark.parametrize(
    ("delay", "direction"), [(0.2, 1), (0.075, 1), (0.069, 0), (0.06, 0), (0.04, 0), (0.031, 0), (0.025, -1), (0.0, -1)]
)
def test_a_little_more_or_less_than_needed_is_not_minded(delay: float, direction: int) -> None:
    assert Steering().direction(delay, TARGET) == direction


@pytest.mark.parametrize(("delay", "direction"), [(0.2, 1), (0.0, -1)])
def test_speech_is_spliced_after_a_second_where_it_is_alike_and_after_five_anywhere(
    delay: float, direction: int
) -> None:
    steering = Steering()
    likeness = []
    for _ in range(260):
        assert steering.direction(delay, TARGET) == direction
        course = steering.in_speech(direction)
        likeness.append(course.least_likeness if course is not None else None)
        if course is not None:
            assert min(direction * shift for shift in course.shifts) == 40
    assert likeness[:50] == [None] * 50
    assert likeness[50:250] == [0.8] * 200
    assert likeness[250:] == [0.0] * 10


def test_between_two_splices_of_speech_are_a_hundred_milliseconds() -> None:
    steering = Steering()
    spliced = []
    for frame in range(80):
        if steering.in_speech(steering.direction(0.2, TARGET)):
            steering.moved()
            spliced.append(frame)
    assert spliced == list(range(50, 80, 6))


def test_a_delay_that_was_right_for_a_moment_is_waited_for_anew() -> None:
    steering = Steering()
    for _ in range(50):
        steering.direction(0.2, TARGET)
    steering.direction(TARGET, TARGET)
    assert steering.in_speech(steering.direction(0.2, TARGET)) is None
