"""The sockets of all legs, as the media thread uses them; here of legs that have a port each."""

import time
from collections.abc import Iterable
from typing import Protocol

from sipagent.media import RTCP, RTP, Arrival, Departure, OpenLeg, SetMedia
from sipagent.net.datagrams import Inbox, Outbox
from sipagent.net.kernel import Readiness
from sipagent.net.port_pair import PortPair

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

    def receive(self, now: float, legs: Iterable[int]) -> list[Arrival]:
        """Return what has come for some legs, perhaps for others too, with the kernel's time on the monotonic clock."""


class OwnSockets:
    """Sockets of legs with a port pair each. Reports are few, so one epoll finds whose have come."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._descriptors: dict[str, dict[int, int]] = {RTP: {}, RTCP: {}}
        self._reports = Readiness()
        self._reported: dict[int, int] = {}
        self.foreign = 0
        """Every datagram is that leg's whose port it came to."""

    @property
    def unsent(self) -> int:
        """Datagrams that the kernel did not take."""
        return self._outbox.failed

    def open(self, opened: OpenLeg, pair: PortPair) -> None:
        """Listen for a leg."""
        self._descriptors[RTP][opened.leg] = pair.rtp.fileno()
        self._descriptors[RTCP][opened.leg] = reports = pair.rtcp.fileno()
        self._reported[reports] = opened.leg
        self._reports.add(reports)

    def direct(self, command: SetMedia) -> str | None:
        """Whatever comes to a leg's port is this leg's to judge."""

    def close(self, leg: int) -> None:
        """Leave a leg's sockets to whoever closes them."""
        del self._descriptors[RTP][leg]
        reports = self._descriptors[RTCP].pop(leg)
        del self._reported[reports]
        self._reports.remove(reports)

    def send(self, departures: Iterable[Departure]) -> None:
        """Send what leaves."""
        send, descriptors = self._outbox.send, self._descriptors
        for leg, kind, destination, data in departures:
            send(descriptors[kind][leg], data, destination)

    def receive(self, now: float, legs: Iterable[int]) -> list[Arrival]:
        """Return the RTP that has come for some legs, and every report."""
        receive, descriptors, ahead = self._inbox.receive, self._descriptors[RTP], wall_ahead()
        arrivals = [
            Arrival(leg, RTP, source, data, arrival_time(wall_ns, ahead, now))
            for leg in legs
            for source, data, wall_ns in receive(descriptors[leg])
        ]
        for descriptor in self._reports.ready():
            leg = self._reported[descriptor]
            for source, data, wall_ns in receive(descriptor):
                arrivals.append(Arrival(leg, RTCP, source, data, arrival_time(wall_ns, ahead, now)))
        return arrivals


def wall_ahead() -> int:
    """Nanoseconds from the monotonic clock to the time since 1970."""
    return time.time_ns() - time.monotonic_ns()


def arrival_time(wall_ns: int, ahead: int, now: float) -> float:
    """The kernel's time of arrival on the monotonic clock; `now` where it cannot be."""
    came = (wall_ns - ahead) / 1e9
    return came if now - _OLDEST_ARRIVAL < came < now else now
