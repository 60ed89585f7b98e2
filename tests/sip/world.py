"""Two user agents, a network between them that loses, doubles and reorders, and virtual time."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Field
from sipagent.sip.outputs import Output, Send
from sipagent.sip.uri import Uri
from tests.sip.bench import flow_from

CALLER = Address("127.0.0.1", 5060)
CALLEE = Address("127.0.0.2", 5060)
IDENTITY = Identity(uri=Uri.parse("sip:somebody@127.0.0.1"))


@dataclass
class Weather:
    """What the network does to a datagram."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0


class ChanceIds:
    """Identifiers of a seeded die: no two agents of a world draw the same."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def token(self, kind: str, scope: str = "") -> str:
        return f"{self._chance.getrandbits(48):012x}"

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        return self._chance.getrandbits(bits)


@dataclass
class World:
    """Two agents, the datagrams between them, and virtual time. `drive` is told what an agent tells its driver."""

    weather: Weather
    seed: int
    drive: Callable[["World", Address, Output], None]
    now: float = 0.0
    told: list[tuple[Address, Output]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        ids = ChanceIds(self.chance)
        self.agents = {address: UserAgent(ids=ids, admission=Admission(local=True)) for address in (CALLER, CALLEE)}
        self._air: list[tuple[float, int, Address, Send]] = []
        self._serial = itertools.count()

    def call(self, offer: bytes | None, *, caller: Address = CALLER, headers: tuple[Field, ...] = ()) -> InviteSession:
        """One calls the other."""
        other = CALLEE if caller == CALLER else CALLER
        return self.agents[caller].invite(
            target=Uri.parse(f"sip:other@{other.host}"),
            flow=flow_from(other, local=caller),
            identity=IDENTITY,
            offer=offer,
            headers=headers,
            now=self.now,
        )

    def run(self, seconds: float) -> None:
        """Let time pass: datagrams arrive, timers fire, the drivers react."""
        end = self.now + seconds
        self.drain()
        while (due := self._next_event()) is not None and due <= end:
            self.now = max(self.now, due)
            for agent in self.agents.values():
                agent.handle_timer(self.now)
            self.drain()
            self._deliver()
            self.drain()
        self.now = end

    def drain(self) -> None:
        """Send and tell what is ready."""
        busy = True
        while busy:
            busy = False
            for address, agent in self.agents.items():
                for output in agent.outputs():
                    busy = True
                    if isinstance(output, Send):
                        self._send(address, output)
                    else:
                        self.told.append((address, output))
                        self.drive(self, address, output)

    @property
    def idle(self) -> bool:
        """Whether no transaction, session or timer is left."""
        return all(agent.idle and agent.next_timer() is None for agent in self.agents.values())

    def _next_event(self) -> float | None:
        times = [agent.next_timer() for agent in self.agents.values()] + [item[0] for item in self._air[:1]]
        return min((time for time in times if time is not None), default=None)

    def _deliver(self) -> None:
        while self._air and self._air[0][0] <= self.now:
            _, _, source, send = heapq.heappop(self._air)
            self.agents[send.flow.remote].receive(send.data, flow_from(source, local=send.flow.remote), self.now)

    def _send(self, source: Address, send: Send) -> None:
        copies = (self.chance.random() >= self.weather.loss) + (self.chance.random() < self.weather.duplicates)
        for _ in range(copies):
            at = self.now + self.weather.delay + self.chance.random() * self.weather.jitter
            heapq.heappush(self._air, (at, next(self._serial), source, send))
