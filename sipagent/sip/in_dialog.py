"""What the far end asks inside a dialog, BYE excepted: re-INVITE, UPDATE, PRACK, INFO, MESSAGE, OPTIONS."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sipagent.sip.answering import Answering
from sipagent.sip.capabilities import ABILITIES, content_type, text_of
from sipagent.sip.dialog import Dialog
from sipagent.sip.dtmf import read_press
from sipagent.sip.invite_reports import Cause
from sipagent.sip.invite_table import SessionInput
from sipagent.sip.message import Request
from sipagent.sip.modification import Modification
from sipagent.sip.negotiation import Pending, Step
from sipagent.sip.outputs import KeyPressed, TextReceived
from sipagent.sip.party import Party
from sipagent.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from sipagent.sip.invite import InviteSession


class InDialog:
    """Answers what needs nobody's consent, and gives the rest to the session: `step` moves it."""

    def __init__(
        self,
        session: "InviteSession",
        party: Party,
        answering: Answering,
        changes: Modification,
        step: Callable[[SessionInput, Cause, float], None],
    ) -> None:
        self._session = session
        self._party = party
        self._answering = answering
        self._changes = changes
        self._step = step

    def receive(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        """Take a request of METHODS that came in its order."""
        _RECEIVERS[transaction.request.method](self, transaction, dialog, now)

    # ---- offers

    def _receive_invite(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        if (code := self._collision(transaction.request)) is not None:
            self._refuse(transaction, code, now)
            return
        dialog.retarget(transaction.request)
        self._answering.open(transaction)
        self._step(SessionInput.INVITE, Cause(message=transaction.request), now)

    def _receive_update(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        if (code := self._collision(transaction.request)) is not None:
            self._refuse(transaction, code, now)
            return
        dialog.retarget(transaction.request)
        if transaction.request.body:
            self._answering.open_update(transaction)
            self._step(SessionInput.UPDATE, Cause(message=transaction.request), now)
        else:
            self._answering.confirm(transaction, now)

    def _receive_prack(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        """A reliable 1xx of ours has come; the body answers the offer that it made, or is an offer of its own."""
        request, invited = transaction.request, self._answering.invite
        if not self._answering.acknowledge_provisional(request):
            self._party.layer.respond(transaction, 481, now)
            return
        answers = invited is not None and self._party.negotiation.pending is Pending.OURS
        if request.body and not answers:
            self._answering.open_update(transaction)
            self._step(SessionInput.UPDATE, Cause(message=request), now)
        else:
            if answers:
                self._party.negotiation.take(Step.ANSWER_RECEIVED if request.body else Step.DROPPED)
            self._answering.confirm(transaction, now)
        if invited is None:  # our 2xx has left before it came (RFC 3262 section 3)
            return
        answer = request.content if answers else None
        self._step(SessionInput.PRACK, Cause(message=invited.request, body=answer), now)
        self._answering.progress_further(now)

    def _collision(self, request: Request) -> int | None:
        """The code for an offer or re-INVITE that comes at the wrong moment (section 14.2, RFC 3311 section 5.2)."""
        is_invite = request.method == "INVITE"
        if self._answering.update is not None or (is_invite and self._answering.invite is not None):
            return 500
        # Whoever sends a re-INVITE has had our 2xx: only its ACK is still on the way (RFC 5407 section 3.1.5).
        if is_invite and (self._changes.is_inviting or self._answering.acceptance is not None):
            return 491
        return self._party.negotiation.collision if request.body or is_invite else None

    def _refuse(self, transaction: ServerTransaction, code: int, now: float) -> None:
        draw = self._party.ids.number
        headers = [("Retry-After", str(draw("retry-after", 3, self._party.call_id)))] if code == 500 else []
        self._party.layer.respond(transaction, code, now, headers=headers)

    # ---- words

    def _receive_info(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        request = transaction.request
        self._party.layer.respond(transaction, 200, now)
        press = read_press(content_type(request), request.body) if request.body else None
        if press is not None:
            output = KeyPressed(session=self._session, key=press.key, duration_ms=press.duration_ms)
            self._party.layer.emit(output)

    def _receive_message(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        self._party.layer.respond(transaction, 200, now)
        sender, text = str(dialog.remote.uri), text_of(transaction.request)
        self._party.layer.emit(TextReceived(session=self._session, sender=sender, text=text))

    def _receive_options(self, transaction: ServerTransaction, dialog: Dialog, now: float) -> None:
        self._party.layer.respond(transaction, 200, now, headers=ABILITIES)


_RECEIVERS: Mapping[str, Callable[[InDialog, ServerTransaction, Dialog, float], None]] = {
    "INVITE": InDialog._receive_invite,
    "UPDATE": InDialog._receive_update,
    "PRACK": InDialog._receive_prack,
    "INFO": InDialog._receive_info,
    "MESSAGE": InDialog._receive_message,
    "OPTIONS": InDialog._receive_options,
}
METHODS = frozenset(_RECEIVERS)
