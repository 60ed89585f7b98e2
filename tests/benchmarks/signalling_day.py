"""Eight hours of a small office's signalling in virtual time: registrations, session timers and 5,000 calls.

Ten phones and their PBX, each a UserAgent; between them a network in memory that loses every hundredth datagram. Each
call has a fate, drawn beforehand: talked through and hung up by one side or the other, with a hold in between or
without; refused; or taken back. In the end every call must have met its fate, and nothing may be left over.

python -m tests.benchmarks.signalling_day [--hours 8] [--calls 5000] [--json]
"""

import argparse
import gc
import heapq
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from weakref import WeakSet

from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Request, parse, response_to
from sipagent.sip.outputs import (
    Acknowledged,
    Answered,
    Cancelled,
    Ended,
    Invited,
    OfferDue,
    Output,
    Refused,
    RegistrationSucceeded,
    ReofferAnswered,
    ReOffered,
    Send,
)
from sipagent.sip.registration import Registration
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, SDP

BAR = 60.0
"""Seconds of one core, at most."""
PHONES = 10
PBX = Address("127.0.1.1", 5060)
LOSS = 0.01
CALLING_HOURS = 0.8
"""The part of the time in which calls begin; in the rest the longest ones end."""
DELAY = 0.01
RINGING = 4.0
"""Seconds from 180 to the answer, the refusal or the change of mind."""
SHORTEST_TALK = 20.0
"""Seconds: what a lost ACK and a collision of offers take, a hold still happens."""
MEAN_TALK = 300.0
REGISTRATION = 300
PATIENCE = 200.0
"""Seconds after the day in which every timer fires."""
HELD = SDP + b"a=sendonly\r\n"


class Fate(Enum):
    CALLER_HANGS_UP = "the caller hangs up"
    CALLED_HANGS_UP = "the called hangs up"
    HELD = "held, resumed, and hung up"
    REFUSED = "busy"
    TAKEN_BACK = "taken back"


_ODDS = {
    Fate.CALLER_HANGS_UP: 45,
    Fate.CALLED_HANGS_UP: 35,
    Fate.HELD: 10,
    Fate.REFUSED: 5,
    Fate.TAKEN_BACK: 5,
}
_ENDINGS: dict[Fate, tuple[type[Output], ...]] = {
    Fate.CALLER_HANGS_UP: (Answered, Ended),
    Fate.CALLED_HANGS_UP: (Answered, Ended),
    Fate.HELD: (Answered, ReofferAnswered, ReofferAnswered, Ended),
    Fate.REFUSED: (Refused,),
    Fate.TAKEN_BACK: (Cancelled,),
}
"""What the caller is told of a call, provisional responses excepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What came of it."""

    hours: float
    calls: int
    seconds: float
    datagrams: int
    registrations: int
    refreshes: int
    strays: int
    left_over: int

    @property
    def figures(self) -> dict[str, float]:
        return {
            "hours of virtual time": self.hours,
            "calls": self.calls,
            "seconds of one core": round(self.seconds, 1),
            "datagrams sent": self.datagrams,
            "registrations granted": self.registrations,
            "refreshes of a session": self.refreshes,
            "calls that went another way than they should": self.strays,
            "transactions, calls and timers left over": self.left_over,
        }

    @property
    def passed(self) -> bool:
        return self.seconds <= BAR and not self.strays and not self.left_over


