"""An INVITE dialog usage, called or calling, from the INVITE to the BYE (RFC 3261 sections 9, 13, 14 and 15).

    Calling        our INVITE, its challenges and forks         Answering     theirs, re-INVITE and UPDATE: 1xx, 2xx
    Modification   our re-INVITE and UPDATE, collisions         Party         who we are, offers, session timer

What moves a session from state to state is in `invite_table`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sipagent.errors import LocalProtocolError
from sipagent.sip.answering import Answering
from sipagent.sip.calling import Calling, Follow, nowhere, opening_invite
from sipagent.sip.dialog import Dialog
from sipagent.sip.digest import Authenticator, Credentials
from sipagent.sip.dtmf import RELAY, Press, relay_body
from sipagent.sip.flow import Flow
from sipagent.sip.headers import NameAddr
from sipagent.sip.identity import Identity
from sipagent.sip.ids import Ids
from sipagent.sip.in_dialog import InDialog
from sipagent.sip.info import InfoQueue
from sipagent.sip.invite_reports import REPORTS, Cause, broken, reason_text
from sipagent.sip.invite_table import SESSION, Action, SessionInput, SessionState
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.modification import Air, Describe, Ending, Modification
from sipagent.sip.outputs import OfferDue, ReofferAnswered, ReofferRefused
from sipagent.sip.parameters import quote
from sipagent.sip.party import Party
from sipagent.sip.session_timer import Due
from sipagent.sip.transaction import ServerTransaction
from sipagent.sip.uri import Uri
from sipagent.sip.weakly import weakly

_OVER = {
    SessionState.LEAVING,
    SessionState.WITHDRAWING,
    SessionState.CANCELLING,
    SessionState.ENDING,
    SessionState.ENDED,
}
_GONE = (408, 481)
"""Responses, and silence, that end the dialog of the request (section 12.2.1.2)."""
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
        follow: Follow = nowhere,
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
        self._ended = host.ended
        self._layer = host.layer
        self._party = Party(
            layer=host.layer,
            ids=host.ids,
            call_id=request.call_id,
            tag=local.tag,
            contact=contact,
            authenticator=Authenticator(credentials, host.ids, request.call_id),
        )
        self._dialog: Dialog | None = None
        self._calling = Calling(self, self._party, request, flow, self._step, follow) if self.outgoing else None
        self._answering = Answering(self._party)
        self._changes = Modification(
            self._party,
            owns_call_id=self.outgoing,
            due=weakly(self._offer_due),
            told=weakly(self._changed),
            settle=weakly(self._settle),
        )
        self._info = InfoQueue(self._party, weakly(self._informed))
        self._promise = b""

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
        session._dialog = dialog
        session._answering.open(transaction)
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
        follow: Follow = nowhere,
    ) -> "InviteSession":
        """Call `target`: its INVITE leaves over `flow`, or if that fails, over one of the `others`."""
        request = opening_invite(
            host.ids, target=target, flow=flow, identity=identity, contact=contact, offer=offer, headers=headers
        )
        session = cls(
            host,
            state=SessionState.CALLING,
            request=request,
            flow=flow,
            local=request.from_,
            remote=request.to,
            contact=contact,
            account=identity.account,
            credentials=identity.credentials,
            follow=follow,
        )
        session._call(now, others)
        return session

    def _call(self, now: float, others: Sequence[Flow] = ()) -> None:
        if self._calling is not None:
            self._calling.send(now, others=others)

    # ---- the driver's verbs

    def ring(self, now: float, *, code: int = 180, body: bytes = b"") -> None:
        """Send a provisional response; reliably, where the caller requires it (RFC 3262)."""
        self._ask(SessionInput.RING, Cause(code=code, body=body), now)

    def accept(self, body: bytes, now: float) -> None:
        """Send 200 with our SDP, and repeat it until the ACK comes."""
        self._promise = body
        waits = self.state is SessionState.INVITED and self._answering.must_wait
        self._ask(SessionInput.PROMISE if waits else SessionInput.ACCEPT, Cause(), now)

    def reject(self, code: int, now: float, *, reason: str = "", headers: Iterable[Field] = ()) -> None:
        """Send a final failure."""
        self._ask(SessionInput.REJECT, Cause(code=code, phrase=reason, headers=tuple(headers)), now)

    def cancel(self, now: float) -> None:
        """Take our INVITE back; if it has been answered meanwhile, hang up."""
        self.bye(now)

    def bye(self, now: float, *, reason: str = "") -> None:
        """End the session, whatever its state: BYE, CANCEL, or 480 to an INVITE not answered yet. Idempotent."""
        headers = (("Reason", f"SIP;text={quote(reason)}"),) if reason else ()
        if self._calling is not None:
            self._calling.settle()
        self._step(SessionInput.HANG_UP, Cause(code=480, headers=headers, reason=reason), now)

    def acknowledge(self, answer: bytes, now: float) -> None:
        """Send the ACK, with our answer, of a call that we made without an offer."""
        if self._calling is not None and self._dialog is not None:
            self._calling.acknowledge(self._dialog, answer)
            self._settle(now)

    def answer_offer(self, body: bytes, now: float) -> None:
        """Send 200 to a re-INVITE, UPDATE or PRACK: our answer, or our offer where it had none."""
        if self._is_asked:
            self._answering.answer(body, now)
            self._settle(now)

    def refuse_offer(self, code: int, now: float) -> None:
        """Refuse the offer of a re-INVITE, UPDATE or PRACK; the call stands as it was (section 14.2)."""
        if self._is_asked:
            self._answering.refuse(code, now)
            self._settle(now)

    def renegotiate(self, now: float) -> None:
        """Offer anew (hold, other codecs, another address), as soon as no other offer is in the air.

        `OfferDue` tells when, for `reoffer` to follow; that ends in `ReofferAnswered` or `ReofferRefused`.
        """
        if self.state not in _OVER:
            self._changes.want_offer(now)
            self._settle(now)

    def reoffer(self, describe: Describe, now: float) -> None:
        """Send what `describe` returns, by re-INVITE, or by UPDATE while the call is not answered.

        If another offer has come meanwhile, it is not asked, and `OfferDue` comes again.
        """
        if (air := self._air) is not None:
            self._changes.offer(describe, air, now)
            self._settle(now)

    def press(self, key: str, now: float, *, duration_ms: int = 160) -> None:
        """Press a key by INFO once the call stands, and those before it are confirmed."""
        if self.state not in _OVER:
            self._info.add(RELAY, relay_body(Press(key, duration_ms)))
            self._settle(now)

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
    def is_confirmed(self) -> bool:
        """Whether the call has been answered and is not over: its dialog is confirmed (RFC 3261 section 12)."""
        return self.state in (SessionState.ACCEPTED, SessionState.ESTABLISHED)

    @property
    def must_offer_early(self) -> bool:
        """Whether `ring` has to carry an offer: the caller made none, and wants reliable responses."""
        return self._answering.must_offer_early

    # ---- requests of the far end

    @property
    def local_tag(self) -> str:
        return self.local.tag

    def owns(self, request: Request) -> bool:
        """Whether a request belongs to a dialog of this session, by its remote tag."""
        return self._dialog_with(request.from_.tag) is not None

    def awaits(self, number: int) -> bool:
        """Whether a 2xx of ours waits for the ACK with this CSeq number."""
        acceptance = self._answering.acceptance
        return acceptance is not None and acceptance.number == number

    def invited_by(self, transaction: ServerTransaction) -> bool:
        """Whether `transaction` is the INVITE of this session, or a re-INVITE that it has yet to answer."""
        return transaction is self._answering.invite or transaction.request is self.request

    def receive_request(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request inside the dialog: in its order, and while there is a call to which it can belong."""
        request = transaction.request
        dialog = self._dialog_with(request.from_.tag)
        if dialog is None or (self.state in _OVER and request.method != "BYE"):
            self._layer.respond(transaction, 481, now)
        elif not dialog.takes(request):
            self._layer.respond(transaction, 500, now, reason="CSeq Out of Order")
        elif request.method == "BYE":
            self._receive_bye(transaction, now)
        else:
            inside = InDialog(self, self._party, self._answering, self._changes, self._step)
            inside.receive(transaction, dialog, now)
            self._settle(now)

    def _receive_bye(self, transaction: ServerTransaction, now: float) -> None:
        if self._dialog is None:  # who rings cannot hang up, only refuse (section 15)
            self._layer.respond(transaction, 481, now)
            return
        self._layer.respond(transaction, 200, now)
        self._step(SessionInput.BYE, Cause(code=487, by="caller", reason=reason_text(transaction.request)), now)

    def receive_ack(self, request: Request, now: float) -> None:
        """Take the ACK of our 2xx; others are repetitions."""
        acceptance = self._answering.acknowledge(request)
        if acceptance is not None:
            answer = request.content if acceptance.delayed_offer else None
            self._step(SessionInput.ACK, Cause(message=acceptance.transaction.request, body=answer), now)

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """An INVITE is taken back: 487, unless it is answered already (section 9.2). A call that stands goes on."""
        if transaction is not self._answering.invite:
            return
        if self.state is SessionState.ESTABLISHED:
            self._answering.fail(487, now)
            self._settle(now)
        else:
            self._step(SessionInput.CANCEL, Cause(code=487), now)

    def _dialog_with(self, tag: str) -> Dialog | None:
        if self._dialog is None:
            return self._calling.dialog_with(tag) if self._calling is not None else None
        return self._dialog if self._dialog.remote_tag == tag else None

    @property
    def _is_asked(self) -> bool:
        """Whether an offer waits for our answer, the one of the first INVITE excepted."""
        return self._answering.update is not None or self.state is SessionState.ESTABLISHED

    # ---- what became of our requests inside the dialog

    def _offer_due(self) -> None:
        self._layer.emit(OfferDue(session=self))

    def _changed(self, ending: Ending, now: float) -> None:
        """A re-INVITE or UPDATE of ours is through."""
        if self.state in _OVER:
            return
        if ending.code in _GONE:
            self._lost(ending.code, now)
        elif ending.answer is not None:
            self._layer.emit(ReofferAnswered(session=self, answer=ending.answer))
        elif ending.code >= 300 and ending.is_refresh:
            self._party.timer.failed(now)
        elif ending.code >= 300:
            self._layer.emit(ReofferRefused(session=self, code=ending.code, reason=ending.reason))

    def _informed(self, code: int, now: float) -> None:
        """An INFO of ours is through."""
        if code in _GONE:
            self._lost(code, now)
        self._settle(now)

    def _lost(self, code: int, now: float) -> None:
        """The far end knows nothing of the call any more, or says nothing (section 12.2.1.2)."""
        known = "no longer knows this call" if code == 481 else "does not answer any more"
        self._step(SessionInput.LOST, broken(f"the far end {known}", code), now)

    def _bye_done(self, code: int, response: Response | None, now: float) -> None:
        self._step(SessionInput.BYE_DONE, Cause(), now)

    # ---- time

    def next_timer(self) -> float | None:
        parts = (self._answering, self._calling, self._changes, self._party.timer)
        deadlines = (part.next_timer() for part in parts if part is not None)
        return min((at for at in deadlines if at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._answering.has_no_ack(now):
            self._step(SessionInput.NO_ACK, broken("our 200 OK was never acknowledged", 408), now)
        if self._answering.has_no_prack(now):
            self._step(SessionInput.NO_PRACK, Cause(code=504), now)
        if self._calling is not None and self._calling.has_no_final(now):
            self._step(SessionInput.NO_FINAL, Cause(), now)
        due = self._party.timer.due(now)
        if due is Due.EXPIRED:
            self._step(SessionInput.EXPIRED, broken("the session was not refreshed in time", 408), now)
        elif due is Due.REFRESH:
            self._changes.want_refresh(now)
        self._changes.handle_timer(now)
        self._settle(now)

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
        self._settle(now)
        if self.state is SessionState.ENDED:
            self._calling = None  # what still comes for our INVITE goes there: its transaction knows the way
            self._ended(self)

    def _settle(self, now: float) -> None:
        """After whatever has happened: what of ours has waited for its moment may leave, and the time is kept."""
        if (air := self._air) is not None:
            self._changes.proceed(air, now)
            if air.is_confirmed and not self._changes.is_busy:
                self._info.proceed(air.dialog, now)
        self._layer.schedule.update(self)

    @property
    def _air(self) -> Air | None:
        dialog = self._dialog or (self._calling.latest if self._calling is not None else None)
        if dialog is None or self.state in _OVER:
            return None
        confirmed = self.state is SessionState.ESTABLISHED
        free = self._answering.invite is None and self._answering.acceptance is None
        return Air(dialog=dialog, is_confirmed=confirmed, invite_is_free=free, info_is_free=not self._info.is_busy)

    def _release(self, now: float) -> None:
        """Nothing that was asked, or that we wanted, outlives the session (section 15.1.2)."""
        self._party.is_over = True
        self._party.timer.stop()
        self._info.close()
        self._answering.close(now)
        self._changes.close(now)
        if self._calling is not None:
            self._calling.close()

    # ---- actions: what is sent

    def _send_provisional(self, cause: Cause, now: float) -> None:
        self._answering.progress(cause.code, cause.body or b"", now)

    def _send_success(self, cause: Cause, now: float) -> None:
        self._answering.succeed(self._promise, now)

    def _send_failure(self, cause: Cause, now: float) -> None:
        self._answering.fail(cause.code, now, reason=cause.phrase, headers=cause.headers)

    def _confirm(self, cause: Cause, now: float) -> None:
        """Make the dialog of a 2xx and acknowledge it; without our offer, the ACK waits for our answer."""
        if self._calling is not None and isinstance(cause.message, Response):
            self._dialog = self._calling.confirm(cause.message)
            self.remote = self._dialog.remote
            self._party.timer.agree(cause.message, now)

    def _send_bye(self, cause: Cause, now: float) -> None:
        if self._dialog is None:
            return
        if self._calling is not None:
            self._calling.acknowledge(self._dialog)
        self._party.request(self._dialog, "BYE", self._bye_done, headers=cause.headers).send(now)

    def _send_cancel(self, cause: Cause, now: float) -> None:
        if self._calling is not None:
            self._calling.cancel(now)

    def _send_invite(self, cause: Cause, now: float) -> None:
        self._call(now)

    def _abandon(self, cause: Cause, now: float) -> None:
        if self._calling is not None:
            self._calling.abandon()


_SENDERS: Mapping[Action, Callable[[InviteSession, Cause, float], None]] = {
    Action.SEND_PROVISIONAL: InviteSession._send_provisional,
    Action.SEND_SUCCESS: InviteSession._send_success,
    Action.SEND_FAILURE: InviteSession._send_failure,
    Action.SEND_CANCEL: InviteSession._send_cancel,
    Action.SEND_INVITE: InviteSession._send_invite,
    Action.SEND_BYE: InviteSession._send_bye,
    Action.ABANDON: InviteSession._abandon,
    Action.CONFIRM: InviteSession._confirm,
}
