"""The media plane on virtual time: two phones talk over a network in memory, the same at every run."""

import asyncio
from dataclasses import replace

import pytest

from sipagent.errors import NoPortFree
from sipagent.media import Leg, LegClosed, MediaEvent, RtpTimeout, StreamSettings, UplinkBlock
from sipagent.testing import clock
from sipagent.testing.media import TickedMedia
from sipagent.testing.network import Network


def settings(remote: Leg) -> StreamSettings:
    return StreamSettings(
        remote_host=remote.host,
        remote_port=remote.port,
        remote_rtcp_host=remote.host,
        remote_rtcp_port=remote.port + 1,
        codec="pcmu",
        payload_type=0,
        receive_payload_types={0: "pcmu"},
    )


def frame(number: int) -> bytes:
    return bytes([number]) * 160


def open_leg(plane: TickedMedia, host: str, events: list[MediaEvent]) -> Leg:
    return plane.open_leg(host=host, ssrc=1, sequence=1, timestamp=1, cname="test", on_event=events.append)


async def conversation(network: Network) -> tuple[list[MediaEvent], list[MediaEvent]]:
    """Ten seconds in which one side says a hundred frames."""
    to_alice: list[MediaEvent] = []
    to_bob: list[MediaEvent] = []
    plane = TickedMedia(network)
    alice, bob = open_leg(plane, "10.0.0.1", to_alice), open_leg(plane, "10.0.0.2", to_bob)
    alice.set_media(settings(bob))
    bob.set_media(settings(alice))
    alice.speak(b"".join(frame(n) for n in range(1, 101)))
    await asyncio.sleep(10)
    plane.close()
    await asyncio.sleep(0.1)
    return to_alice, to_bob


def heard(events: list[MediaEvent]) -> bytes:
    return b"".join(event.audio for event in events if isinstance(event, UplinkBlock))


def test_one_hears_what_the_other_says() -> None:
    async def story() -> tuple[list[MediaEvent], list[MediaEvent]]:
        return await conversation(Network(delay=0.03))

    to_alice, to_bob = clock.run(story())
    assert b"".join(frame(n) for n in range(1, 101)) in heard(to_bob)
    assert frame(50) not in heard(to_alice)
    assert abs(len(heard(to_bob)) - 80000) <= 320
    assert isinstance(to_bob[-1], LegClosed)


def test_a_bad_network_gives_the_same_bad_call_every_time() -> None:
    async def story() -> tuple[list[MediaEvent], list[MediaEvent]]:
        return await conversation(Network(delay=0.03, jitter=0.05, loss=0.1, duplicate=0.05, seed=3))

    first, second = clock.run(story()), clock.run(story())
    assert first == second
    assert abs(len(heard(first[1])) - 80000) <= 320


def test_it_rests_when_no_leg_is_left() -> None:
    async def story() -> None:
        events: list[MediaEvent] = []
        open_leg(TickedMedia(Network()), "10.0.0.1", events).close()
        await asyncio.sleep(0.1)
        assert isinstance(events[-1], LegClosed)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(clock.Stalled, match=r"at 0\.100 s"):
        clock.run(story())


def test_a_port_is_one_legs_until_it_ends() -> None:
    async def story() -> None:
        plane = TickedMedia(Network(), ports=range(40000, 40002, 2))
        leg = open_leg(plane, "10.0.0.1", [])
        with pytest.raises(NoPortFree):
            open_leg(plane, "10.0.0.1", [])
        leg.close()
        await asyncio.sleep(0.1)
        assert open_leg(plane, "10.0.0.1", []).port == leg.port == 40000

    clock.run(story())


def test_a_minute_without_rtp_is_a_minute() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        plane = TickedMedia(Network(), rtp_timeout=60.0)
        told: asyncio.Future[float] = loop.create_future()

        def happened(event: MediaEvent) -> None:
            if isinstance(event, RtpTimeout):
                told.set_result(loop.time())

        leg = plane.open_leg(host="10.0.0.1", ssrc=1, sequence=1, timestamp=1, cname="test", on_event=happened)
        leg.set_media(replace(settings(leg), remote_host="10.0.0.9"))
        return await told

    assert clock.run(story()) == pytest.approx(60.0, abs=0.021)
