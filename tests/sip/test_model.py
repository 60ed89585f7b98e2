"""Two user agents that do anything at any moment over a bad network, against a small model of what a call is.

The model knows three things. A call ends once at each side, and nothing is told of it afterwards. When the wires are
good again and all is quiet, both sides agree whether it stands, and on the same offer with the same answer. When all
have hung up, no transaction, session or timer is left.

A test run has the same seed each time: it judges the change at hand. `make model` draws one, and goes on searching.

    make model MODEL_RUNS=5000          SIPAGENT_MODEL_SEED=7 repeats the runs of which 7 was printed
"""

import os
import random
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sipagent.errors import LocalProtocolError
from sipagent.sip.dtmf import KEYS
from sipagent.sip.flow import Address
from sipagent.sip.invite import InviteSession
from sipagent.sip.invite_table import SessionState
from sipagent.sip.outputs import (
    Acknowledged,
    Answered,
    Cancelled,
    Ended,
    Invited,
    KeyPressed,
    OfferDue,
    Output,
    Progress,
    ReAnswered,
    Refused,
    ReofferAnswered,
    ReOffered,
)
from tests.sip.world import CALLEE, CALLER, Weather, World

RUNS = int(os.environ.get("SIPAGENT_MODEL_RUNS", "200"))
STEPS = 50
LAST = (Refused, Cancelled, Ended)
RELIABLY = (("Require", "100rel"),)
REFUSALS = 0.2
"""The share of offers in a call that are refused."""

who = st.sampled_from([CALLER, CALLEE])
which = st.integers(0, 7)


@dataclass(eq=False)
class Side:
    """One side of one call, as its driver sees it."""

    session: InviteSession
    offer: bytes | None = None
    """The offer that was made last: ours, or, of an INVITE that came in, theirs."""
    answer: bytes = b""
    """What we answer the INVITE with."""
    agreed: tuple[bytes, bytes] | None = None
    """The offer and the answer in force."""
    is_over: bool = False
    pressed: str = ""
    heard: str = ""


