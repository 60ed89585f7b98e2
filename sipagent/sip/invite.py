"""An INVITE dialog usage, called or calling, from the INVITE to the BYE (RFC 3261 sections 9, 13, 14 and 15)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sipagent.errors import LocalProtocolError
from sipagent.sip.acceptance import Acceptance
from sipagent.sip.capabilities import ALLOW
from sipagent.sip.confirmation import Confirmation
from sipagent.sip.dialog import Dialog
from sipagent.sip.digest import Authenticator, Credentials
from sipagent.sip.flow import Flow
from sipagent.sip.headers import NameAddr
from sipagent.sip.identity import Identity
from sipagent.sip.ids import Ids
from sipagent.sip.invite_reports import REPORTS, Cause
from sipagent.sip.invite_table import SESSION, Action, SessionInput, SessionState
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.parameters import Parameters, quote
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.requests import again, opening_request, sdp_type
from sipagent.sip.timers import PATIENCE
from sipagent.sip.transaction import ServerTransaction
from sipagent.sip.uri import Uri

_OVER = {
    SessionState.LEAVING,
    SessionState.WITHDRAWING,
    SessionState.CANCELLING,
    SessionState.ENDING,
    SessionState.ENDED,
}
_ANSWERED = {
    SessionState.ACCEPTED,
    SessionState.LEAVING,
    SessionState.ESTABLISHED,
    SessionState.ENDING,
    SessionState.ENDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What every session of a user agent stands on, and who is told when one is over."""

    layer: TransactionLayer
    ids: Ids
    ended: Callable[["InviteSession"], None]


