"""The media thread on real loopback sockets: legs, time, ends. How evenly it sends is measured by the benchmark."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sipagent.errors import NoPortFree
from sipagent.media import Leg, LegClosed, LegFailed, MediaEvent, StreamSettings, TickRecord, UplinkBlock
from sipagent.net.media_thread import MediaThread
from sipagent.net.ports import PortPool
from sipagent.rtp import packet
from sipagent.rtp.packet import RtpPacket

HOST = "127.0.0.1"


class Far:
    """The far end: a socket, and all that came to it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)

    @property
    def settings(self) -> StreamSettings:
        host, port = self.socket.getsockname()
        return StreamSettings(
            remote_host=host,
            remote_port=port,
            remote_rtcp_host=host,
            remote_rtcp_port=port,
            codec="pcmu",
            payload_type=0,
            receive_payload_types={0: "pcmu"},
        )

    def say(self, port: int, number: int) -> None:
        self.socket.sendto(packet.build(0, number, number * 160, 0xFA2, bytes([number]) * 160), (HOST, port))

    async def hear(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 2048), 5)

    async def hear_rtp(self, count: int) -> list[RtpPacket]:
        heard: list[RtpPacket] = []
        while len(heard) < count:
            data = await self.hear()
            parsed = None if packet.is_rtcp(data) else packet.parse(data)
            heard += [parsed] if parsed is not None else []
        return heard


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.socket.close()


@asynccontextmanager
async def media_thread(low: int, calls: int = 4) -> AsyncIterator[MediaThread]:
    plane = MediaThread(PortPool(low, low + 2 * calls - 1, HOST))
    plane.start(asyncio.get_running_loop())
    try:
        yield plane
    finally:
        plane.close()


def open_leg(plane: MediaThread, on_event: Callable[[MediaEvent], None], *, trace: bool = False) -> Leg:
    return plane.open_leg(host=HOST, ssrc=7, sequence=1, timestamp=0, cname="test", trace=trace, on_event=on_event)


def test_speech_leaves_in_order_from_the_port_that_was_promised(far: Far) -> None:
    async def story() -> None:
        async with media_thread(27200) as plane:
            leg = open_leg(plane, lambda event: None)
            leg.set_media(far.settings)
            leg.speak(b"".join(bytes([n]) * 160 for n in range(1, 11)))
            _, source = await asyncio.get_running_loop().sock_recvfrom(far.socket, 2048)
            assert source == (HOST, leg.port)
            heard = await far.hear_rtp(9)
            assert [one.payload[0] for one in heard] == list(range(2, 11))
            assert [one.sequence for one in heard] == list(range(2, 11))

    asyncio.run(story())


def test_what_the_far_end_says_arrives_on_the_loop_with_the_kernels_time(far: Far) -> None:
    async def story() -> list[MediaEvent]:
        events: list[MediaEvent] = []
        async with media_thread(27210) as plane:
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
        async with media_thread(27220, calls=1) as plane:
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
        async with media_thread(27230) as plane:
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

        async with media_thread(27240) as plane:
            open_leg(plane, fail).set_media(far.settings)
            open_leg(plane, lambda event: heard.set()).set_media(far.settings)
            await asyncio.wait_for(heard.wait(), 5)
        assert set(reported) == {"a mistake in a scenario"}

    asyncio.run(story())


def test_a_leg_that_fails_ends_alone_and_its_port_is_free(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        failed: asyncio.Queue[MediaEvent] = asyncio.Queue()
        async with media_thread(27250, calls=2) as plane:
            broken = open_leg(plane, failed.put_nowait)
            sound = open_leg(plane, lambda event: None)
            sound.set_media(far.settings)
            broken.set_media(replace(far.settings, payload_type=-1))
            assert isinstance(await asyncio.wait_for(failed.get(), 5), LegFailed)
            assert isinstance(await asyncio.wait_for(failed.get(), 5), LegClosed)
            assert open_leg(plane, lambda event: None).port == broken.port
            assert len(await far.hear_rtp(5)) == 5

    asyncio.run(story())
    assert "struct.error" in caplog.text


def test_a_loop_that_is_stuck_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        plane = MediaThread(PortPool(27270, 27279, HOST), patience=0.1)
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
        async with media_thread(27260) as plane:
            leg = open_leg(plane, lambda event: None)
            leg.set_media(far.settings)
            await far.hear_rtp(1)
            for size in (0, 1, 11, 12, 400, 3000):
                for port in (leg.port, leg.port + 1):
                    far.socket.sendto(b"\x80" * size, (HOST, port))
            assert [one.sequence for one in await far.hear_rtp(10)] == list(range(2, 12))

    asyncio.run(story())
