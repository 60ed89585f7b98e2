"""Calls on one RTP port, on real loopback sockets."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sipagent.errors import NoPortFree
from sipagent.media import Leg, LegClosed, LegFailed, MediaEvent, UplinkBlock
from sipagent.net.shared_port import SharedPort
from sipagent.rtp import packet
from tests.net.far_end import HOST, Far, media_thread, open_leg


class Call:
    """A leg with its far end, and what was heard of it."""

    def __init__(self, far: Far) -> None:
        self.far = far
        self.heard = b""
        self.events: list[MediaEvent] = []
        self.leg: Leg

    def happened(self, event: MediaEvent) -> None:
        self.events.append(event)
        if isinstance(event, UplinkBlock):
            self.heard += event.audio

    async def converse(self, number: int) -> None:
        """Say the same over and over, one packet for each that comes, until it has been heard."""
        for sequence in range(250):
            if bytes([number]) * 160 in self.heard:
                return
            (sent,) = await self.far.hear_rtp(1)
            assert sent.payload_type == 0
            said = packet.build(0, sequence, sequence * 160, number, bytes([number]) * 160)
            self.far.socket.sendto(said, (HOST, self.leg.port))
        raise AssertionError("nothing was heard in five seconds")


@pytest.fixture
def calls() -> Iterator[list[Call]]:
    with contextlib.ExitStack() as stack:
        calls = [Call(Far()) for _ in range(2)]
        for call in calls:
            stack.callback(call.far.socket.close)
        yield calls


def test_two_calls_on_one_port_hear_each_its_own_peer(calls: list[Call]) -> None:
    async def story() -> None:
        async with media_thread(SharedPort(27400, HOST)) as plane:
            for call in calls:
                call.leg = open_leg(plane, call.happened)
                call.leg.set_media(call.far.settings)
            assert {call.leg.port for call in calls} == {27400}
            await asyncio.gather(*(call.converse(number) for number, call in enumerate(calls, 17)))
        assert b"\x12" * 160 not in calls[0].heard
        assert b"\x11" * 160 not in calls[1].heard
        assert plane.statistics().foreign == 0

    asyncio.run(story())


def test_a_peer_behind_a_nat_is_found_and_answered_where_it_is(calls: list[Call]) -> None:
    async def story() -> None:
        known, behind_nat = calls
        async with media_thread(SharedPort(27410, HOST)) as plane:
            for call in calls:
                call.leg = open_leg(plane, call.happened)
            known.leg.set_media(known.far.settings)
            await known.converse(17)
            behind_nat.leg.set_media(replace(behind_nat.far.settings, remote_host="127.9.9.9", remote_port=9))
            behind_nat.far.say(27410, 1)
            await behind_nat.converse(18)

    asyncio.run(story())


def test_a_stranger_is_counted_and_heard_by_nobody(calls: list[Call]) -> None:
    async def story() -> None:
        call, stranger = calls
        async with media_thread(SharedPort(27420, HOST)) as plane:
            call.leg = open_leg(plane, call.happened)
            call.leg.set_media(call.far.settings)
            await call.converse(17)
            for port in (27420, 27421):
                stranger.far.say(port, 99)
            await call.far.hear_rtp(5)
            assert plane.statistics().foreign == 2
        assert bytes([99]) * 160 not in call.heard

    asyncio.run(story())


def test_a_second_call_to_the_same_address_is_refused_and_the_first_goes_on(calls: list[Call]) -> None:
    async def story() -> None:
        first, second = calls
        async with media_thread(SharedPort(27430, HOST)) as plane:
            for call in calls:
                call.leg = open_leg(plane, call.happened)
                call.leg.set_media(first.far.settings)
            await first.converse(17)
        failed, closed = second.events
        assert isinstance(failed, LegFailed)
        assert "rtp = shared cannot tell them apart" in failed.traceback
        assert isinstance(closed, LegClosed)

    asyncio.run(story())


def test_reports_come_to_the_next_port(calls: list[Call]) -> None:
    async def story() -> LegClosed:
        call, _ = calls
        async with media_thread(SharedPort(27440, HOST)) as plane:
            call.leg = open_leg(plane, call.happened)
            call.leg.set_media(call.far.settings)
            await call.converse(17)
            our_ssrc = 7
            report = b"\x81\xc9\x00\x07" + bytes(4) + our_ssrc.to_bytes(4) + bytes(20)
            call.far.socket.sendto(report, (HOST, 27441))
            await call.far.hear_rtp(3)
        (closed,) = (event for event in call.events if isinstance(event, LegClosed))
        return closed

    closed = asyncio.run(story())
    assert closed.statistics is not None
    assert closed.statistics.rtp.remote_lost == 0


def test_the_port_is_bound_while_any_leg_has_it() -> None:
    shared = SharedPort(27451, HOST)
    first, second = shared.lease(0.0), shared.lease(0.0)
    assert first is second
    assert (first.port, first.rtp.getsockname()[1], first.rtcp.getsockname()[1]) == (27452, 27452, 27453)
    shared.release(first, 1.0)
    assert first.rtp.fileno() != -1
    shared.release(second, 1.0)
    assert first.rtp.fileno() == first.rtcp.fileno() == -1
    again = shared.lease(2.0)
    assert again.port == 27452
    shared.release(again, 2.0)


def test_a_port_that_another_program_has_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 27461))
        with pytest.raises(NoPortFree, match="27460"):
            SharedPort(27460, HOST).lease(0.0)
