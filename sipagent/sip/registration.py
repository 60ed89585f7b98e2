"""One binding at one registrar, kept for as long as we live (RFC 3261 section 10)."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from sipagent.sip.capabilities import ALLOW
from sipagent.sip.digest import Authenticator
from sipagent.sip.flow import Address, Flow
from sipagent.sip.headers import NameAddr, parse_number
from sipagent.sip.hints import likely_cause
from sipagent.sip.identity import Identity
from sipagent.sip.ids import Ids
from sipagent.sip.keepalive import KeepAlive
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.outputs import RegistrationEnded, RegistrationRefused, RegistrationSucceeded
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.requests import again, contact_over, opening_request
from sipagent.sip.uri import Uri, parse_port

SHORTEST = 10
"""Seconds: an expiry granted below this is refreshed as if it were this long."""
LONGEST_EXPIRY = 86_400
REFUSED_FIRST, REFUSED_LONGEST = 60.0, 900.0
"""Credentials refused: fail2ban's usual jail is five failures in ten minutes, so four at most go out in that time."""
SHORTEST_FLOW = 30.0
"""Seconds between two registrations that lost connections cause."""
UNREACHED_FIRST, UNREACHED_LONGEST = 2.0, 300.0
RETRY_AFTER_LONGEST = 3600.0


class RegistrationState(Enum):
    REGISTERING = "registering"
    REGISTERED = "registered"
    DEPARTING = "departing"
    WAITING = "waiting"
    UNREGISTERING = "unregistering"
    CLOSED = "closed"


class Input(Enum):
    """What the registrar said, what the clock says, and what the driver asks."""

    GRANTED = "2xx"
    CHALLENGED = "401 or 407 that can be answered"
    TOO_BRIEF = "423"
    REFUSED = "other final response, or none"
    REFRESH = "refresh or retry timer"
    REBIND = "rebind"
    LOST = "the connection is gone"
    UNREGISTER = "unregister"
    ABANDON = "unregister, with no binding left"


class Action(Enum):
    REGISTER = "send REGISTER"
    REMOVE = "send REGISTER with expires=0"
    REPEAT = "send REGISTER with credentials"
    LENGTHEN = "send REGISTER with Min-Expires"
    KEEP = "remember the grant, set the refresh timer, report it"
    BACK_OFF = "set the retry timer, report the refusal"
    HASTEN = "set the refresh timer to soon"
    CLOSE = "report the end"


Answer = Response | int | None
"""What the registrar said; 408 or 503 where it said nothing; None for inputs that are no answer."""

_S, _I, _A = RegistrationState, Input, Action

REGISTRATION: Mapping[tuple[RegistrationState, Input], tuple[RegistrationState, tuple[Action, ...]]] = {
    (_S.REGISTERING, _I.GRANTED): (_S.REGISTERED, (_A.KEEP,)),
    (_S.REGISTERING, _I.CHALLENGED): (_S.REGISTERING, (_A.REPEAT,)),
    (_S.REGISTERING, _I.TOO_BRIEF): (_S.REGISTERING, (_A.LENGTHEN,)),
    (_S.REGISTERING, _I.REFUSED): (_S.WAITING, (_A.BACK_OFF,)),
    (_S.REGISTERED, _I.REFRESH): (_S.REGISTERING, (_A.REGISTER,)),
    (_S.REGISTERED, _I.REBIND): (_S.REGISTERING, (_A.REGISTER,)),
    (_S.REGISTERED, _I.LOST): (_S.REGISTERED, (_A.HASTEN,)),
    (_S.REGISTERED, _I.UNREGISTER): (_S.UNREGISTERING, (_A.REMOVE,)),
    (_S.WAITING, _I.REFRESH): (_S.REGISTERING, (_A.REGISTER,)),
    (_S.WAITING, _I.REBIND): (_S.REGISTERING, (_A.REGISTER,)),
    (_S.WAITING, _I.UNREGISTER): (_S.UNREGISTERING, (_A.REMOVE,)),
    (_S.WAITING, _I.ABANDON): (_S.CLOSED, (_A.CLOSE,)),
    # One REGISTER at a time (section 10.2): the removal waits for what is in the air.
    (_S.REGISTERING, _I.UNREGISTER): (_S.DEPARTING, ()),
    (_S.DEPARTING, _I.GRANTED): (_S.UNREGISTERING, (_A.REMOVE,)),
    (_S.DEPARTING, _I.CHALLENGED): (_S.UNREGISTERING, (_A.REMOVE,)),
    (_S.DEPARTING, _I.TOO_BRIEF): (_S.UNREGISTERING, (_A.REMOVE,)),
    (_S.DEPARTING, _I.REFUSED): (_S.CLOSED, (_A.CLOSE,)),
    (_S.UNREGISTERING, _I.CHALLENGED): (_S.UNREGISTERING, (_A.REPEAT,)),
    (_S.UNREGISTERING, _I.GRANTED): (_S.CLOSED, (_A.CLOSE,)),
    (_S.UNREGISTERING, _I.TOO_BRIEF): (_S.CLOSED, (_A.CLOSE,)),
    (_S.UNREGISTERING, _I.REFUSED): (_S.CLOSED, (_A.CLOSE,)),
}
"""(state, input): (state, actions). There is no way out but `unregister`: a registration never gives up."""


