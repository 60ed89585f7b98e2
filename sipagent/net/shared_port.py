"""One RTP port for all calls, and the next for RTCP: `[general] rtp = shared`, for trunks on a known network."""

import socket
from collections.abc import Iterable, Iterator

from sipagent.errors import NoPortFree
from sipagent.media import RTCP, RTP, Arrival, Departure, OpenLeg, SetMedia
from sipagent.media.convoy import Convoy
from sipagent.net.arrival_time import arrival_time, wall_ahead
from sipagent.net.datagrams import BATCH, BatchOutbox, HostPort, Inbox, Received
from sipagent.net.port_pair import PortPair, bind_pair
from sipagent.rtp.demultiplexer import Demultiplexer

_ROOM = 4 << 20
"""Octets that may wait: the packets of 1,000 calls in 100 ms. The kernel grants up to net.core.rmem_max."""

_MOST_BATCHES = 64
"""How often one look reads a socket: a flood gets no more of us."""


class SharedPort:
    """The pair at `port`, or the next even one, on `host`; bound while any leg has it."""

    def __init__(self, port: int, host: str = "0.0.0.0") -> None:
        self._port = port + port % 2
        self._host = host
        self._pair: PortPair | None = None
        self._legs = 0

    def lease(self, now: float) -> PortPair:
        """Return the pair. Raises NoPortFree when another program has it."""
        if self._pair is None:
            self._pair = bind_pair(self._host, self._port)
            if self._pair is None:
                raise NoPortFree(
                    f"the shared RTP port {self._port}, or the next, is taken: change rtp_ports in [general]"
                )
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self._pair.rtp.setsockopt(socket.SOL_SOCKET, option, _ROOM)
        self._legs += 1
        return self._pair

    def release(self, pair: PortPair, now: float) -> None:
        """Take it back of one leg."""
        self._legs -= 1
        if self._legs == 0:
            pair.rtp.close()
            pair.rtcp.close()
            self._pair = None

    def sockets(self) -> "SharedSockets":
        """Make what the media thread moves datagrams by."""
        return SharedSockets()


class SharedSockets:
    """The two sockets of all legs. What is nobody's is dropped, and counted by the demultiplexer."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._outbox = BatchOutbox()
        self._legs = Demultiplexer()
        self._descriptors: dict[str, int] = {}
        self._open: set[int] = set()
        self.by_row = False
        """Whether datagrams of convoys are moved by their rows."""

    @property
    def unsent(self) -> int:
        """Datagrams that the kernel did not take."""
        return self._outbox.failed

    @property
    def foreign(self) -> int:
        """Datagrams that were nobody's."""
        return self._legs.foreign

    def open(self, opened: OpenLeg, pair: PortPair) -> None:
        """Listen for a leg."""
        self._descriptors = {RTP: pair.rtp.fileno(), RTCP: pair.rtcp.fileno()}
        self._open.add(opened.leg)
        self._legs.add(opened.leg, opened.ssrc)

    def direct(self, command: SetMedia) -> str | None:
        """Take where a leg's peer is; returns why its packets could not be told from another leg's, if so."""
        settings = command.settings
        return self._legs.direct(
            command.leg,
            (settings.remote_host, settings.remote_port),
            (settings.remote_rtcp_host, settings.remote_rtcp_port),
            {*settings.receive_payload_types, *settings.receive_event_payload_types},
        )

    def close(self, leg: int) -> None:
        """Listen for a leg no longer."""
        self._legs.remove(leg)
        self._open.discard(leg)
        if not self._open:
            self._descriptors = {}

    def send(self, departures: Iterable[Departure], convoys: Iterable[Convoy]) -> None:
        """Send what leaves; that of convoys is among it."""
        leaving: dict[str, list[tuple[bytes, HostPort]]] = {RTP: [], RTCP: []}
        for _, kind, destination, data in departures:
            leaving[kind].append((data, destination))
        for kind, datagrams in leaving.items():
            if datagrams:
                self._outbox.send(self._descriptors[kind], datagrams)

    def receive(self, now: float, legs: Iterable[int]) -> list[Arrival]:
        """Return all that has come for any leg, with the kernel's time on the monotonic clock."""
        arrivals, ahead = [], wall_ahead()
        for kind, descriptor in self._descriptors.items():
            for source, data, wall_ns in self._waiting(descriptor):
                leg = self._legs.rtp(source, data, now) if kind == RTP else self._legs.rtcp(source, data)
                if leg is not None:
                    arrivals.append(Arrival(leg, kind, source, data, arrival_time(wall_ns, ahead, now)))
        return arrivals

    def fetch(self, now: float, convoys: Iterable[Convoy]) -> None:
        """Whose a datagram is, is found out one by one: what convoys are to have is among the arrivals."""

    def _waiting(self, descriptor: int) -> Iterator[Received]:
        """Read a socket until it is empty, or as often as a flood may have us read it."""
        for _ in range(_MOST_BATCHES):
            batch = self._inbox.receive(descriptor)
            yield from batch
            if len(batch) < BATCH:
                return
