"""A media plane on virtual time: the real engine, ticked by the loop, over a network in memory."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sipagent.errors import NoPortFree
from sipagent.media import (
    RTCP,
    RTP,
    Arrival,
    Command,
    HostPort,
    Leg,
    LegClosed,
    Media,
    MediaEvent,
    MediaLate,
    OpenLeg,
)
from sipagent.testing.network import Endpoint, Network

TICK = 0.02


@dataclass(frozen=True, slots=True)
class _Line:
    """A leg with its two endpoints."""

    leg: Leg
    endpoints: dict[str, Endpoint]


class TickedMedia:
    """What `net.media_thread.MediaThread` is to a real phone, without thread and sockets.

    Ticks come exactly every 20 ms of the running loop's time, from the first leg's opening to the last one's end.
    """

    def __init__(
        self,
        network: Network,
        *,
        ports: range = range(40000, 42000, 2),
        rtp_timeout: float = 60.0,
        uplink_ms: int = 40,
        wall_offset: float = 1_800_000_000.0,
    ) -> None:
        self._network = network
        self._free = deque(ports)
        self._rtp_timeout = rtp_timeout
        self._uplink_ms = uplink_ms
        self._wall_offset = wall_offset
        self._media = Media()
        self._numbers = itertools.count(1)
        self._lines: dict[int, _Line] = {}
        self._commands: deque[Command] = deque()
        self._arrivals: list[Arrival] = []
        self._tick = 0
        self._next_tick: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """As `MediaPlane.start`; ticks begin with the first leg."""

    def open_leg(
        self,
        *,
        host: str,
        ssrc: int,
        sequence: int,
        timestamp: int,
        cname: str,
        trace: bool = False,
        on_event: Callable[[MediaEvent], None],
    ) -> Leg:
        """As `MediaPlane.open_leg`."""
        if not self._free:
            raise NoPortFree("all ports of this test are taken")
        port, number = self._free.popleft(), next(self._numbers)
        leg = Leg(number, self._commands.append, host=host, port=port, on_event=on_event)
        self._lines[number] = _Line(leg, {kind: self._bind(number, kind, host, port) for kind in (RTP, RTCP)})
        self._commands.append(
            OpenLeg(
                leg=number,
                ssrc=ssrc,
                sequence=sequence,
                timestamp=timestamp,
                cname=cname,
                wall_offset=self._wall_offset,
                rtp_timeout=self._rtp_timeout,
                uplink_ms=self._uplink_ms,
                trace=trace,
            )
        )
        if self._next_tick is None:
            self._schedule(asyncio.get_running_loop().time())
        return leg

    def close(self) -> None:
        """End every leg."""
        for line in tuple(self._lines.values()):
            line.leg.close()

    def _bind(self, number: int, kind: str, host: str, port: int) -> Endpoint:
        loop = asyncio.get_running_loop()

        def receive(data: bytes, source: HostPort) -> None:
            self._arrivals.append(Arrival(number, kind, source, data, loop.time()))

        return self._network.bind(host, port + (kind == RTCP), receive)

    def _schedule(self, when: float) -> None:
        self._next_tick = asyncio.get_running_loop().call_at(when, self._run_tick, when)

    def _run_tick(self, now: float) -> None:
        commands, arrivals = list(self._commands), self._arrivals
        self._commands.clear()
        self._arrivals = []
        self._tick += 1
        for leg, kind, destination, data in self._media.tick(self._tick, now, commands, arrivals):
            self._lines[leg].endpoints[kind].send(data, destination)
        for event in self._media.drain():
            if not isinstance(event, MediaLate):
                self._deliver(event.leg, event)
        self._next_tick = None
        if self._lines:
            self._schedule(now + TICK)

    def _deliver(self, number: int, event: MediaEvent) -> None:
        """Hand an event to its leg, in a callback of its own: what a handler raises stays with that handler."""
        line = self._lines[number]
        if isinstance(event, LegClosed):
            del self._lines[number]
            self._free.append(line.leg.port)
            for endpoint in line.endpoints.values():
                endpoint.close()
        asyncio.get_running_loop().call_soon(line.leg.deliver, event)
