"""The sockets of all legs, as the media thread uses them; here of legs that have a port each."""

import time
from collections.abc import Iterable
from typing import Protocol

from sipagent.media import RTCP, RTP, Arrival, Departure, OpenLeg, SetMedia
from sipagent.net.datagrams import Inbox, Outbox
from sipagent.net.kernel import Readiness
from sipagent.net.port_pair import PortPair

ROUNDS = 64
"""Datagrams, or batches of them, that one look takes of a socket: the most that a flood gets of us."""
_OLDEST_ARRIVAL = 5.0
"""Seconds; an older time stamp is a wall clock that was set meanwhile."""


class LegSockets(Protocol):
    """Moves the datagrams of all legs. Of its methods none waits, and none gives the interpreter away."""

    @property
    def unsent(self) -> int:
        """Datagrams that the kernel did not take."""

    @property
    def foreign(self) -> int:
        """Datagrams that were no leg's."""

    def open(self, opened: OpenLeg, pair: PortPair) -> None:
        """Listen for a leg."""

    def direct(self, command: SetMedia) -> str | None:
        """Take where a leg's peer is; returns why its packets could not be told from another leg's, if so."""

    def close(self, leg: int) -> None:
        """Leave a leg's sockets to whoever closes them."""

    def send(self, departures: Iterable[Departure]) -> None:
        """Send what leaves."""

    def receive(self, now: float) -> list[Arrival]:
        """Return all that has come, with the kernel's time on the monotonic clock."""


class OwnSockets:
    """Sockets of legs with a port pair each, found ready by one epoll."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._readiness = Readiness()
        self._descriptors: dict[tuple[int, str], int] = {}
        self._owners: dict[int, tuple[int, str]] = {}
        self.foreign = 0
        """Every datagram is that leg's whose port it came to."""

    @property
    def unsent(self) -> int:
        """Datagrams that the kernel did not take."""
        return self._outbox.failed

    def open(self, opened: OpenLeg, pair: PortPair) -> None:
        """Listen for a leg."""
        for kind, bound in ((RTP, pair.rtp), (RTCP, pair.rtcp)):
            descriptor = bound.fileno()
            self._descriptors[opened.leg, kind] = descriptor
            self._owners[descriptor] = opened.leg, kind
            self._readiness.add(descriptor)

    def direct(self, command: SetMedia) -> str | None:
        """Whatever comes to a leg's port is this leg's to judge."""

    def close(self, leg: int) -> None:
        """Leave a leg's sockets to whoever closes them."""
        for kind in (RTP, RTCP):
            descriptor = self._descriptors.pop((leg, kind))
            del self._owners[descriptor]
            self._readiness.remove(descriptor)

    def send(self, departures: Iterable[Departure]) -> None:
        """Send what leaves."""
        send, descriptors = self._outbox.send, self._descriptors
        for leg, kind, destination, data in departures:
            send(descriptors[leg, kind], data, destination)

    def receive(self, now: float) -> list[Arrival]:
        """Return all that has come, with the kernel's time on the monotonic clock.

        One datagram of each socket a round, as most have one.
        """
        receive, owners, ahead = self._inbox.receive, self._owners, wall_ahead()
        arrivals = []
        for _ in range(ROUNDS):
            ready = self._readiness.ready()
            if not ready:
                break
            for descriptor in ready:
                received = receive(descriptor)
                if received is not None:
                    source, data, wall_ns = received
                    leg, kind = owners[descriptor]
                    arrivals.append(Arrival(leg, kind, source, data, arrival_time(wall_ns, ahead, now)))
        return arrivals


def wall_ahead() -> int:
    """Nanoseconds from the monotonic clock to the time since 1970."""
    return time.time_ns() - time.monotonic_ns()


def arrival_time(wall_ns: int, ahead: int, now: float) -> float:
    """The kernel's time of arrival on the monotonic clock; `now` where it cannot be."""
    came = (wall_ns - ahead) / 1e9
    return came if now - _OLDEST_ARRIVAL < came < now else now
