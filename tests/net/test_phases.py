"""When in every 20 ms which legs are moved."""

import pytest

from sipagent.net.phases import FULL, PHASES, Phases


def filled(legs: int) -> tuple[Phases, list[int]]:
    phases = Phases()
    return phases, [phases.join() for _ in range(legs)]


def test_few_legs_share_one_phase_and_the_others_are_slept_through() -> None:
    phases, joined = filled(FULL)
    assert set(joined) == {0}
    assert [phases.next(point) for point in (0, 1, PHASES - 1)] == [PHASES] * 3


@pytest.mark.parametrize("legs", [FULL + 1, 100, 300, 1000])
def test_many_legs_are_spread(legs: int) -> None:
    _, joined = filled(legs)
    used = [0, 2, 4, 1, 3][: (legs - 1) // FULL + 1]
    assert set(joined) == {*used}
    assert max(map(joined.count, used)) <= max(FULL, legs / PHASES + 1)


def test_every_used_phase_is_woken_for_once_a_tick() -> None:
    phases, _ = filled(2 * FULL + 1)
    point, ticks = 0, []
    while point < 3 * PHASES:
        point = phases.next(point)
        ticks += phases.due(point, point)
    assert ticks == [(0, 2), (0, 4), (1, 0), (1, 2), (1, 4), (2, 0), (2, 2), (2, 4), (3, 0)]


def test_after_a_late_wake_up_each_phase_is_moved_once() -> None:
    phases, _ = filled(2 * FULL)
    assert phases.due(PHASES, 4 * PHASES + 2) == [(4, 0), (4, 2)]


def test_a_leg_that_ends_leaves_room_for_the_next() -> None:
    phases, joined = filled(PHASES * FULL)
    assert joined.count(3) == FULL
    for _ in range(FULL):
        phases.leave(3)
    assert phases.next(2) == 4
    assert [phases.join() for _ in range(3)] == [3, 3, 3]
    assert phases.next(2) == 3