class Calls(RuleBasedStateMachine):
    """The rules: what two drivers and a network can do."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Weather(delay=0.02), 1, self.drive)
        self.sides: dict[InviteSession, Side] = {}
        self.numbers = count(1)

    # ---- the drivers

    def drive(self, world: World, where: Address, output: Output) -> None:
        session = getattr(output, "session", None)
        assert session is not None
        if isinstance(output, Invited):
            self.sides[session] = Side(session, output.offer)
            return
        side = self.sides[session]
        assert not side.is_over, f"{output} after the end"
        if isinstance(output, LAST):
            side.is_over = True
        elif isinstance(output, OfferDue):
            side.session.reoffer(lambda: self.describe(side), world.now)
        elif isinstance(output, ReOffered):
            self.meet(side, output.offer)
        elif isinstance(output, Answered):
            self.take_answer(side, output.body)
        elif isinstance(output, Progress | Acknowledged | ReAnswered | ReofferAnswered):
            answer = output.body if isinstance(output, Progress) else output.answer
            if answer and side.offer:
                side.agreed = side.offer, answer
        elif isinstance(output, KeyPressed):
            side.heard += output.key

    def meet(self, side: Side, offer: bytes | None) -> None:
        """An offer inside the call, or the wish for one."""
        if self.world.chance.random() < REFUSALS:
            side.session.refuse_offer(488, self.world.now)
            return
        body = self.words("offer" if offer is None else "answer")
        if offer is None:
            side.offer = body
        else:
            side.agreed = offer, body
        side.session.answer_offer(body, self.world.now)

    def take_answer(self, side: Side, body: bytes | None) -> None:
        if side.offer is not None:
            side.agreed = (side.offer, body) if body else side.agreed
        elif body is not None:
            answer = self.words("answer")
            side.agreed = body, answer
            side.session.acknowledge(answer, self.world.now)

    def words(self, kind: str) -> bytes:
        """A description like no other."""
        return f"{kind} {next(self.numbers)}".encode()

    @property
    def standing(self) -> int:
        """How many sides have a call."""
        return sum(not side.is_over for side in self.sides.values())

    @property
    def is_ringing(self) -> bool:
        return self.side(0, SessionState.INVITED) is not None

    def side(self, number: int, *states: SessionState) -> Side | None:
        found = [side for side in self.sides.values() if not states or side.session.state in states]
        return found[number % len(found)] if found else None

    # ---- what can happen

    @initialize(number=st.integers(1, 2), reliably=st.booleans())
    def begin(self, number: int, reliably: bool) -> None:
        """Some calls stand."""
        for caller in (CALLER, CALLEE)[:number]:
            self.call(caller, delayed=False, reliably=reliably)
            self.world.run(0.1)
            self.answer(0)
            self.world.run(0.1)

    @precondition(lambda self: self.standing < 4)
    @rule(caller=who, delayed=st.booleans(), reliably=st.booleans())
    def call(self, caller: Address, delayed: bool, reliably: bool) -> None:
        offer = None if delayed else self.words("offer")
        session = self.world.call(offer, caller=caller, headers=RELIABLY if reliably and offer else ())
        self.sides[session] = Side(session, offer)

    @precondition(lambda self: self.is_ringing)
    @rule(number=which, early_media=st.booleans())
    def ring(self, number: int, early_media: bool) -> None:
        side = self.side(number, SessionState.INVITED)
        if side is None:
            return
        body = self.description(side) if early_media or side.session.must_offer_early else b""
        if body and side.offer and "100rel" in side.session.request.headers.tokens("require"):
            side.agreed = side.agreed or (side.offer, body)
        side.session.ring(self.world.now, code=183 if body else 180, body=body)

    @precondition(lambda self: self.is_ringing)
    @rule(number=which)
    def answer(self, number: int) -> None:
        side = self.side(number, SessionState.INVITED)
        if side is None:
            return
        body = self.description(side)
        if side.session.request.body and side.offer:
            side.agreed = side.agreed or (side.offer, body)
        side.session.accept(body, self.world.now)

    def description(self, side: Side) -> bytes:
        """What a callee says of itself in its 1xx and its 200: the same."""
        if not side.answer:
            side.answer = self.words("answer" if side.offer else "offer")
        if not side.session.request.body:
            side.offer = side.answer
        return side.answer

    @precondition(lambda self: self.is_ringing)
    @rule(number=which, code=st.sampled_from([486, 480, 603]))
    def reject(self, number: int, code: int) -> None:
        side = self.side(number, SessionState.INVITED)
        if side is not None:
            side.session.reject(code, self.world.now)
            side.is_over = True

    @rule(number=which, sure=st.integers(0, 3))
    def hang_up(self, number: int, sure: int) -> None:
        """BYE, CANCEL or 480; not so often that nothing else happens."""
        side = self.side(number)
        if side is not None and sure == 3:
            self.end(side)

    def end(self, side: Side) -> None:
        untold = side.session.state in (SessionState.INVITED, SessionState.PROMISED)
        side.session.bye(self.world.now)
        side.is_over = side.is_over or untold

    @rule(number=which)
    def change(self, number: int) -> None:
        """Hold, resume, another codec: any further offer."""
        side = self.side(number, SessionState.ESTABLISHED) or self.side(number)
        if side is not None:
            side.session.renegotiate(self.world.now)

    def describe(self, side: Side) -> bytes:
        side.offer = self.words("offer")
        return side.offer

    @rule()
    def both_change_at_once(self) -> None:
        for side in list(self.sides.values()):
            side.session.renegotiate(self.world.now)

    @rule(number=which, key=st.sampled_from(KEYS))
    def press(self, number: int, key: str) -> None:
        side = self.side(number, SessionState.ESTABLISHED)
        if side is not None:
            side.pressed += key
            side.session.press(key, self.world.now)

    @rule(number=which)
    def out_of_turn(self, number: int) -> None:
        """What no driver should do raises, and changes nothing."""
        side = self.side(number, SessionState.ESTABLISHED, SessionState.EARLY)
        if side is not None:
            with pytest.raises(LocalProtocolError):
                side.session.accept(b"x", self.world.now)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 40.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(loss=st.sampled_from([0.0, 0.1, 0.3]), duplicates=st.sampled_from([0.0, 0.2]), jitter=st.sampled_from([0, 1]))
    def weather_changes(self, loss: float, duplicates: float, jitter: int) -> None:
        self.world.weather = Weather(loss=loss, duplicates=duplicates, delay=0.02, jitter=0.6 * jitter)

    # ---- what must be

    @invariant()
    def the_drivers_are_told(self) -> None:
        """Whoever drives an agent drains it after each of its verbs."""
        self.world.drain()

    def teardown(self) -> None:
        self.world.weather = Weather(delay=0.02)
        self.world.run(150.0)
        self.both_sides_agree()
        for side in list(self.sides.values()):
            self.end(side)
        self.world.run(300.0)
        assert all(side.is_over for side in self.sides.values()), "every call ends"
        assert self.world.idle, "nothing is left"

    def both_sides_agree(self) -> None:
        callers = {side.session.call_id: side for side in self.sides.values() if side.session.outgoing}
        for callee in self.sides.values():
            if callee.session.outgoing:
                continue
            caller = callers[callee.session.call_id]
            assert caller.session.is_confirmed is callee.session.is_confirmed
            if caller.session.is_confirmed:
                assert caller.agreed == callee.agreed
            for one, other in ((caller, callee), (callee, caller)):
                assert one.pressed.startswith(other.heard)


def test_calls_in_any_weather(capsys: pytest.CaptureFixture[str]) -> None:
    given = os.environ.get("SIPAGENT_MODEL_SEED", "20261120")
    number = random.getrandbits(32) if given == "random" else int(given)
    with capsys.disabled():
        print(f"\n{RUNS} runs of {STEPS} steps, SIPAGENT_MODEL_SEED={number}")
    run_state_machine_as_test(
        seed(number)(Calls),
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
