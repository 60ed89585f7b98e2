"""The media thread on real loopback sockets: legs, time, ends. How evenly it sends is measured by the benchmark."""

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sipagent.errors import NoPortFree
from sipagent.media import LegClosed, LegFailed, MediaEvent, TickRecord, UplinkBlock
from sipagent.net.media_thread import MediaStatistics, MediaThread
from sipagent.net.ports import PortPool
from sipagent.rtp import packet
from tests.net.far_end import HOST, Far, media_thread, open_leg


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.socket.close()


def pool(low: int, calls: int = 4) -> PortPool:
    return PortPool(low, low + 2 * calls - 1, HOST)


def test_speech_leaves_in_order_from_the_port_that_was_promised(far: Far) -> None:
    async def story() -> None:
        async with media_thread(pool(27200)) as plane:
            leg = open_leg(plane, lambda event: None)
            leg.set_media(far.settings)
            leg.speak(b"".join(bytes([n]) * 160 for n in range(1, 11)))
            assert await far.hear_from() == (HOST, leg.port)
            heard = await far.hear_rtp(9)
            assert [one.payload[0] for one in heard] == list(range(2, 11))
            assert [one.sequence for one in heard] == list(range(2, 11))

    asyncio.run(story())


def test_what_the_far_end_says_arrives_on_the_loop_with_the_kernels_time(far: Far) -> None:
    async def story() -> list[MediaEvent]:
        events: list[MediaEvent] = []
        async with media_thread(pool(27210)) as plane:
            leg = open_leg(plane, events.append, trace=True)
            leg.set_media(far.settings)
            for number in range(1, 21):
                await far.hear_rtp(1)
                far.say(leg.port, number)
        return events

    events = asyncio.run(story())
    heard = b"".join(event.audio for event in events if isinstance(event, UplinkBlock))
    assert bytes([10]) * 160 in heard
    records = [event for event in events if isinstance(event, TickRecord)]
    assert [record.tick for record in records] == list(range(records[0].tick, records[0].tick + len(records)))
    ages = [record.now - arrival.time for record in records for arrival in record.arrivals]
    assert len(ages) >= 18
    assert all(0 < age < 1 for age in ages)


def test_an_ended_leg_gives_its_port_back_for_the_next_call(far: Far) -> None:
    async def story() -> None:
        async with media_thread(pool(27220, calls=1)) as plane:
            closed = asyncio.Event()
            leg = open_leg(plane, lambda event: closed.set() if isinstance(event, LegClosed) else None)
            with pytest.raises(NoPortFree):
                open_leg(plane, lambda event: None)
            leg.close()
            await asyncio.wait_for(closed.wait(), 5)
            assert open_leg(plane, lambda event: None).port == leg.port

    asyncio.run(story())


def test_closing_the_thread_says_bye_for_every_leg_and_tells_them(far: Far) -> None:
    async def story() -> list[MediaEvent]:
        events: list[MediaEvent] = []
        async with media_thread(pool(27230)) as plane:
            for _ in range(3):
                open_leg(plane, events.append).set_media(far.settings)
            await far.hear_rtp(6)
        goodbyes = 0
        while goodbyes < 3:
            goodbyes += packet.is_rtcp(await far.hear())
        return events

    events = asyncio.run(story())
    assert sorted(event.leg for event in events if isinstance(event, LegClosed)) == [1, 2, 3]


def test_a_handler_that_raises_is_reported_and_keeps_nothing_from_the_others(far: Far) -> None:
    async def story() -> None:
        reported: list[str] = []
        heard = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reported.append(str(context["exception"]))
        )

        def fail(event: MediaEvent) -> None:
            raise RuntimeError("a mistake in a scenario")

        async with media_thread(pool(27240)) as plane:
            open_leg(plane, fail).set_media(far.settings)
            open_leg(plane, lambda event: heard.set()).set_media(far.settings)
            await asyncio.wait_for(heard.wait(), 5)
        assert set(reported) == {"a mistake in a scenario"}

    asyncio.run(story())


