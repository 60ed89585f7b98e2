"""The four transaction machines of RFC 3261 section 17, with the Accepted states of RFC 6026, as tables.

A table maps (state, input) to (next state, actions); what it does not name is absorbed. Timers run by state, too:
entering a state starts those of its row that do not run yet and stops the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sipagent.sip.flow import Flow
from sipagent.sip.headers import MAGIC_COOKIE
from sipagent.sip.message import Headers, Request, Response
from sipagent.sip.timers import PATIENCE, T1, T2, T4

TIMER_D = 32.0
"""How long a client waits for retransmitted failures of an INVITE; at least 32 s over UDP."""


class State(Enum):
    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    ACCEPTED = "Accepted"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


class Input(Enum):
    """What moves a transaction: timers, and messages by their class (received by a client, sent by a server)."""

    REQUEST = "request"
    ACK = "ACK"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    TRANSPORT_ERROR = "transport error"
    A = "timer A"
    B = "timer B"
    D = "timer D"
    E = "timer E"
    F = "timer F"
    G = "timer G"
    H = "timer H"
    I = "timer I"  # noqa: E741  the letter of the RFC
    J = "timer J"
    K = "timer K"
    L = "timer L"
    M = "timer M"


class Action(Enum):
    SEND = "send the message at hand"
    REPEAT = "send the last message again"
    ACKNOWLEDGE = "send an ACK"
    PASS = "pass the message to the user"
    TIME_OUT = "tell the user: no answer"
    FAIL = "tell the user: cannot be sent"


Table = Mapping[tuple[State, Input], tuple[State, tuple[Action, ...]]]
Timers = Mapping[State, tuple[Input, ...]]

INVITE_CLIENT: Table = {
    (State.CALLING, Input.A): (State.CALLING, (Action.REPEAT,)),
    (State.CALLING, Input.B): (State.TERMINATED, (Action.TIME_OUT,)),
    (State.CALLING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.CALLING, Input.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.CALLING, Input.SUCCESS): (State.ACCEPTED, (Action.PASS,)),
    (State.CALLING, Input.FAILURE): (State.COMPLETED, (Action.ACKNOWLEDGE, Action.PASS)),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, (Action.PASS,)),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, (Action.ACKNOWLEDGE, Action.PASS)),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, (Action.PASS,)),
    (State.ACCEPTED, Input.M): (State.TERMINATED, ()),
    (State.COMPLETED, Input.FAILURE): (State.COMPLETED, (Action.ACKNOWLEDGE,)),
    (State.COMPLETED, Input.D): (State.TERMINATED, ()),
}
"""RFC 3261 section 17.1.1.2 as RFC 6026 section 8.4 amends it."""

CLIENT: Table = {
    (State.TRYING, Input.E): (State.TRYING, (Action.REPEAT,)),
    (State.TRYING, Input.F): (State.TERMINATED, (Action.TIME_OUT,)),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.TRYING, Input.SUCCESS): (State.COMPLETED, (Action.PASS,)),
    (State.TRYING, Input.FAILURE): (State.COMPLETED, (Action.PASS,)),
    (State.PROCEEDING, Input.E): (State.PROCEEDING, (Action.REPEAT,)),
    (State.PROCEEDING, Input.F): (State.TERMINATED, (Action.TIME_OUT,)),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.FAIL,)),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, (Action.PASS,)),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, (Action.PASS,)),
    (State.COMPLETED, Input.K): (State.TERMINATED, ()),
}
"""RFC 3261 section 17.1.2.2."""

INVITE_SERVER: Table = {
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.REPEAT,)),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, (Action.SEND,)),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, (Action.SEND,)),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Input.ACK): (State.ACCEPTED, (Action.PASS,)),
    (State.ACCEPTED, Input.L): (State.TERMINATED, ()),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.REPEAT,)),
    (State.COMPLETED, Input.G): (State.COMPLETED, (Action.REPEAT,)),
    (State.COMPLETED, Input.H): (State.TERMINATED, (Action.TIME_OUT,)),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.I): (State.TERMINATED, ()),
}
"""RFC 3261 section 17.2.1 as RFC 6026 section 8.5 amends it: 2xx are repeated by the user, not by the machine."""

SERVER: Table = {
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, (Action.SEND,)),
    (State.TRYING, Input.SUCCESS): (State.COMPLETED, (Action.SEND,)),
    (State.TRYING, Input.FAILURE): (State.COMPLETED, (Action.SEND,)),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.REPEAT,)),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, (Action.SEND,)),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, (Action.SEND,)),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.REPEAT,)),
    (State.COMPLETED, Input.J): (State.TERMINATED, ()),
}
"""RFC 3261 section 17.2.2."""

CLIENT_TIMERS: Timers = {
    State.CALLING: (Input.A, Input.B),
    State.TRYING: (Input.E, Input.F),
    State.PROCEEDING: (Input.E, Input.F),
    State.ACCEPTED: (Input.M,),
    State.COMPLETED: (Input.K,),
}
INVITE_CLIENT_TIMERS: Timers = {**CLIENT_TIMERS, State.PROCEEDING: (), State.COMPLETED: (Input.D,)}
INVITE_SERVER_TIMERS: Timers = {
    State.ACCEPTED: (Input.L,),
    State.COMPLETED: (Input.G, Input.H),
    State.CONFIRMED: (Input.I,),
}
SERVER_TIMERS: Timers = {State.COMPLETED: (Input.J,)}

_DURATIONS = {
    Input.A: T1,
    Input.B: PATIENCE,
    Input.D: TIMER_D,
    Input.E: T1,
    Input.F: PATIENCE,
    Input.G: T1,
    Input.H: PATIENCE,
    Input.I: T4,
    Input.J: PATIENCE,
    Input.K: T4,
    Input.L: PATIENCE,
    Input.M: PATIENCE,
}
_REPEATING = {Input.A, Input.E, Input.G}
"""These retransmit, and never run over a reliable transport."""
_LINGERING = {Input.D, Input.I, Input.J, Input.K}
"""These wait for retransmissions of the peer; over a reliable transport they fire at once."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Bytes to send over the transaction's flow."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Passed:
    """A message for the transaction's user: a response, or the ACK of a 2xx that came with the INVITE's branch."""

    message: Request | Response


