"""Virtual time: waiting costs nothing, order is exact, and a program that can never end says so."""

import asyncio
import threading
import time

import pytest

from sipagent.testing.clock import Stalled, VirtualLoop, run


def test_eight_hours_pass_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(8 * 3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(main(), start=100.0, limit=10 * 3600) == 100.0 + 8 * 3600
    assert time.monotonic() - began < 5


def test_the_clock_stands_while_anything_is_ready() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(main(), start=5.0) == 5.0


def test_timers_run_in_time_order_with_their_own_moment() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        heard: list[tuple[str, float]] = []

        def hear(name: str) -> None:
            heard.append((name, loop.time()))

        for name, delay in (("c", 0.75), ("a", 0.25), ("b", 0.5)):
            loop.call_later(delay, hear, name)
        await asyncio.sleep(1)
        return heard

    assert run(main()) == [("a", 0.25), ("b", 0.5), ("c", 0.75)]


def test_waiting_for_what_nobody_will_do_is_named() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled, match=r"nothing is ready and no timer is set.*(?s:.)*test_clock\.py:\d+"):
        run(main())


def test_a_periodic_timer_does_not_hide_a_hang() -> None:
    async def tick() -> None:
        for _ in range(10_000):
            await asyncio.sleep(0.02)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        await asyncio.Event().wait()
        ticking.cancel()

    with pytest.raises(Stalled, match=r"not done by 60\.000 s"):
        run(main(), limit=60)


def test_a_worker_thread_is_waited_for_and_takes_no_virtual_time() -> None:
    async def main() -> tuple[str, float]:
        asyncio.get_running_loop().call_later(0.001, lambda: None)
        name = await asyncio.to_thread(lambda: (threading.Event().wait(0.05), threading.current_thread().name)[1])
        return name, asyncio.get_running_loop().time()

    worker, now = run(main())
    assert worker != threading.current_thread().name
    assert now == 0.0


def test_a_timeout_of_virtual_time_cancels() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(32):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == 32.0


def test_a_script_is_played_between_the_timers_when_all_before_has_settled() -> None:
    async def main() -> list[tuple[float, str]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        heard: list[tuple[float, str]] = []
        over = asyncio.Event()

        def hear(what: str) -> None:
            heard.append((loop.time(), what))

        async def react() -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            hear("reaction to the first step")

        def first() -> None:
            hear("first step")
            loop.create_task(react()).add_done_callback(tasks.discard)

        tasks: set[asyncio.Task[None]] = set()
        loop.call_at(1.0, hear, "timer at 1")
        loop.call_at(3.0, hear, "timer at 3")
        loop.play([(1.0, first), (1.0, lambda: hear("second step")), (0.5, lambda: hear("late step"))])
        loop.play([(4.0, over.set)])
        await over.wait()
        return heard

    assert run(main()) == [
        (1.0, "timer at 1"),
        (1.0, "first step"),
        (1.0, "reaction to the first step"),
        (1.0, "second step"),
        (1.0, "late step"),
        (3.0, "timer at 3"),
    ]


def test_what_a_step_raises_ends_the_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.play([(1.0, lambda: [].pop())])
        await asyncio.sleep(2)

    with pytest.raises(IndexError):
        run(main())
