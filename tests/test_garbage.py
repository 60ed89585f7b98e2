"""When calls that are over are collected, by the events of a phone on virtual time."""

import asyncio
import gc

from sipagent.events import CallAnswered, Disconnected, Event, Stamped
from sipagent.garbage import AFTERWARDS, FEWEST, EndedCalls, only_when_told
from sipagent.testing.clock import run


class Phone:
    """Calls that come and go, and how often somebody collected."""

    def __init__(self) -> None:
        self.collections = 0
        self.calls = EndedCalls(self._collect)

    def answer(self, *names: str) -> None:
        for name in names:
            self._tell(name, CallAnswered(codec="pcmu"))

    def hang_up(self, *names: str) -> None:
        for name in names:
            self._tell(name, Disconnected())

    def _tell(self, name: str, event: Event) -> None:
        self.calls.take(Stamped(time=0.0, call_id=name, event=event))

    def _collect(self) -> None:
        self.collections += 1


def some(count: int, prefix: str = "call") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_it_is_done_when_the_last_call_is_over_and_nothing_of_it_runs_any_more() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer("first", "second")
        phone.hang_up("first")
        await asyncio.sleep(10 * AFTERWARDS)
        assert phone.collections == 0, "somebody still talks"
        phone.hang_up("second")
        await asyncio.sleep(AFTERWARDS / 2)
        assert phone.collections == 0
        await asyncio.sleep(AFTERWARDS)
        assert phone.collections == 1

    run(main())


def test_a_phone_that_is_never_quiet_does_it_when_as_many_have_ended_as_go_on() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer(*some(2 * FEWEST, "long"))
        for count, collections in ((2 * FEWEST - 1, 0), (1, 1), (2 * FEWEST - 1, 1), (1, 2)):
            phone.answer(*some(count))
            phone.hang_up(*some(count))
            await asyncio.sleep(2 * AFTERWARDS)
            assert phone.collections == collections

    run(main())


def test_a_few_short_calls_beside_one_that_lasts_are_not_worth_it() -> None:
    async def main() -> None:
        phone = Phone()
        phone.answer("long", *some(FEWEST - 1))
        phone.hang_up(*some(FEWEST - 1))
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.collections == 0
        phone.hang_up("never answered")
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.collections == 1

    run(main())


def test_nothing_is_collected_after_the_phone() -> None:
    async def main() -> None:
        phone = Phone()
        phone.hang_up("call")
        phone.calls.close()
        await asyncio.sleep(2 * AFTERWARDS)
        assert phone.collections == 0

    run(main())


def test_what_stands_is_frozen_and_everything_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with only_when_told():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[:2] == before[:2]
        assert gc.get_threshold()[2] > 1_000_000
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
