"""When in every 20 ms which legs are moved."""

import pytest

from sipagent.net.phases import LONG, PHASES, Phases


def filled(legs: int, *, cost: float) -> tuple[Phases, list[int]]:
    """Phases in which each leg takes `cost` seconds, and those that so many legs, one after the other, were given."""
    phases, joined = Phases(), []
    for _ in range(legs):
        joined.append(phases.join())
        for phase in range(PHASES):
            spend(phases, phase, cost * joined.count(phase))
    return phases, joined


def spend(phases: Phases, phase: int, seconds: float) -> None:
    """Let a phase take as long in every tick, until that is known."""
    for _ in range(100):
        phases.took(phase, seconds)


def test_legs_that_cost_little_share_one_phase_and_the_others_are_slept_through() -> None:
    phases, joined = filled(90, cost=LONG / 100)
    assert set(joined) == {0}
    assert [phases.next(point) for point in (0, 1, PHASES - 1)] == [PHASES] * 3


@pytest.mark.parametrize(("legs", "used"), [(100, 1), (102, 2), (250, 3), (1000, 5)])
def test_many_legs_are_spread_evenly_over_no_more_phases_than_they_need(legs: int, used: int) -> None:
    _, joined = filled(legs, cost=LONG / 99.5)
    assert set(joined) == {*(0, 2, 4, 1, 3)[:used]}
    assert max(map(joined.count, joined)) <= max(100, legs / PHASES + 1)


def test_a_few_legs_that_cost_much_are_spread_too() -> None:
    _, joined = filled(30, cost=LONG / 5)
    assert [joined.count(phase) for phase in range(PHASES)] == [6] * PHASES


def test_one_dear_tick_begins_no_phase() -> None:
    phases, _ = filled(10, cost=LONG / 100)
    phases.took(0, LONG)
    assert phases.join() == 0


def test_every_used_phase_is_woken_for_once_a_tick() -> None:
    phases, _ = filled(3, cost=2 * LONG)
    point, ticks = 0, []
    while point < 3 * PHASES:
        point = phases.next(point)
        ticks += phases.due(point, point)
    assert ticks == [(0, 2), (0, 4), (1, 0), (1, 2), (1, 4), (2, 0), (2, 2), (2, 4), (3, 0)]


def test_after_a_late_wake_up_each_phase_is_moved_once() -> None:
    phases, _ = filled(2, cost=2 * LONG)
    assert phases.due(PHASES, 4 * PHASES + 2) == [(4, 0), (4, 2)]


def test_the_phase_that_takes_least_is_given_to_the_next_leg() -> None:
    phases, _ = filled(5, cost=2 * LONG)
    spend(phases, 3, LONG / 2)
    assert phases.join() == 3


def test_a_phase_whose_legs_have_ended_is_as_it_was_before() -> None:
    phases, _ = filled(2, cost=2 * LONG)
    phases.leave(2)
    assert phases.next(0) == PHASES
    assert phases.join() == 2, "the first one is as full as before"
    spend(phases, 0, 0.0)
    phases.leave(2)
    assert phases.join() == 0