class SeededIds:
    """Draws that repeat, and that no two agents share."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def token(self, kind: str, scope: str = "") -> str:
        return f"{self._chance.getrandbits(64):016x}"

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        return self._chance.getrandbits(bits)


class Office:
    """The phones, their PBX, the network between them, and the clock."""

    def __init__(self, *, loss: float = LOSS, seed: int = 1) -> None:
        self.now = 0.0
        self._loss = loss
        self.sent: Counter[str] = Counter()
        self.granted = 0
        self.told: dict[InviteSession, list[type[Output]]] = {}
        self.sessions: WeakSet[InviteSession] = WeakSet()
        self.strays = 0
        self._chance = random.Random(seed)
        self._serial = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self.phones = [Address(f"127.0.0.{number}", 5060) for number in range(1, PHONES + 1)]
        self.agents = {
            address: UserAgent(ids=SeededIds(number), admission=Admission(local=True))
            for number, address in enumerate([*self.phones, PBX])
        }
        self._registrations: list[Registration] = []
        self._fates: dict[str, tuple[Fate, float]] = {}
        self._offers: dict[str, bytes] = {}

    # ---- what happens in it

    def open(self) -> None:
        """Every phone registers."""
        for address in self.phones:
            registration = self.agents[address].register(
                identity=_identity(address),
                registrar=Uri(host=PBX.host),
                flow=_flow(address, PBX),
                expires=REGISTRATION,
                now=0.0,
            )
            self._registrations.append(registration)

    def plan(self, calls: int, seconds: float) -> None:
        """Spread so many calls over the time, from phones and to them."""
        for _ in range(calls):
            self.at(self._chance.uniform(0, seconds), self._place_call)

    def close(self) -> None:
        """Every phone takes its registration back."""
        for registration in self._registrations:
            registration.unregister(self.now)

    def _place_call(self) -> None:
        phone = self._chance.choice(self.phones)
        caller, called = (phone, PBX) if self._chance.random() < 0.5 else (PBX, phone)
        (fate,) = self._chance.choices(list(_ODDS), weights=list(_ODDS.values()))
        session = self.agents[caller].invite(
            target=Uri(user="them", host=called.host),
            flow=_flow(caller, called),
            identity=_identity(caller),
            offer=SDP,
            now=self.now,
        )
        self._fates[session.call_id] = fate, SHORTEST_TALK + self._chance.expovariate(1 / MEAN_TALK)
        self.told[session] = []
        self.sessions.add(session)
        if fate is Fate.TAKEN_BACK:
            self.at(self.now + RINGING, lambda: session.cancel(self.now))

    def _react(self, output: Output) -> None:
        """What the people at both ends do."""
        match output:
            case RegistrationSucceeded():
                self.granted += 1
            case Invited(session=session):
                self._ring(session)
            case ReOffered(session=session):
                session.answer_offer(ANSWER, self.now)
            case OfferDue(session=session):
                session.reoffer(lambda: self._offers[session.call_id], self.now)
            case Answered(session=session):
                self._talk(session)
            case Acknowledged(session=session) if self._fates[session.call_id][0] is Fate.CALLED_HANGS_UP:
                self._hang_up_after(session, self._fates[session.call_id][1])
        self._note(output)

    def _ring(self, session: InviteSession) -> None:
        self.sessions.add(session)
        session.ring(self.now)
        fate, _ = self._fates[session.call_id]
        if fate is Fate.REFUSED:
            self.at(self.now + RINGING, lambda: session.reject(486, self.now))
        elif fate is not Fate.TAKEN_BACK:
            self.at(self.now + RINGING, lambda: session.accept(ANSWER, self.now))

    def _talk(self, session: InviteSession) -> None:
        fate, seconds = self._fates[session.call_id]
        if fate is Fate.HELD:
            self.at(self.now + seconds / 3, lambda: self._change(session, HELD))
            self.at(self.now + seconds * 2 / 3 + 1, lambda: self._change(session, SDP))
            seconds += 2
        if fate is not Fate.CALLED_HANGS_UP:
            self._hang_up_after(session, seconds)

    def _change(self, session: InviteSession, offer: bytes) -> None:
        self._offers[session.call_id] = offer
        session.renegotiate(self.now)

    def _hang_up_after(self, session: InviteSession, seconds: float) -> None:
        self.at(self.now + seconds, lambda: session.bye(self.now))

    def _note(self, output: Output) -> None:
        """Keep what the caller is told, and judge it when the call is over."""
        session = getattr(output, "session", None)
        if session not in self.told:
            return
        if isinstance(output, (Answered, Cancelled, Ended, Refused, ReofferAnswered)):
            self.told[session].append(type(output))
        if isinstance(output, (Cancelled, Ended, Refused)):
            fate, _ = self._fates[session.call_id]
            self.strays += tuple(self.told.pop(session)) != _ENDINGS[fate]

    # ---- how it runs

    def at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._serial), act))

    def run(self, end: float) -> None:
        """Let time pass: whatever is due first happens first."""
        self._drain()
        while (due := self._next()) is not None and due <= end:
            self.now = max(self.now, due)
            for agent in self.agents.values():
                timer = agent.next_timer()
                if timer is not None and timer <= self.now:
                    agent.handle_timer(self.now)
            while self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()
            self._drain()
        self.now = end

    def _next(self) -> float | None:
        times = [agent.next_timer() for agent in self.agents.values()] + [item[0] for item in self._due[:1]]
        return min((time for time in times if time is not None), default=None)

    def _drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for address, agent in self.agents.items():
                for output in agent.outputs():
                    busy = True
                    if isinstance(output, Send):
                        self._send(address, output.flow.remote, output.data)
                    else:
                        self._react(output)

    def _send(self, source: Address, destination: Address, data: bytes) -> None:
        self.sent[data[: data.find(b" ")].decode()] += 1
        if self._chance.random() >= self._loss:
            self.at(self.now + DELAY, lambda: self._arrive(source, destination, data))

    def _arrive(self, source: Address, destination: Address, data: bytes) -> None:
        if destination == PBX and data.startswith(b"REGISTER"):
            self._register(source, data)
        else:
            self.agents[destination].receive(data, _flow(destination, source), self.now)

    def _register(self, source: Address, data: bytes) -> None:
        """The registrar, which no user agent is: whoever asks is granted what it asks for."""
        request = parse(data)
        assert isinstance(request, Request)
        headers = [("Contact", request.headers.get("contact") or ""), ("Expires", request.headers.get("expires") or "")]
        granted = response_to(request, 200, source=source, to_tag="registrar", headers=headers)
        self._send(PBX, source, bytes(granted))

    @property
    def left_over(self) -> int:
        """Agents that are not idle or wait for a timer, calls without an end, sessions that somebody still holds."""
        gc.collect()
        awake = sum(not agent.idle or agent.next_timer() is not None for agent in self.agents.values())
        return awake + len(self.told) + len(self.sessions)


def _flow(local: Address, remote: Address) -> Flow:
    return Flow(transport=Transport.UDP, local=local, remote=remote)


def _identity(address: Address) -> Identity:
    return Identity(uri=Uri(user="us", host=address.host))


def live(hours: float, calls: int, *, loss: float = LOSS) -> Day:
    """Live through it, as fast as one core can."""
    office = Office(loss=loss)
    begun = time.process_time()
    office.open()
    office.plan(calls, hours * 3600 * CALLING_HOURS)
    office.run(hours * 3600)
    office.close()
    office.run(office.now + PATIENCE)
    return Day(
        hours=hours,
        calls=calls,
        seconds=time.process_time() - begun,
        datagrams=office.sent.total(),
        registrations=office.granted,
        refreshes=office.sent["UPDATE"],
        strays=office.strays,
        left_over=office.left_over,
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--hours", type=float, default=8.0)
    arguments.add_argument("--calls", type=int, default=5000)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    day = live(options.hours, options.calls)
    if options.json:
        print(json.dumps(day.figures))
        return 0
    for name, value in day.figures.items():
        print(f"{value:9}  {name}" + (f"  (bar: {BAR:.0f})" if "core" in name else ""))
    return 0 if day.passed else 4


if __name__ == "__main__":
    sys.exit(main())
