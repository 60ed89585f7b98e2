"""The sockets of all legs, as the media thread uses them; here of legs that have a port each."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from sipagent.media import RTCP, RTP, Arrival, Departure, OpenLeg, SetMedia
from sipagent.media.convoy import Convoy, Fetched
from sipagent.net.arrival_time import arrival_time, wall_ahead
from sipagent.net.convoy_sockets import ConvoySockets
from sipagent.net.datagrams import Inbox, Outbox
from sipagent.net.kernel import Readiness
from sipagent.net.port_pair import PortPair


class LegSockets(Protocol):
    """Moves the datagrams of all legs. Of its methods none waits, and none gives the interpreter away."""

    @property
    def by_row(self) -> bool:
        """Whether those of convoys are moved by their rows."""

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

    def send(self, departures: Iterable[Departure], convoys: Iterable[Convoy]) -> None:
        """Send what leaves, of legs and of convoys."""

    def receive(self, now: float, legs: Iterable[int]) -> list[Arrival]:
        """Return what has come for some legs, perhaps for others too, with the kernel's time on the monotonic clock."""

    def fetch(self, now: float, convoys: Iterable[Convoy]) -> Mapping[Convoy, Fetched] | None:
        """Return by row what has come for some convoys; None from who has it among the arrivals."""


class OwnSockets:
    """Sockets of legs with a port pair each. Reports are few, so one epoll finds whose have come."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._descriptors: dict[str, dict[int, int]] = {RTP: {}, RTCP: {}}
        self._reports = Readiness()
        self._reported: dict[int, int] = {}
        self._convoys: dict[Convoy, ConvoySockets] = {}
        self.by_row = True
        """Whether datagrams of convoys are moved by their rows."""
        self.foreign = 0
        """Every datagram is that leg's whose port it came to."""

    @property
    def unsent(self) -> int:
        """Datagrams that the kernel did not take."""
        return self._outbox.failed + sum(convoy.failed for convoy in self._convoys.values())

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

    def send(self, departures: Iterable[Departure], convoys: Iterable[Convoy]) -> None:
        """Send what leaves, of legs and of convoys."""
        send, descriptors = self._outbox.send, self._descriptors
        for convoy in convoys:
            self._seated(convoy).send(convoy.aboard)
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

    def fetch(self, now: float, convoys: Iterable[Convoy]) -> Mapping[Convoy, Fetched]:
        """Return by row what has come for some convoys."""
        return {convoy: self._seated(convoy).fetch(convoy.aboard, now) for convoy in convoys}

    def _seated(self, convoy: Convoy) -> ConvoySockets:
        """The sockets of a convoy, by row as its legs sit now."""
        sockets = self._convoys.get(convoy)
        if sockets is None:
            sockets = self._convoys[convoy] = ConvoySockets(convoy.outgoing)
        for row, (leg, peer) in convoy.seats.items():
            sockets.seat(row, leg, self._descriptors[RTP][leg], peer)
        convoy.seats.clear()
        return sockets