@dataclass(frozen=True, slots=True)
class Failed:
    """Nobody answered (408), or the request could not be sent (503): RFC 3261 section 8.1.3.1.

    `why` is what the network said of it, if anything.
    """

    code: int
    why: str = ""


Output = Transmit | Passed | Failed


class Clockwork:
    """State and timers of one transaction, moved by its table."""

    def __init__(self, table: Table, timers: Timers, state: State, flow: Flow, now: float) -> None:
        self.state = state
        self._table = table
        self._timers = timers
        self._reliable = flow.transport.reliable
        self._deadlines: dict[Input, float] = {}
        self._intervals: dict[Input, float] = {}
        self._start_timers(now)

    def move(self, event: Input, now: float) -> tuple[Action, ...]:
        """Take the step that the table names for `event`; returns what is to be done."""
        step = self._table.get((self.state, event))
        if step is None:
            return ()
        before, (self.state, actions) = self.state, step
        if self.state is not before:
            self._start_timers(now)
        return actions

    def due(self, now: float) -> Input | None:
        """Take out the timer that fires next, if its time has come; a repeating one is started again."""
        timer = min(self._deadlines, key=self._deadlines.__getitem__, default=None)
        if timer is None or self._deadlines[timer] > now:
            return None
        del self._deadlines[timer]
        if timer in _REPEATING:
            self._intervals[timer] = interval = self._next_interval(timer)
            self._deadlines[timer] = now + interval
        return timer

    def next_timer(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    def _next_interval(self, timer: Input) -> float:
        doubled = 2 * self._intervals[timer]
        if timer is Input.A:  # timer A doubles without limit until timer B ends it (RFC 3261 section 17.1.1.2)
            return doubled
        if timer is Input.E and self.state is State.PROCEEDING:
            return T2
        return min(doubled, T2)

    def _start_timers(self, now: float) -> None:
        wanted = self._timers.get(self.state, ())
        self._deadlines = {timer: at for timer, at in self._deadlines.items() if timer in wanted}
        for timer in wanted:
            if timer not in self._deadlines and not (self._reliable and timer in _REPEATING):
                duration = 0.0 if self._reliable and timer in _LINGERING else _DURATIONS[timer]
                self._intervals[timer] = duration
                self._deadlines[timer] = now + duration


class ClientTransaction:
    """Sends one request until it is answered (RFC 3261 section 17.1)."""

    def __init__(self, request: Request, flow: Flow, now: float) -> None:
        self.request = request
        self.flow = flow
        self.key = client_key(request)
        invite = request.method == "INVITE"
        self._clock = (
            Clockwork(INVITE_CLIENT, INVITE_CLIENT_TIMERS, State.CALLING, flow, now)
            if invite
            else Clockwork(CLIENT, CLIENT_TIMERS, State.TRYING, flow, now)
        )
        self._data = bytes(request)
        self._why = ""
        self._outputs: list[Output] = [Transmit(self._data)]

    @property
    def state(self) -> State:
        return self._clock.state

    def receive(self, response: Response, now: float) -> None:
        self._step(_class_of(response), now, response)

    def transport_failed(self, now: float, why: str = "") -> None:
        """The network would not take the request (RFC 3261 section 17.1.4)."""
        self._why = why
        self._step(Input.TRANSPORT_ERROR, now)

    def handle_timer(self, now: float) -> None:
        while (timer := self._clock.due(now)) is not None:
            self._step(timer, now)

    def next_timer(self) -> float | None:
        return self._clock.next_timer()

    def outputs(self) -> list[Output]:
        drained, self._outputs = self._outputs, []
        return drained

    def _step(self, event: Input, now: float, response: Response | None = None) -> None:
        for action in self._clock.move(event, now):
            if action is Action.REPEAT:
                self._outputs.append(Transmit(self._data))
            elif action is Action.TIME_OUT:
                self._outputs.append(Failed(408))
            elif action is Action.FAIL:
                self._outputs.append(Failed(503, self._why))
            elif response is not None:
                acknowledge = action is Action.ACKNOWLEDGE
                self._outputs.append(
                    Transmit(bytes(ack_of_failure(self.request, response))) if acknowledge else Passed(response)
                )


class ServerTransaction:
    """Answers one request, and the same again when it is repeated (RFC 3261 section 17.2)."""

    def __init__(self, request: Request, flow: Flow, now: float) -> None:
        self.request = request
        self.flow = flow
        self.key = server_key(request)
        invite = request.method == "INVITE"
        self._clock = (
            Clockwork(INVITE_SERVER, INVITE_SERVER_TIMERS, State.PROCEEDING, flow, now)
            if invite
            else Clockwork(SERVER, SERVER_TIMERS, State.TRYING, flow, now)
        )
        self._last = b""
        self._outputs: list[Output] = []

    @property
    def state(self) -> State:
        return self._clock.state

    def receive(self, request: Request, now: float) -> None:
        """Take a retransmission of the request, or the ACK that belongs to it."""
        self._step(Input.ACK if request.method == "ACK" else Input.REQUEST, now, request)

    def respond(self, response: Response, now: float) -> None:
        self._step(_class_of(response), now, response)

    def handle_timer(self, now: float) -> None:
        while (timer := self._clock.due(now)) is not None:
            self._step(timer, now)

    def next_timer(self) -> float | None:
        return self._clock.next_timer()

    def outputs(self) -> list[Output]:
        drained, self._outputs = self._outputs, []
        return drained

    def _step(self, event: Input, now: float, message: Request | Response | None = None) -> None:
        for action in self._clock.move(event, now):
            if action is Action.SEND and message is not None:
                self._last = bytes(message)
            if action is Action.PASS and message is not None:
                self._outputs.append(Passed(message))
            elif action is Action.TIME_OUT:
                self._outputs.append(Failed(408))
            elif self._last:
                self._outputs.append(Transmit(self._last))


def _class_of(response: Response) -> Input:
    return Input.PROVISIONAL if response.code < 200 else Input.SUCCESS if response.code < 300 else Input.FAILURE


def ack_of_failure(request: Request, response: Response) -> Request:
    """The ACK that ends an INVITE transaction without success: part of it, same branch (RFC 3261 section 17.1.1.3)."""
    return _beside(request, "ACK", to=response.headers.get("to") or "")


def cancel_of(request: Request) -> Request:
    """The CANCEL of an INVITE: its own transaction, the INVITE's branch (RFC 3261 section 9.1)."""
    return _beside(request, "CANCEL", to=request.headers.get("to") or "")


def _beside(request: Request, method: str, *, to: str) -> Request:
    """A request that takes the way of `request` hop by hop, with its branch and number."""
    fields = [
        ("Via", request.headers.values("via")[0]),
        *(("Route", route) for route in request.headers.rows("route")),
        ("Max-Forwards", "70"),
        ("From", request.headers.get("from") or ""),
        ("To", to),
        ("Call-ID", request.call_id),
        ("CSeq", f"{request.cseq.number} {method}"),
    ]
    return Request(method=method, uri=request.uri, headers=Headers(fields))


def client_key(message: Request | Response) -> tuple[str, ...]:
    """Which client transaction a response belongs to (RFC 3261 section 17.1.3)."""
    return message.via.branch, message.cseq.method


def server_key(request: Request, method: str = "") -> tuple[str, ...]:
    """Which server transaction a request belongs to (RFC 3261 section 17.2.3); `method` stands in for its own."""
    via = request.via
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    if via.branch.startswith(MAGIC_COOKIE):
        return via.branch, via.sent_by, method
    # An RFC 2543 peer: no unique branch, so what else repeats in a retransmission and in the ACK of a failure.
    number = str(request.cseq.number)
    return "", via.sent_by, via.branch, request.call_id, request.from_.tag, number, method
