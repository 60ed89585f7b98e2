"""Two user agents over a bad network: every call is set up and torn down, and nothing is left over."""

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest

from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.outputs import (
    Acknowledged,
    Invited,
    Output,
    Progress,
    ReOffered,
    Send,
)
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, SDP, CountingIds, flow_from

CALLER = Address("127.0.0.1", 5060)
CALLEE = Address("127.0.0.2", 5060)
IDENTITY = Identity(uri=Uri.parse("sip:caller@127.0.0.1"))


@dataclass
class Weather:
    """What the network does to a datagram."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0


@dataclass
class World:
    """Two agents, the datagrams between them, and virtual time."""

    weather: Weather
    seed: int
    now: float = 0.0
    told: list[tuple[Address, Output]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.agents = {
            address: UserAgent(ids=CountingIds(), admission=Admission(local=True)) for address in (CALLER, CALLEE)
        }
        self._air: list[tuple[float, int, Address, Send]] = []
        self._serial = itertools.count()

    def call(self) -> InviteSession:
        flow = flow_from(CALLEE, local=CALLER)
        target = Uri.parse("sip:callee@127.0.0.2")
        return self.agents[CALLER].invite(target=target, flow=flow, identity=IDENTITY, offer=SDP, now=self.now)

    def run(self, seconds: float) -> None:
        """Let time pass: datagrams arrive, timers fire, the driver below reacts."""
        end = self.now + seconds
        self._drain()
        while (due := self._next_event()) is not None and due <= end:
            self.now = max(self.now, due)
            for agent in self.agents.values():
                agent.handle_timer(self.now)
            self._drain()
            self._deliver()
            self._drain()
        self.now = end

    def _next_event(self) -> float | None:
        times = [agent.next_timer() for agent in self.agents.values()] + [item[0] for item in self._air[:1]]
        return min((time for time in times if time is not None), default=None)

    def _deliver(self) -> None:
        while self._air and self._air[0][0] <= self.now:
            _, _, source, send = heapq.heappop(self._air)
            self.agents[send.flow.remote].receive(send.data, flow_from(source, local=send.flow.remote), self.now)

    def _drain(self) -> None:
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
                        self._drive(output)

    def _send(self, source: Address, send: Send) -> None:
        copies = (self.chance.random() >= self.weather.loss) + (self.chance.random() < self.weather.duplicates)
        for _ in range(copies):
            at = self.now + self.weather.delay + self.chance.random() * self.weather.jitter
            heapq.heappush(self._air, (at, next(self._serial), source, send))

    def _drive(self, output: Output) -> None:
        """The driver of both sides: the callee rings and answers at once, offers are answered."""
        if isinstance(output, Invited):
            output.session.ring(self.now)
            output.session.accept(ANSWER, self.now)
        elif isinstance(output, ReOffered):
            output.session.answer_offer(ANSWER, self.now)

    def events(self, address: Address) -> list[str]:
        return [
            type(output).__name__
            for where, output in self.told
            if where == address and not isinstance(output, Progress)
        ]

    @property
    def idle(self) -> bool:
        return all(agent.idle and agent.next_timer() is None for agent in self.agents.values())


BAD = Weather(loss=0.2, duplicates=0.1, delay=0.02, jitter=0.6)


@pytest.mark.parametrize("seed", range(60))
def test_the_caller_hangs_up(seed: int) -> None:
    world = World(BAD, seed)
    session = world.call()
    world.run(40.0)
    assert world.events(CALLER) == ["Answered"]
    assert world.events(CALLEE) == ["Invited", "Acknowledged"]
    session.bye(world.now)
    world.run(200.0)
    assert world.events(CALLER) == ["Answered", "Ended"]
    assert world.events(CALLEE) == ["Invited", "Acknowledged", "Ended"]
    assert world.idle


@pytest.mark.parametrize("seed", range(60))
def test_the_callee_hangs_up(seed: int) -> None:
    world = World(BAD, seed)
    world.call()
    world.run(40.0)
    (session,) = [output.session for _, output in world.told if isinstance(output, Acknowledged)]
    session.bye(world.now)
    world.run(200.0)
    assert world.events(CALLER) == ["Answered", "Ended"]
    assert world.events(CALLEE) == ["Invited", "Acknowledged", "Ended"]
    assert world.idle


@pytest.mark.parametrize("seed", range(60))
def test_the_caller_changes_its_mind_in_the_same_moment(seed: int) -> None:
    """CANCEL and 200 cross in all the ways there are; whatever wins, both sides agree that it is over."""
    world = World(BAD, seed)
    session = world.call()
    world.run(world.chance.random() * 2.0)
    session.cancel(world.now)
    world.run(300.0)
    assert world.events(CALLER)[-1] in ("Cancelled", "Ended")
    assert world.events(CALLEE)[-1:] in ([], ["Cancelled"], ["Ended"])
    assert world.idle


@pytest.mark.parametrize("seed", range(20))
def test_many_calls_at_once(seed: int) -> None:
    world = World(BAD, seed)
    sessions = []
    for _ in range(20):
        sessions.append(world.call())
        world.run(world.chance.random())
    world.run(40.0)
    for session in sessions:
        session.bye(world.now)
    world.run(300.0)
    assert world.events(CALLER).count("Ended") == world.events(CALLEE).count("Ended") == 20
    assert world.idle


def test_a_cut_wire_ends_a_call_on_both_sides() -> None:
    world = World(Weather(), 1)
    session = world.call()
    world.run(1.0)
    world.weather.loss = 1.0
    session.bye(world.now)
    world.run(100.0)
    assert world.events(CALLER) == ["Answered", "Ended"]
    assert world.agents[CALLER].idle


def test_a_cut_wire_refuses_a_call() -> None:
    world = World(Weather(loss=1.0), 1)
    world.call()
    world.run(100.0)
    assert world.events(CALLER) == ["Refused"]
    assert world.idle
