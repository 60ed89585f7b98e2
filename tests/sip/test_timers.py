"""The schedule: the earliest deadline, whatever was set and changed before."""

import gc
import weakref

from sipagent.sip.timers import Schedule


class Alarm:
    def __init__(self, deadline: float | None) -> None:
        self.deadline = deadline

    def next_timer(self) -> float | None:
        return self.deadline

    def handle_timer(self, now: float) -> None:
        self.deadline = None


def test_machines_come_due_in_order() -> None:
    schedule, late, early = Schedule(), Alarm(3.0), Alarm(1.0)
    for alarm in (late, early):
        schedule.update(alarm)
    assert schedule.next() == 1.0
    assert schedule.pop_due(0.9) is None
    assert schedule.pop_due(3.0) is early
    assert schedule.pop_due(3.0) is late
    assert schedule.next() is None


def test_only_the_newest_deadline_of_a_machine_counts() -> None:
    schedule, alarm = Schedule(), Alarm(1.0)
    schedule.update(alarm)
    alarm.deadline = 5.0
    schedule.update(alarm)
    assert schedule.next() == 5.0
    alarm.deadline = None
    schedule.update(alarm)
    assert schedule.next() is None


def test_a_deadline_that_comes_back_counts_once() -> None:
    schedule, alarm = Schedule(), Alarm(1.0)
    for deadline in (1.0, 5.0, 1.0):
        alarm.deadline = deadline
        schedule.update(alarm)
    assert schedule.pop_due(9.0) is alarm
    assert schedule.pop_due(9.0) is None


def test_machines_without_a_deadline_are_not_kept_until_the_one_they_had() -> None:
    schedule, lasting = Schedule(), Alarm(5000.0)
    schedule.update(lasting)
    gone = []
    for number in range(1000):
        alarm = Alarm(1800.0 + number)
        schedule.update(alarm)
        alarm.deadline = None
        schedule.update(alarm)
        gone.append(weakref.ref(alarm))
    del alarm

    gc.collect()
    assert sum(each() is not None for each in gone) <= 10
    assert schedule.next() == 5000.0