def test_a_leg_that_fails_ends_alone_and_its_port_is_free(far: Far) -> None:
    async def story() -> None:
        failed: asyncio.Queue[MediaEvent] = asyncio.Queue()
        async with media_thread(pool(27250, calls=2)) as plane:
            broken = open_leg(plane, failed.put_nowait)
            sound = open_leg(plane, lambda event: None)
            sound.set_media(far.settings)
            broken.set_media(replace(far.settings, payload_type=-1))
            why = await asyncio.wait_for(failed.get(), 5)
            assert isinstance(why, LegFailed)
            assert "struct.error" in why.traceback
            assert isinstance(await asyncio.wait_for(failed.get(), 5), LegClosed)
            assert open_leg(plane, lambda event: None).port == broken.port
            assert len(await far.hear_rtp(5)) == 5

    asyncio.run(story())


def test_a_loop_that_is_stuck_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        plane = MediaThread(pool(27270), patience=0.1)
        plane.start(asyncio.get_running_loop())
        await asyncio.sleep(0.3)
        assert caplog.text == ""
        time.sleep(0.3)  # noqa: ASYNC251  a loop that is stuck is what is tested
        plane.close()

    asyncio.run(story())
    assert "the event loop has not moved for 0.1 s" in caplog.text
    assert "time.sleep(0.3)" in caplog.text


def test_a_stuck_process_ends_when_a_supervisor_is_there_to_start_it_anew() -> None:
    program = """
import asyncio, time
from sipagent.net.media_thread import MediaThread
from sipagent.net.ports import PortPool

async def main():
    plane = MediaThread(PortPool(27280, 27289, "127.0.0.1"), patience=0.1, exit_when_stuck=True)
    plane.start(asyncio.get_running_loop())
    await asyncio.sleep(0.1)
    time.sleep(30)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=20, capture_output=True, text=True, check=False)
    assert ended.returncode == os.EX_SOFTWARE
    assert "the event loop has not moved for 0.3 s: the process ends" in ended.stderr


def test_mangled_datagrams_on_both_ports_are_not_felt(far: Far) -> None:
    async def story() -> None:
        async with media_thread(pool(27260)) as plane:
            leg = open_leg(plane, lambda event: None)
            leg.set_media(far.settings)
            await far.hear_rtp(1)
            for size in (0, 1, 11, 12, 400, 3000):
                for port in (leg.port, leg.port + 1):
                    far.socket.sendto(b"\x80" * size, (HOST, port))
            assert [one.sequence for one in await far.hear_rtp(10)] == list(range(2, 12))

    asyncio.run(story())


def test_dear_calls_are_spread_over_the_phases_of_a_tick(far: Far) -> None:
    opus = replace(far.settings, codec="opus", payload_type=111, receive_payload_types={111: "opus"})

    async def story() -> None:
        opened: asyncio.Queue[int] = asyncio.Queue()

        def note(event: MediaEvent) -> None:
            if isinstance(event, TickRecord) and event.opened is not None:
                opened.put_nowait(event.opened.phase)

        async with media_thread(pool(28000, calls=200)) as plane:
            phase = 0
            while phase == 0:  # until there is no port left
                open_leg(plane, note, trace=True).set_media(opus)
                phase = await asyncio.wait_for(opened.get(), 5)
            assert phase == 2

    asyncio.run(story())


def test_a_late_wake_up_is_counted_and_named_and_nothing_is_lost(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    sleep_and_keep_the_interpreter = ctypes.PyDLL(None).usleep

    async def story() -> MediaStatistics:
        plane = MediaThread(pool(27320), patience=1.0)
        plane.start(asyncio.get_running_loop())
        leg = open_leg(plane, lambda event: None)
        leg.set_media(far.settings)
        before = await far.hear_rtp(5)
        sleep_and_keep_the_interpreter(50_000)
        after = await far.hear_rtp(15)  # in which the loop has beaten twice
        assert [one.sequence for one in before + after] == list(range(1, 21))
        assert [one.timestamp for one in before + after] == list(range(0, 20 * 160, 160))
        plane.close()
        return plane.statistics()

    statistics = asyncio.run(story())
    assert statistics.wakes_late >= 1
    assert statistics.worst_late >= 0.025
    assert statistics.frames_bunched >= 1
    assert statistics.frames_skipped == statistics.unsent == statistics.foreign == 0
    assert "the media thread woke up" in caplog.text
    assert "ms late; the event loop was at" in caplog.text
    assert "test_media_thread.py" in caplog.text