class Registration:
    """Keeps one Contact at one registrar. Made by `UserAgent.register`."""

    def __init__(
        self,
        *,
        layer: TransactionLayer,
        ids: Ids,
        identity: Identity,
        registrar: Uri,
        servers: Sequence[Flow],
        contact: Address | None,
        expires: int,
        closed: Callable[["Registration"], None],
    ) -> None:
        self.identity = identity
        self.registrar = registrar
        self.servers = servers
        """The ways to the registrar, the best first: whoever looks them up anew sets them."""
        self.flow = servers[0]
        """The way in use."""
        self.state = RegistrationState.WAITING
        self.call_id = ids.token("call-id")
        self.token = ids.token("contact")
        """The user part of our Contact: unguessable, so whoever names it was told by the registrar."""
        self._layer = layer
        self._ids = ids
        self._closed = closed
        self._authenticator = Authenticator(identity.credentials, ids, self.call_id)
        self._from = identity.name_addr(ids.token("tag", self.call_id))
        self._cseq = ids.number("cseq", 16, self.call_id)
        self._expires = expires
        self._given_address = contact
        self._superseded: Uri | None = None
        self._request: Request | None = None
        self._credentials: list[Field] = []
        self._keep_alive = KeepAlive(layer, ids, self.call_id)
        self._bound_since = self._bound_until = 0.0
        self._due: float | None = None
        self._refusals = 0
        self._silences = 0
        self._why = ""

    @property
    def contact(self) -> Uri:
        """The Contact that callers reach us by."""
        return contact_over(self.flow, self.token, address=self._address, secure=self.registrar.scheme == "sips")

    @property
    def _address(self) -> Address:
        return self._given_address or self.flow.local

    def start(self, now: float) -> None:
        self._step(Input.REFRESH, None, now)

    def rebind(self, now: float, *, flow: Flow | None = None, contact: Address | None = None) -> None:
        """Register again at once: by another way, or with the address that the world sees us at."""
        self.servers = (flow,) if flow else self.servers
        if contact is not None and contact != self._address:
            self._superseded, self._given_address = self.contact, contact
        self._step(Input.REBIND, None, now)

    def unregister(self, now: float) -> None:
        """Remove our binding; RegistrationEnded tells when that is through. Idempotent."""
        unbound = self.state is RegistrationState.WAITING and now >= self._bound_until
        self._step(Input.ABANDON if unbound else Input.UNREGISTER, None, now)

    # ---- what the registrar says

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        if request is self._request and response.code >= 200:
            self._step(self._meaning(response), response, now)

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        if request is self._request:
            self._why = why
            self._step(Input.REFUSED, code, now)

    def moved(self, request: Request, server: Flow) -> None:
        if request is self._request:
            self.flow = server

    def flow_failed(self, flow: Flow, now: float) -> None:
        """A flow is gone: if it is a connection of ours, callers reach us no more until we register anew."""
        if flow == self.flow and flow.transport.reliable:
            self._step(Input.LOST, None, now)

    def _meaning(self, response: Response) -> Input:
        if response.code < 300:
            return Input.GRANTED
        if response.code in (401, 407) and self._request is not None:
            self._credentials = self._authenticator.answer(self._request, response) or []
            return Input.CHALLENGED if self._credentials else Input.REFUSED
        longer = response.headers.number("min-expires") or 0
        if response.code == 423 and self._expires < longer <= LONGEST_EXPIRY:
            return Input.TOO_BRIEF
        return Input.REFUSED

    # ---- time

    def next_timer(self) -> float | None:
        return self._due

    def handle_timer(self, now: float) -> None:
        if self._due is not None and now >= self._due:
            self._due = None
            self._step(Input.REFRESH, None, now)

    # ---- the machine

    def _step(self, event: Input, answer: Answer, now: float) -> None:
        step = REGISTRATION.get((self.state, event))
        if step is None:
            return
        self.state, actions = step
        self._due = None
        for action in actions:
            _PERFORM[action](self, answer, now)
        self._layer.schedule.update(self)

    def _register(self, answer: Answer, now: float) -> None:
        self._authenticator.begin()
        self.flow = self.servers[0]
        self._send(self._next_request(self._expires), now)

    def _remove(self, answer: Answer, now: float) -> None:
        self._authenticator.begin()
        self._send(self._next_request(0), now)

    def _repeat(self, answer: Answer, now: float) -> None:
        if self._request is not None:
            branch = self._ids.token("branch", self.call_id)
            number = self._next_number()
            request = again(self._request, flow=self.flow, branch=branch, number=number, credentials=self._credentials)
            self._send(request, now)

    def _lengthen(self, answer: Answer, now: float) -> None:
        if isinstance(answer, Response):
            self._expires = answer.headers.number("min-expires") or self._expires
        self._register(answer, now)

    def _keep(self, answer: Answer, now: float) -> None:
        if not isinstance(answer, Response) or self._request is None:
            return
        self._refusals = self._silences = 0
        granted = self._granted(answer)
        self._bound_since, self._bound_until = now, now + granted
        outdated = self._request.contact.uri != self.contact
        # Half to three quarters of the time: what is left bridges a lost refresh and a short outage of the registrar,
        # and the jitter keeps phones apart that power came back to in the same second.
        self._due = now if outdated else now + granted * (0.5 + 0.25 * self._chance())
        if not outdated:
            self._superseded = None
        seen = observed(answer)
        if self.flow.transport.reliable or seen not in (None, self.flow.local):
            self._keep_alive.start(self.flow, now)
        self._layer.emit(RegistrationSucceeded(registration=self, expires=granted, observed=seen))

    def _back_off(self, answer: Answer, now: float) -> None:
        response = answer if isinstance(answer, Response) else None
        code = answer if isinstance(answer, int) else response.code if response else 408
        wait = self._next_wait(code, response)
        self._due = now + wait
        self._keep_alive.stop()
        self._layer.emit(
            RegistrationRefused(
                registration=self,
                code=code,
                reason=response.reason if response else reason_phrase(code),
                hint=likely_cause(code, response, self.identity, self.flow, self._why),
                retry_after=wait,
            )
        )

    def _hasten(self, answer: Answer, now: float) -> None:
        """Register anew within a second; with a server that hangs up on us every time, not so often that it hurts."""
        self._keep_alive.stop()
        self._due = min(self._bound_until, max(now + self._chance(), self._bound_since + SHORTEST_FLOW))

    def _close(self, answer: Answer, now: float) -> None:
        self._keep_alive.stop()
        self._layer.emit(RegistrationEnded(registration=self))
        self._closed(self)

    def _next_wait(self, code: int, response: Response | None) -> float:
        """Double the wait each time; jitter only lengthens it, and so does Retry-After (section 20.33)."""
        if code == 408 or code == 480 or 500 <= code < 600:
            wait = min(UNREACHED_LONGEST, UNREACHED_FIRST * 2.0 ** min(self._silences, 16))
            self._silences += 1
        else:
            wait = min(REFUSED_LONGEST, REFUSED_FIRST * 2.0 ** min(self._refusals, 16))
            self._refusals += 1
        asked = (response.headers.number("retry-after") or 0) if response else 0
        return max(wait * (1 + 0.25 * self._chance()), min(float(asked), RETRY_AFTER_LONGEST))

    def _chance(self) -> float:
        return self._ids.number("jitter", 16, self.call_id) / 2**16

    # ---- messages

    def _next_number(self) -> int:
        self._cseq += 1
        return self._cseq

    def _next_request(self, expires: int) -> Request:
        superseded = f", <{self._superseded}>;expires=0" if self._superseded else ""
        return opening_request(
            "REGISTER",
            target=self.registrar,
            flow=self.flow,
            branch=self._ids.token("branch", self.call_id),
            routes=self.identity.routes,
            sender=self._from,
            recipient=self.identity.name_addr(),
            call_id=self.call_id,
            number=self._next_number(),
            headers=(("Contact", f"<{self.contact}>{superseded}"), ("Expires", str(expires)), ALLOW),
        )

    def _send(self, request: Request, now: float) -> None:
        self._request = request
        self._why = ""
        others = [server for server in self.servers if server != self.flow]
        self._layer.request(request, self.flow, self, now, others=others)

    def _granted(self, response: Response) -> int:
        """Seconds granted: those of our own Contact, else of Expires, else what we asked for (section 10.2.4)."""
        granted = response.headers.number("expires")
        for value in response.headers.values("contact"):
            try:
                contact = NameAddr.parse(value)
                if contact.uri.user == self.token and "expires" in contact.parameters:
                    granted = parse_number(contact.parameters.get("expires") or "")
            except ValueError:
                continue
        return max(SHORTEST, min(self._expires if granted is None else granted, LONGEST_EXPIRY))


_PERFORM: Mapping[Action, Callable[[Registration, Answer, float], None]] = {
    Action.REGISTER: Registration._register,
    Action.REMOVE: Registration._remove,
    Action.REPEAT: Registration._repeat,
    Action.LENGTHEN: Registration._lengthen,
    Action.KEEP: Registration._keep,
    Action.BACK_OFF: Registration._back_off,
    Action.HASTEN: Registration._hasten,
    Action.CLOSE: Registration._close,
}


def observed(response: Response) -> Address | None:
    """The address that the server saw our request come from (RFC 3581 section 4), if it said so."""
    received, port = response.via.parameters.get("received"), response.via.parameters.get("rport")
    if not received and not port:
        return None
    try:
        return Address(
            (received or response.via.host).strip("[]"), parse_port(port) if port else response.via.port or 5060
        )
    except ValueError:
        return None
