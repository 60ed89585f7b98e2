"""A datagram network in memory, on the running loop's (virtual) time: delay, jitter, loss and duplicates, from a seed.

network = Network(delay=0.02, loss=0.1, seed=7)
alice = network.bind("10.0.0.1", 5060, lambda data, source: …)
alice.send(b"…", ("10.0.0.2", 5060))
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

HostPort = tuple[str, int]
Receive = Callable[[bytes, HostPort], None]
Refused = Callable[[HostPort], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """One datagram as it was sent, and how many copies of it the network carries: 0 is a loss, 2 a duplicate."""

    time: float
    source: HostPort
    destination: HostPort
    data: bytes
    copies: int


class Network:
    """Carries datagrams between the endpoints bound to it. All its settings may change while it runs.

    `delay` and `jitter` are seconds (each datagram takes delay + 0..jitter, so jitter reorders); `loss` and
    `duplicate` are probabilities; `drops` is asked about each datagram and decides over chance. Datagrams that
    arrive at the same moment arrive in the order they left. `sent` remembers everything, losses included.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        seed: int = 0,
        drops: Callable[[Datagram], bool] | None = None,
    ) -> None:
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.duplicate = duplicate
        self.drops = drops
        self.sent: list[Datagram] = []
        self._chance = random.Random(seed)
        self._endpoints: dict[HostPort, Endpoint] = {}
        self._in_flight: list[tuple[float, int, Datagram]] = []
        self._serial = itertools.count()

    def bind(self, host: str, port: int, receive: Receive, *, refused: Refused | None = None) -> "Endpoint":
        """Listen at (host, port); port 0 takes a free one from 49152 up. Raises OSError when the address is taken.

        `receive(data, source)` is called on the loop for each datagram; `refused(destination)` when one that we
        sent met no listener (what ICMP port unreachable tells a socket).
        """
        address = (host, port or self._free_port(host))
        if address in self._endpoints:
            raise OSError(f"address in use: {host}:{port}")
        endpoint = Endpoint(self, address, receive, refused)
        self._endpoints[address] = endpoint
        return endpoint

    def send(self, source: HostPort, destination: HostPort, data: bytes) -> None:
        """Send one datagram, also from an address that nobody is bound to."""
        now = asyncio.get_running_loop().time()
        copies = self._copies()
        datagram = Datagram(time=now, source=source, destination=destination, data=data, copies=copies)
        if copies and self.drops is not None and self.drops(datagram):
            datagram = Datagram(time=now, source=source, destination=destination, data=data, copies=0)
        self.sent.append(datagram)
        for _ in range(datagram.copies):
            self._launch(datagram)

    def unbind(self, address: HostPort) -> None:
        """Stop listening at `address`; nobody listening there is no error."""
        self._endpoints.pop(address, None)

    def _free_port(self, host: str) -> int:
        return next(port for port in range(49152, 65536) if (host, port) not in self._endpoints)

    def _copies(self) -> int:
        if self._chance.random() < self.loss:
            return 0
        return 2 if self._chance.random() < self.duplicate else 1

    def _launch(self, datagram: Datagram) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.delay + self._chance.random() * self.jitter
        heapq.heappush(self._in_flight, (due, next(self._serial), datagram))
        loop.call_at(due, self._land)

    def _land(self) -> None:
        """Deliver the earliest datagram: asyncio's timers of one moment have no order, so they do not carry it."""
        _, _, datagram = heapq.heappop(self._in_flight)
        listener = self._endpoints.get(datagram.destination)
        if listener is not None:
            listener.receive(datagram.data, datagram.source)
            return
        sender = self._endpoints.get(datagram.source)
        if sender is not None and sender.refused is not None:
            sender.refused(datagram.destination)


class Endpoint:
    """One bound address: what a socket is to a real network."""

    def __init__(self, network: Network, address: HostPort, receive: Receive, refused: Refused | None) -> None:
        self.address = address
        self.receive = receive
        self.refused = refused
        self._network = network

    def send(self, data: bytes, destination: HostPort) -> None:
        """Send one datagram from this address."""
        self._network.send(self.address, destination, data)

    def close(self) -> None:
        """Give the address back; what is still in flight to it is lost."""
        self._network.unbind(self.address)
