"""The two doors of an event stream: handlers and iterators."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from sipagent import DigitReceived, Disconnected, Event, ProviderEvent, SpeechEnded, SpeechStarted
from sipagent.stream import AUDIO, BACKLOG, EventStream
from sipagent.testing.clock import run


def unexpected(error: BaseException) -> None:
    raise AssertionError from error


def one(digit: str) -> DigitReceived:
    return DigitReceived(digit=digit)


def test_handlers_get_the_events_of_their_type_in_order() -> None:
    stream, digits, everything = EventStream(unexpected), list[Event](), list[Event]()
    stream.on(DigitReceived, digits.append)
    stream.on(Event, everything.append)
    for event in (one("1"), SpeechStarted(), one("2")):
        stream.publish(event)
    assert digits == [one("1"), one("2")]
    assert everything == [one("1"), SpeechStarted(), one("2")]


def test_off_removes_one_handler_or_all_of_a_type() -> None:
    stream, heard = EventStream(unexpected), list[str]()

    def first(event: Event) -> None:
        heard.append("first")

    def second(event: Event) -> None:
        heard.append("second")

    stream.off(SpeechStarted, first)
    for handler in (first, second):
        stream.on(SpeechStarted, handler)
        stream.on(SpeechEnded, handler)
    stream.off(SpeechStarted, first)
    stream.publish(SpeechStarted())
    stream.off(SpeechEnded)
    stream.publish(SpeechEnded())
    assert heard == ["second"]


def test_a_handler_that_removes_itself_disturbs_nobody() -> None:
    stream, heard = EventStream(unexpected), list[str]()

    def once(event: SpeechStarted) -> None:
        heard.append("once")
        stream.off(SpeechStarted, once)

    stream.on(SpeechStarted, once)
    stream.on(SpeechStarted, lambda event: heard.append("always"))
    stream.publish(SpeechStarted())
    stream.publish(SpeechStarted())
    assert heard == ["once", "always", "always"]


def test_what_a_handler_raises_stops_neither_the_others_nor_the_publisher() -> None:
    failures, heard = list[BaseException](), list[Event]()
    stream = EventStream(failures.append)

    def fail(event: Event) -> None:
        raise RuntimeError("out of order")

    stream.on(Event, fail)
    stream.on(Event, heard.append)
    stream.publish(SpeechStarted())
    assert heard == [SpeechStarted()]
    assert [str(failure) for failure in failures] == ["out of order"]


@pytest.mark.parametrize("handler", [None, "handler", 7])
def test_a_handler_that_cannot_be_called_is_an_error_at_once(handler: object) -> None:
    with pytest.raises(TypeError, match="callable"):
        EventStream(unexpected).on(SpeechStarted, handler)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["SpeechStarted", str, SpeechStarted()])
def test_events_are_named_by_their_class(kind: object) -> None:
    with pytest.raises(TypeError, match="named by their class"):
        EventStream(unexpected).on(kind, print)  # type: ignore[arg-type]


def test_the_first_subscriber_misses_nothing_and_the_second_what_came_before() -> None:
    async def main() -> tuple[list[Event], list[Event]]:
        stream = EventStream(unexpected)
        stream.publish(one("1"))
        first = stream.subscribe()
        stream.publish(one("2"))
        second = stream.subscribe()
        stream.finish(Disconnected())
        return [event async for event in first], [event async for event in second]

    assert run(main()) == ([one("1"), one("2"), Disconnected()], [Disconnected()])


def test_who_is_very_late_gets_the_latest_events() -> None:
    async def main() -> list[Event]:
        stream = EventStream(unexpected)
        for number in range(BACKLOG + 7):
            stream.publish(one(str(number)))
        stream.finish(Disconnected())
        return [event async for event in stream.subscribe()]

    events = run(main())
    assert len(events) == BACKLOG
    assert events[-2:] == [one(str(BACKLOG + 6)), Disconnected()]


def test_audio_is_not_kept_for_who_is_late() -> None:
    created = ProviderEvent(provider="openai", type="session.created", data={"session": {"voice": "x" * AUDIO}})
    chunk = ProviderEvent(provider="cartesia", type="chunk", data={"type": "chunk", "data": "/" * AUDIO})

    async def main() -> list[Event]:
        stream = EventStream(unexpected)
        for event in (created, chunk, one("1")):
            stream.publish(event)
        late = stream.subscribe()
        stream.publish(chunk)
        stream.finish(Disconnected())
        return [event async for event in late]

    assert run(main()) == [created, one("1"), chunk, Disconnected()]


def test_nothing_is_kept_where_nobody_will_ask() -> None:
    async def main() -> list[Event]:
        stream = EventStream(unexpected)
        stream.publish(one("1"))
        stream.forget()
        stream.publish(one("2"))
        late = stream.subscribe()
        stream.publish(one("3"))
        stream.finish(Disconnected())
        return [event async for event in late]

    assert run(main()) == [one("3"), Disconnected()]


def test_after_the_last_event_nothing_comes() -> None:
    stream, heard = EventStream(unexpected), list[Event]()
    stream.on(Event, heard.append)
    stream.finish(Disconnected())
    stream.publish(one("1"))
    stream.finish(Disconnected())
    assert heard == [Disconnected()]


def test_what_is_published_on_account_of_the_end_comes_before_it() -> None:
    """The agent, told of the end, says what was heard of its last words: the record, which listens longer, has both."""

    async def main() -> tuple[list[Event], list[Event]]:
        stream, record = EventStream(unexpected), list[Event]()
        stream.on(Event, record.append)
        stream.on(Disconnected, lambda event: stream.publish(one("9")))
        iterator = stream.subscribe()
        stream.finish(Disconnected())
        return record, [event async for event in iterator]

    assert run(main()) == ([one("9"), Disconnected()],) * 2


def test_an_iterator_that_is_left_is_forgotten() -> None:
    async def main() -> list[Event]:
        stream = EventStream(unexpected)
        events = stream.subscribe()
        stream.publish(one("1"))
        async for _ in events:
            break
        await events.aclose()
        stream.publish(one("2"))
        later = stream.subscribe()
        stream.finish(Disconnected())
        return [event async for event in later]

    assert run(main()) == [Disconnected()]


def test_a_coroutine_handler_runs_as_a_task_and_may_fail_later() -> None:
    async def main() -> list[BaseException]:
        failures = list[BaseException]()
        stream = EventStream(failures.append)

        async def fail(event: Event) -> None:
            await asyncio.sleep(1)
            raise RuntimeError("late")

        stream.on(Event, fail)
        stream.publish(SpeechStarted())
        assert failures == []
        await asyncio.sleep(2)
        return failures

    assert [str(failure) for failure in run(main())] == ["late"]


PLACE: ContextVar[str] = ContextVar("PLACE", default="elsewhere")


def test_a_handler_runs_where_it_was_named() -> None:
    """The units of a scenario find their surroundings in its handlers too."""

    async def main() -> list[str]:
        stream, places = EventStream(unexpected), list[str]()

        async def later(event: Event) -> None:
            await asyncio.sleep(0)
            places.append(PLACE.get())

        def scenario() -> None:
            PLACE.set("the scenario")
            stream.on(SpeechStarted, lambda event: places.append(PLACE.get()))
            stream.on(SpeechStarted, later)

        copy_context().run(scenario)
        stream.publish(SpeechStarted())
        await asyncio.sleep(1)
        assert PLACE.get() == "elsewhere"
        return places

    assert run(main()) == ["the scenario", "the scenario"]


def test_a_handler_may_publish_what_it_listens_to() -> None:
    stream, digits = EventStream(unexpected), list[str]()

    def double(event: DigitReceived) -> None:
        digits.append(event.digit)
        if len(digits) < 3:
            stream.publish(one(event.digit * 2))

    stream.on(DigitReceived, double)
    stream.publish(one("1"))
    assert digits == ["1", "11", "1111"]


def test_handlers_that_take_too_long_are_cancelled() -> None:
    async def main() -> list[str]:
        stream, ended = EventStream(unexpected), list[str]()

        async def wait(seconds: float) -> None:
            try:
                await asyncio.sleep(seconds)
                ended.append(f"{seconds:g} s")
            finally:
                ended.append("over")

        stream.on(SpeechStarted, lambda event: wait(1))
        stream.on(SpeechStarted, lambda event: wait(3600))
        stream.publish(SpeechStarted())
        await stream.handled(5)
        assert asyncio.get_running_loop().time() == 5
        await asyncio.sleep(0)
        await stream.handled(5)
        assert asyncio.get_running_loop().time() == 5
        return ended

    assert run(main()) == ["1 s", "over", "over"]
