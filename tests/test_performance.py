"""A scenario on a call: how it begins, fails and ends, and what the caller hears of that."""

import asyncio

import pytest

from sipagent import DigitReceived, Disconnected, InboundCall
from sipagent.clips import shipped
from sipagent.events import CallAnswered
from sipagent.performance import GRACE
from tests.exchange import Exchange
from tests.handset import TONE

SPEECH = b"\x10" * 80_000
"""Ten seconds that can be told from an apology."""


def heard_of(exchange: Exchange) -> bytes:
    return b"".join(heard.packet.payload for heard in exchange.handset.heard)


async def until_over(exchange: Exchange) -> None:
    await exchange.handset.calls()
    await exchange.handset.is_hung_up_on()
    assert await exchange.phone.idle(1)


def test_a_scenario_that_fails_before_the_answer_refuses_the_call(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(incoming: InboundCall) -> None:
        incoming.ring()
        raise RuntimeError("out of order")

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 480
        assert await exchange.phone.idle(1)

    Exchange(fails).tell(story)
    (record,) = caplog.records
    assert "call-1" in record.message
    assert "RuntimeError: out of order" in record.message


def test_a_scenario_that_does_not_answer_refuses_the_call(caplog: pytest.LogCaptureFixture) -> None:
    async def looks_away(incoming: InboundCall) -> None:
        await asyncio.sleep(1)

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 480

    Exchange(looks_away).tell(story)
    assert caplog.records == []


def test_a_scenario_that_is_no_coroutine_function_refuses_the_call(caplog: pytest.LogCaptureFixture) -> None:
    def forgot_async(incoming: InboundCall) -> None:
        pass

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(forgot_async)  # type: ignore[arg-type]
        assert await exchange.handset.calls() == 480
        assert await exchange.phone.idle(1)

    Exchange(None).tell(story)
    assert "TypeError" in caplog.text


def test_a_scenario_that_fails_after_the_answer_apologises(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.speak(SPEECH)
        await asyncio.sleep(1)
        raise RuntimeError("out of order")

    told = Exchange(fails).tell(until_over)
    heard = heard_of(told)
    assert shipped().apology in heard
    assert heard.count(b"\x10" * 160) <= 51, "what it was saying is dropped"
    assert caplog.text.count("RuntimeError: out of order") == 1


@pytest.mark.parametrize("is_coroutine", [True, False])
def test_a_handler_that_fails_ends_the_call_like_its_scenario(
    is_coroutine: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stopped: list[float] = []

    async def with_handler(incoming: InboundCall) -> None:
        call = await incoming.answer()

        def fail(event: DigitReceived) -> None:
            raise RuntimeError("out of order")

        async def fail_later(event: DigitReceived) -> None:
            await asyncio.sleep(0.1)
            fail(event)

        call.on(DigitReceived, fail_later if is_coroutine else fail)
        try:
            while True:
                call.speak(SPEECH[:800])
                await asyncio.sleep(0.1)
        finally:
            stopped.append(asyncio.get_running_loop().time())

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.presses("1")
        await exchange.handset.is_hung_up_on()
        assert stopped[0] < exchange.now - 1, "nobody talks into the apology"

    told = Exchange(with_handler).tell(story)
    assert shipped().apology in heard_of(told)
    assert "RuntimeError: out of order" in caplog.text


def test_a_hearer_that_fails_ends_the_call_like_its_scenario(caplog: pytest.LogCaptureFixture) -> None:
    class Deaf:
        def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
            raise RuntimeError("deaf")

    async def with_hearer(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.send_media_to(Deaf())
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.says(TONE)
        await exchange.handset.is_hung_up_on()

    told = Exchange(with_hearer).tell(story)
    assert shipped().apology in heard_of(told)
    assert caplog.text.count("RuntimeError: deaf") == 1


def test_a_scenario_that_goes_on_after_the_call_is_cancelled_in_time() -> None:
    times: dict[str, float] = {}

    async def lingers(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await call.disconnected()
        times["over"] = asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(3600)
        finally:
            times["cancelled"] = asyncio.get_running_loop().time()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.hangs_up()
        assert not await exchange.phone.idle(GRACE - 1)
        assert await exchange.phone.idle(2)

    Exchange(lingers).tell(story)
    assert times["cancelled"] - times["over"] == pytest.approx(GRACE)


def test_a_scenario_has_time_to_finish_after_the_call() -> None:
    done: list[str] = []

    async def tidies(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await call.disconnected()
        await asyncio.sleep(GRACE - 1)
        done.append("tidy")

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.hangs_up()

    Exchange(tidies).tell(story)
    assert done == ["tidy"]


def test_the_caller_who_hangs_up_during_the_apology_is_let_go() -> None:
    async def fails(incoming: InboundCall) -> None:
        await incoming.answer()
        raise RuntimeError("out of order")

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(0.5)
        await exchange.handset.hangs_up()
        assert await exchange.phone.idle(0.1)

    told = Exchange(fails).tell(story)
    assert [ended.by for ended in told.of(Disconnected)] == ["caller"]


def test_a_scenario_that_returns_hangs_up() -> None:
    async def answers(incoming: InboundCall) -> None:
        await incoming.answer()

    told = Exchange(answers).tell(until_over)
    assert len(told.of(CallAnswered)) == 1
    assert [ended.by for ended in told.of(Disconnected)] == ["us"]


def test_a_handler_of_the_end_has_time_too_and_what_it_raises_is_told(caplog: pytest.LogCaptureFixture) -> None:
    done: list[float] = []

    async def answers(incoming: InboundCall) -> None:
        call = await incoming.answer()

        async def save(event: Disconnected) -> None:
            await asyncio.sleep(2)
            done.append(asyncio.get_running_loop().time())
            raise RuntimeError("disk full")

        call.on(Disconnected, save)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()
        assert not await exchange.phone.idle(1)
        assert await exchange.phone.idle(2)

    Exchange(answers).tell(story)
    assert len(done) == 1
    assert caplog.text.count("RuntimeError: disk full") == 1


def test_a_handler_that_does_not_end_is_cancelled() -> None:
    ended: list[float] = []

    async def answers(incoming: InboundCall) -> None:
        call = await incoming.answer()

        async def wait(event: Disconnected) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(asyncio.get_running_loop().time())

        call.on(Disconnected, wait)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()
        assert await exchange.phone.idle(GRACE + 1)

    Exchange(answers).tell(story)
    assert ended == [pytest.approx(GRACE, abs=0.1)]
