"""The schedule: whose time has come, and that nobody is kept whose time will never come."""

import gc
import weakref

from sipagent.sip.timers import Schedule


class Clock:
    """A machine with one deadline, which it has until somebody takes it away."""

    def __init__(self, deadline: float | None) -> None:
        self.deadline = deadline

    def handle_timer(self, now: float) -> None:
        self.deadline = None

    def next_timer(self) -> float | None:
        return self.deadline


def test_the_earliest_is_due_first_and_only_by_its_last_word() -> None:
    schedule, early, late = Schedule(), Clock(1.0), Clock(2.0)
    for clock in (late, early):
        schedule.update(clock)
    early.deadline = 3.0
    schedule.update(early)

    assert schedule.next() == 2.0
    assert schedule.pop_due(1.9) is None
    assert [schedule.pop_due(5.0) for _ in range(3)] == [late, early, None]
    assert not schedule


def test_machines_that_have_no_deadline_any_more_are_not_kept_until_it() -> None:
    schedule, lasting = Schedule(), Clock(5000.0)
    schedule.update(lasting)
    gone = []
    for number in range(1000):
        clock = Clock(1800.0 + number)
        schedule.update(clock)
        clock.deadline = None
        schedule.update(clock)
        gone.append(weakref.ref(clock))
    del clock

    gc.collect()
    assert sum(each() is not None for each in gone) <= 10
    assert schedule.next() == 5000.0
