"""When the memory of calls that are over is given back, by the events of a phone on virtual time."""

import asyncio
import gc
import weakref

from sipagent.events import CallAnswered, Disconnected, Event, Stamped
from sipagent.memory import AFTERWARDS, MOST, EndedCalls, give_back, spared
from sipagent.testing.clock import run


class Phone:
    """Calls that come and go, and how often memory was given back."""

    def __init__(self) -> None:
        self.times = 0
        self.calls = EndedCalls(self._give_back)

    def answer(self, *names: str) -> None:
        for name in names:
            self._tell(name, CallAnswered(codec="pcmu"))

    def hang_up(self, *names: str) -> None:
        for name in names:
            self._tell(name, Disconnected())

    def _tell(self, name: str, event: Event) -> None:
        self.calls.take(Stamped(time=0.0, call_id=name, event=event))

    def _give_back(self) -> None:
        self.times += 1


def some(count: int, prefix: str = "call") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_it_is_done_when_the_last_call_is_over_and_nothing_of_it_runs_any_more() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer("first", "second")
        phone.hang_up("first")
        await asyncio.sleep(10 * AFTERWARDS)
        assert phone.times == 0, "somebody still talks"
        phone.hang_up("second")
        await asyncio.sleep(AFTERWARDS / 2)
        assert phone.times == 0
        await asyncio.sleep(AFTERWARDS)
        assert phone.times == 1

    run(main())


def test_a_phone_that_is_never_quiet_does_it_once_in_a_thousand_calls() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer("long")
        for count, times in ((MOST - 1, 0), (1, 1), (MOST - 1, 1), (1, 2)):
            phone.answer(*some(count))
            phone.hang_up(*some(count))
            await asyncio.sleep(2 * AFTERWARDS)
            assert phone.times == times

    run(main())


def test_calls_that_were_never_answered_count_too() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer("long")
        phone.hang_up(*some(MOST))
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.times == 1

    run(main())


def test_who_calls_meanwhile_is_not_disturbed() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer("first")
        phone.hang_up("first")
        await asyncio.sleep(AFTERWARDS / 2)
        phone.answer("second")
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.times == 0
        phone.hang_up("second")
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.times == 1

    run(main())


def test_nothing_is_done_after_the_phone() -> None:
    async def main() -> None:
        phone = Phone()
        phone.hang_up("call")
        phone.calls.close()
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.times == 0

    run(main())


def test_what_stands_is_frozen_and_everything_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with spared():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[:2] == before[:2]
        assert gc.get_threshold()[2] > 1_000_000
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def test_garbage_is_collected_when_memory_is_given_back() -> None:
    class Agent:
        def __init__(self) -> None:
            self.me = self

    forgotten = weakref.ref(Agent())
    give_back()
    assert forgotten() is None