class InviteSession:
    """One call. Made by the user agent, from an INVITE that came in or for one that goes out.

    The driver's verbs do nothing on a session that is over, since the far end may have ended it in the same moment;
    out of turn otherwise, they raise LocalProtocolError.
    """

    def __init__(
        self,
        host: Host,
        *,
        state: SessionState,
        request: Request,
        flow: Flow,
        local: NameAddr,
        remote: NameAddr,
        contact: Uri,
        account: str,
        credentials: Credentials | None = None,
    ) -> None:
        self.state = state
        self.outgoing = state is SessionState.CALLING
        self.request = request
        self.call_id = request.call_id
        self.flow = flow
        self.local = local
        self.remote = remote
        self.account = account
        self.credentials = credentials
        self.contact = contact
        self._host = host
        self._layer = host.layer
        self._authenticator = Authenticator(credentials, host.ids, request.call_id)
        self._credentials: list[Field] = []
        self._dialog: Dialog | None = None
        self._invite = request
        self._bye: Request | None = None
        self._transaction: ServerTransaction | None = None  # of the INVITE to be answered: the first, or a re-INVITE
        self._acceptance: Acceptance | None = None  # while a 2xx of ours waits for its ACK
        self._confirmation = Confirmation(host.layer)
        self._cancelled_at: float | None = None

    @classmethod
    def called(
        cls,
        host: Host,
        transaction: ServerTransaction,
        *,
        contact: Uri,
        account: str,
        credentials: Credentials | None = None,
    ) -> "InviteSession":
        """The session of an INVITE that came in. Raises ValueError when it cannot open a dialog (400)."""
        request, flow = transaction.request, transaction.flow
        dialog = Dialog.of_request(request, host.ids.token("tag", request.call_id), flow)
        session = cls(
            host,
            state=SessionState.INVITED,
            request=request,
            flow=flow,
            local=dialog.local,
            remote=dialog.remote,
            contact=contact,
            account=account,
            credentials=credentials,
        )
        session._dialog, session._transaction = dialog, transaction
        return session

    @classmethod
    def calling(
        cls,
        host: Host,
        *,
        target: Uri,
        flow: Flow,
        identity: Identity,
        contact: Uri,
        offer: bytes | None,
        headers: Iterable[Field],
        now: float,
        others: Sequence[Flow] = (),
    ) -> "InviteSession":
        """Call `target`: its INVITE leaves over `flow`, or if that fails, over one of the `others`."""
        call_id = host.ids.token("call-id")
        local, remote = identity.name_addr(host.ids.token("tag", call_id)), NameAddr(uri=target.bare())
        request = opening_request(
            "INVITE",
            target=target,
            flow=flow,
            branch=host.ids.token("branch", call_id),
            routes=identity.routes,
            sender=local,
            recipient=remote,
            call_id=call_id,
            number=1 + host.ids.number("cseq", 16, call_id),
            headers=(("Contact", f"<{contact}>"), ALLOW, *headers, *sdp_type(offer)),
            body=offer or b"",
        )
        session = cls(
            host,
            state=SessionState.CALLING,
            request=request,
            flow=flow,
            local=local,
            remote=remote,
            contact=contact,
            account=identity.account,
            credentials=identity.credentials,
        )
        host.layer.request(request, flow, session, now, others=others)
        return session

    # ---- the driver's verbs

    def ring(self, now: float, *, code: int = 180, body: bytes = b"") -> None:
        """Send a provisional response."""
        self._ask(SessionInput.RING, Cause(code=code, body=body), now)

    def accept(self, body: bytes, now: float) -> None:
        """Send 200 with our SDP, and repeat it until the ACK comes."""
        self._ask(SessionInput.ACCEPT, Cause(body=body), now)

    def reject(self, code: int, now: float, *, reason: str = "", headers: Iterable[Field] = ()) -> None:
        """Send a final failure."""
        self._ask(SessionInput.REJECT, Cause(code=code, phrase=reason, headers=tuple(headers)), now)

    def cancel(self, now: float) -> None:
        """Take our INVITE back; if it has been answered meanwhile, hang up."""
        self.bye(now)

    def bye(self, now: float, *, reason: str = "") -> None:
        """End the session, whatever its state: BYE, CANCEL, or 480 to an INVITE not answered yet. Idempotent."""
        headers = (("Reason", f"SIP;text={quote(reason)}"),) if reason else ()
        self._layer.settle(self._invite)
        self._step(SessionInput.HANG_UP, Cause(code=480, headers=headers, reason=reason), now)

    def acknowledge(self, answer: bytes, now: float) -> None:
        """Send the ACK, with our answer, of a call that we made without an offer."""
        if self._dialog is not None and self._dialog.remote_tag not in self._confirmation:
            self._send_ack(self._dialog, answer)

    def answer_offer(self, body: bytes, now: float) -> None:
        """Send 200 to a re-INVITE: our answer, or our offer where it had none."""
        if self._transaction is not None and self.state is SessionState.ESTABLISHED:
            self._send_success(Cause(body=body), now)
            self._layer.schedule.update(self)

    def refuse_offer(self, code: int, now: float) -> None:
        """Refuse a re-INVITE; the call stands as it was (section 14.2)."""
        if self._transaction is not None and self.state is SessionState.ESTABLISHED:
            self._send_failure(Cause(code=code), now)

    # ---- for usages that share the dialog

    @property
    def dialog(self) -> Dialog | None:
        """The dialog; None before the far end has answered a call of ours."""
        return self._dialog

    @property
    def has_stood(self) -> bool:
        """Whether the call has been answered, be it over or not."""
        return self.state in _ANSWERED

    @property
    def is_established(self) -> bool:
        """Whether the call stands, confirmed by an ACK."""
        return self.state is SessionState.ESTABLISHED

    # ---- requests of the far end

    @property
    def local_tag(self) -> str:
        return self.local.tag

    def owns(self, request: Request) -> bool:
        """Whether a request belongs to this session's dialog, by its remote tag."""
        return self._dialog is not None and request.from_.tag == self._dialog.remote_tag

    def awaits(self, number: int) -> bool:
        """Whether a 2xx of ours waits for the ACK with this CSeq number."""
        return self._acceptance is not None and self._acceptance.number == number

    def invited_by(self, transaction: ServerTransaction) -> bool:
        """Whether `transaction` is the INVITE of this session, or a re-INVITE that it has yet to answer."""
        return transaction is self._transaction or transaction.request is self.request

    def receive_request(self, transaction: ServerTransaction, now: float) -> None:
        """Take a BYE or a re-INVITE of the dialog."""
        request = transaction.request
        if self._dialog is None or self.state is SessionState.ENDED:
            self._layer.respond(transaction, 481, now)
        elif not self._dialog.takes(request):
            self._layer.respond(transaction, 500, now, reason="CSeq Out of Order")
        elif request.method == "BYE":
            self._layer.respond(transaction, 200, now)
            cause = Cause(code=487, by="caller", reason=_reason_text(request))
            self._step(SessionInput.BYE, cause, now)
        else:
            self._receive_reinvite(transaction, now)

    def receive_ack(self, request: Request, now: float) -> None:
        """Take the ACK of our 2xx; others are repetitions."""
        acceptance = self._acceptance
        if acceptance is None or acceptance.number != request.cseq.number:
            return
        self._acceptance = None
        answer = request.content if acceptance.delayed_offer else None
        self._step(SessionInput.ACK, Cause(message=acceptance.transaction.request, body=answer), now)

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """An INVITE is taken back: 487, unless it is answered already (section 9.2). A call that stands goes on."""
        if transaction is not self._transaction:
            return
        if self.state is SessionState.ESTABLISHED:
            self._send_failure(Cause(code=487), now)
        else:
            self._step(SessionInput.CANCEL, Cause(code=487), now)

    def _receive_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        if self.state is not SessionState.ESTABLISHED or self._transaction or self._acceptance:
            # Another offer is still in the air (section 14.2).
            wait = self._host.ids.number("retry-after", 3, self.call_id)
            self._layer.respond(transaction, 500, now, headers=[("Retry-After", str(wait))])
            return
        if self._dialog is not None:
            self._dialog.retarget(transaction.request)
        self._transaction = transaction
        self._step(SessionInput.INVITE, Cause(message=transaction.request), now)

    # ---- responses to ours

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        if response.code in (401, 407) and self._can_answer(response, request):
            self._step(SessionInput.CHALLENGED, Cause(), now)
        elif request.method == "INVITE":
            self._receive_invite_response(response, now)
        elif request is self._bye and response.code >= 200:
            self._step(SessionInput.BYE_DONE, Cause(), now)

    def moved(self, request: Request, server: Flow) -> None:
        if request is self._invite:
            self.flow = server

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        if request.method == "INVITE":
            self._step(SessionInput.FAILURE, Cause(code=code, reason=reason_phrase(code)), now)
        elif request is self._bye:
            self._step(SessionInput.BYE_DONE, Cause(), now)

    def _receive_invite_response(self, response: Response, now: float) -> None:
        cause = Cause(message=response, code=response.code, reason=response.reason, body=response.content)
        if response.code < 200:
            self._step(SessionInput.PROVISIONAL, cause, now)
        elif response.code >= 300:
            self._step(SessionInput.FAILURE, cause, now)
        elif response.to.tag in self._confirmation:
            self._confirmation.repeat(response.to.tag)
        elif self._dialog is None:
            self._step(SessionInput.SUCCESS, cause, now)
        elif response.to.tag != self._dialog.remote_tag and not self._confirmation.full:
            self._hang_up_fork(response, now)

    def _hang_up_fork(self, response: Response, now: float) -> None:
        """A second phone answered the same call: acknowledged and hung up (section 13.2.2.4)."""
        dialog = Dialog.of_response(self._invite, response, self.flow)
        self._send_ack(dialog, b"")
        self._layer.request(dialog.request("BYE", branch=self._branch()), dialog.next_flow(), self, now)

    def _can_answer(self, response: Response, request: Request) -> bool:
        """Whether a challenge is of a request still wanted, and we have credentials for it."""
        if request not in (self._invite, self._bye) or (self.state, SessionInput.CHALLENGED) not in SESSION:
            return False
        self._credentials = self._authenticator.answer(request, response) or []
        return bool(self._credentials)

    # ---- time

    def next_timer(self) -> float | None:
        deadlines = [] if self._acceptance is None else [self._acceptance.next_timer()]
        if self.state is SessionState.CANCELLING and self._cancelled_at is not None:
            deadlines.append(self._cancelled_at + PATIENCE)
        return min(deadlines, default=None)

    def handle_timer(self, now: float) -> None:
        acceptance = self._acceptance
        if acceptance is not None and acceptance.expired(now):
            self._acceptance = None
            self._step(SessionInput.NO_ACK, Cause(by="network", reason="our 200 OK was never acknowledged"), now)
        elif acceptance is not None and acceptance.repeat(now):
            self._respond_success(acceptance, now)
        if self._cancelled_at is not None and now >= self._cancelled_at + PATIENCE:
            self._step(SessionInput.NO_FINAL, Cause(), now)

    # ---- the machine

    def _ask(self, event: SessionInput, cause: Cause, now: float) -> None:
        if self.state in _OVER:
            return
        if (self.state, event) not in SESSION:
            raise LocalProtocolError(f"cannot {event.value} a session that is {self.state.value}")
        self._step(event, cause, now)

    def _step(self, event: SessionInput, cause: Cause, now: float) -> None:
        step = SESSION.get((self.state, event))
        if step is None:
            return
        self.state, actions = step
        for action in actions:
            if action in _SENDERS:
                _SENDERS[action](self, cause, now)
            elif (output := REPORTS[action](self, cause)) is not None:
                self._layer.emit(output)
        if self.state in (SessionState.ENDING, SessionState.ENDED):
            self._release(now)
        self._layer.schedule.update(self)
        if self.state is SessionState.ENDED:
            self._host.ended(self)

    def _release(self, now: float) -> None:
        """No offer outlives the session (section 15.1.2)."""
        self._acceptance = None
        if self._transaction is not None:
            self._send_failure(Cause(code=487), now)

    # ---- actions: what is sent

    def _send_provisional(self, cause: Cause, now: float) -> None:
        if self._transaction is not None:
            body = cause.body or b""
            headers = (*self._dialog_headers(self._transaction.request), *sdp_type(body))
            self._layer.respond(self._transaction, cause.code, now, to_tag=self.local_tag, headers=headers, body=body)

    def _send_success(self, cause: Cause, now: float) -> None:
        if self._transaction is not None:
            self._acceptance = Acceptance(self._transaction, cause.body or b"", now)
            self._respond_success(self._acceptance, now)
            self._transaction = None

    def _respond_success(self, acceptance: Acceptance, now: float) -> None:
        headers = (*self._dialog_headers(acceptance.transaction.request), *sdp_type(acceptance.body))
        self._layer.respond(
            acceptance.transaction, 200, now, to_tag=self.local_tag, headers=headers, body=acceptance.body
        )

    def _send_failure(self, cause: Cause, now: float) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            self._layer.respond(
                transaction, cause.code, now, reason=cause.phrase, to_tag=self.local_tag, headers=cause.headers
            )

    def _dialog_headers(self, request: Request) -> tuple[Field, ...]:
        routes = [("Record-Route", value) for value in request.headers.rows("record-route")]
        return (*routes, ("Contact", f"<{self.contact}>"), ALLOW)

    def _confirm(self, cause: Cause, now: float) -> None:
        """Make the dialog of a 2xx and acknowledge it; without our offer, the ACK waits for our answer."""
        if isinstance(cause.message, Response):
            self._dialog = Dialog.of_response(self._invite, cause.message, self.flow)
            self.remote = self._dialog.remote
            if self._invite.body:
                self._send_ack(self._dialog, b"")

    def _send_ack(self, dialog: Dialog, body: bytes) -> None:
        self._confirmation.send(dialog, branch=self._branch(), number=self._invite.cseq.number, body=body)

    def _send_bye(self, cause: Cause, now: float) -> None:
        if self._dialog is None:
            return
        if self.outgoing:
            self.acknowledge(b"", now)
        self._authenticator.begin()
        self._bye = self._dialog.request("BYE", branch=self._branch(), headers=cause.headers)
        self._layer.request(self._bye, self._dialog.next_flow(), self, now)

    def _send_cancel(self, cause: Cause, now: float) -> None:
        self._cancelled_at = now
        self._layer.cancel(self._invite, self, now)

    def _abandon(self, cause: Cause, now: float) -> None:
        self._layer.abandon(self._invite)

    def _repeat_invite(self, cause: Cause, now: float) -> None:
        number = self._invite.cseq.number + 1
        self._invite = again(
            self._invite, flow=self.flow, branch=self._branch(), number=number, credentials=self._credentials
        )
        self._layer.request(self._invite, self.flow, self, now)

    def _repeat_bye(self, cause: Cause, now: float) -> None:
        if self._dialog is not None and self._bye is not None:
            flow, number = self._dialog.next_flow(), self._dialog.next_number()
            self._bye = again(self._bye, flow=flow, branch=self._branch(), number=number, credentials=self._credentials)
            self._layer.request(self._bye, flow, self, now)

    def _branch(self) -> str:
        return self._host.ids.token("branch", self.call_id)


_SENDERS: Mapping[Action, Callable[[InviteSession, Cause, float], None]] = {
    Action.SEND_PROVISIONAL: InviteSession._send_provisional,
    Action.SEND_SUCCESS: InviteSession._send_success,
    Action.SEND_FAILURE: InviteSession._send_failure,
    Action.SEND_CANCEL: InviteSession._send_cancel,
    Action.SEND_BYE: InviteSession._send_bye,
    Action.REPEAT_INVITE: InviteSession._repeat_invite,
    Action.REPEAT_BYE: InviteSession._repeat_bye,
    Action.ABANDON: InviteSession._abandon,
    Action.CONFIRM: InviteSession._confirm,
}


def _reason_text(request: Request) -> str:
    """What a BYE says about why (RFC 3326): its text, or the header as it is."""
    value = request.headers.get("reason") or ""
    return Parameters.parse(value.partition(";")[2]).get("text") or value
