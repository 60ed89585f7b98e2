"""A REFER that came (RFC 3515): the far end of a call asks us to call somebody else, and is told how that goes."""

from collections.abc import Callable, Mapping
from enum import Enum

from sipagent.sip.dialog import Dialog
from sipagent.sip.digest import Authenticator
from sipagent.sip.flow import Flow
from sipagent.sip.ids import Ids
from sipagent.sip.invite import InviteSession
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.refer import EVENT, SIPFRAG, WITHOUT_SUBSCRIPTION, has_no_subscription, sipfrag
from sipagent.sip.requests import again
from sipagent.sip.transaction import ServerTransaction

LIFETIME = 180
"""Seconds that the subscription lasts at most; no call that we place rings longer."""


class ReferredState(Enum):
    ASKED = "asked"
    TELLING = "telling"
    TOLD = "told"
    OVER = "over"


class ReferredInput(Enum):
    ACCEPT = "accept"
    ACCEPT_SILENTLY = "accept, Refer-Sub: false"
    REFUSE = "refuse"
    PROGRESS = "1xx of the call"
    OUTCOME = "final status of the call"
    CONFIRMED = "NOTIFY answered, nothing left to tell"
    UNWANTED = "NOTIFY refused, or never answered"


class ReferredAction(Enum):
    SEND_ACCEPTED = "send 202"
    SEND_ACCEPTED_SILENTLY = "send 202 with Refer-Sub: false"
    SEND_REFUSAL = "send 3xx-6xx"
    NOTIFY = "send NOTIFY, or queue it behind the one under way"


_S, _I, _A = ReferredState, ReferredInput, ReferredAction

REFERRED: Mapping[tuple[ReferredState, ReferredInput], tuple[ReferredState, tuple[ReferredAction, ...]]] = {
    (_S.ASKED, _I.ACCEPT): (_S.TELLING, (_A.SEND_ACCEPTED, _A.NOTIFY)),
    (_S.ASKED, _I.ACCEPT_SILENTLY): (_S.OVER, (_A.SEND_ACCEPTED_SILENTLY,)),
    (_S.ASKED, _I.REFUSE): (_S.OVER, (_A.SEND_REFUSAL,)),
    (_S.TELLING, _I.PROGRESS): (_S.TELLING, (_A.NOTIFY,)),
    (_S.TELLING, _I.OUTCOME): (_S.TOLD, (_A.NOTIFY,)),
    # 481, 408 and their like end the subscription (RFC 6665 section 4.2.2).
    (_S.TELLING, _I.UNWANTED): (_S.OVER, ()),
    (_S.TOLD, _I.CONFIRMED): (_S.OVER, ()),
    (_S.TOLD, _I.UNWANTED): (_S.OVER, ()),
}
"""(state, input): (state, actions). What it does not name is absorbed: who asked may not want to know any more."""


class Referred:
    """One REFER of the far end. The driver accepts or refuses it, and then tells how the call that it places goes."""

    def __init__(
        self,
        session: InviteSession,
        dialog: Dialog,
        transaction: ServerTransaction,
        *,
        layer: TransactionLayer,
        ids: Ids,
        ended: Callable[["Referred"], None],
    ) -> None:
        self.state = ReferredState.ASKED
        self.session = session
        self._dialog = dialog
        self._transaction = transaction
        self._layer = layer
        self._ids = ids
        self._ended = ended
        self._authenticator = Authenticator(session.credentials, ids, session.call_id)
        self._status = 100
        self._refusal = 603
        self._in_flight: Request | None = None
        self._is_due = False

    # ---- the driver's verbs

    def accept(self, now: float) -> None:
        """Say that we shall place the call."""
        silent = has_no_subscription(self._transaction.request.headers)
        self._step(ReferredInput.ACCEPT_SILENTLY if silent else ReferredInput.ACCEPT, now)

    def refuse(self, code: int, now: float) -> None:
        """Say that we shall not."""
        self._refusal = code
        self._step(ReferredInput.REFUSE, now)

    def tell(self, code: int, now: float) -> None:
        """Say what the one we call has answered; a final status is the last word."""
        if self.state is ReferredState.TELLING:
            self._status = code
        self._step(ReferredInput.PROGRESS if code < 200 else ReferredInput.OUTCOME, now)

    # ---- responses to NOTIFY

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        if response.code < 200 or request is not self._in_flight:
            return
        if response.code in (401, 407) and (credentials := self._authenticator.answer(request, response)):
            self._repeat(request, credentials, now)
            return
        self._in_flight = None
        if response.code >= 300:
            self._step(ReferredInput.UNWANTED, now)
        elif self._is_due:
            self._notify(now)
        else:
            self._step(ReferredInput.CONFIRMED, now)

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        self._step(ReferredInput.UNWANTED, now)

    def moved(self, request: Request, server: Flow) -> None:
        """A request inside a dialog has one way only."""

    # ---- the machine

    def _step(self, event: ReferredInput, now: float) -> None:
        step = REFERRED.get((self.state, event))
        if step is None:
            return
        self.state, actions = step
        for action in actions:
            _SENDERS[action](self, now)
        if self.state is ReferredState.OVER:
            self._ended(self)

    def _send_accepted(self, now: float) -> None:
        self._layer.respond(self._transaction, 202, now, headers=(self._contact,))

    def _send_accepted_silently(self, now: float) -> None:
        self._layer.respond(self._transaction, 202, now, headers=(self._contact, WITHOUT_SUBSCRIPTION))

    def _send_refusal(self, now: float) -> None:
        self._layer.respond(self._transaction, self._refusal, now)

    def _notify(self, now: float) -> None:
        """Send the newest status. One NOTIFY at a time: a later one must not overtake it and be refused for it."""
        self._is_due = self._in_flight is not None
        if self._is_due:
            return
        over = self.state is ReferredState.TOLD
        headers = (
            ("Event", f"{EVENT};id={self._transaction.request.cseq.number}"),
            ("Subscription-State", "terminated;reason=noresource" if over else f"active;expires={LIFETIME}"),
            self._contact,
            SIPFRAG,
        )
        self._authenticator.begin()
        self._in_flight = self._dialog.request(
            "NOTIFY", branch=self._branch(), headers=headers, body=sipfrag(self._status)
        )
        self._layer.request(self._in_flight, self._dialog.next_flow(), self, now)

    def _repeat(self, request: Request, credentials: list[Field], now: float) -> None:
        flow, number = self._dialog.next_flow(), self._dialog.next_number()
        self._in_flight = again(request, flow=flow, branch=self._branch(), number=number, credentials=credentials)
        self._layer.request(self._in_flight, flow, self, now)

    @property
    def _contact(self) -> Field:
        return "Contact", f"<{self.session.contact}>"

    def _branch(self) -> str:
        return self._ids.token("branch", self.session.call_id)


_SENDERS: Mapping[ReferredAction, Callable[[Referred, float], None]] = {
    ReferredAction.SEND_ACCEPTED: Referred._send_accepted,
    ReferredAction.SEND_ACCEPTED_SILENTLY: Referred._send_accepted_silently,
    ReferredAction.SEND_REFUSAL: Referred._send_refusal,
    ReferredAction.NOTIFY: Referred._notify,
}
