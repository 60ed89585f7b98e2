"""Our INVITE: what its responses do to the session, how it is said again where a refusal names its cure, and the ACKs.

401, 407: with credentials (RFC 3261 section 22) · 422: with a longer interval (RFC 4028 section 7.4)
3xx: to another target, where we may (section 8.1.3.4)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sipagent.errors import Outcome
from sipagent.sip.capabilities import ALLOW, SUPPORTED, WITHOUT_OFFER
from sipagent.sip.confirmation import FORKS, Confirmation
from sipagent.sip.dialog import Dialog
from sipagent.sip.flow import Flow
from sipagent.sip.headers import NameAddr
from sipagent.sip.identity import Identity
from sipagent.sip.ids import Ids
from sipagent.sip.invite_reports import Cause, cause_of
from sipagent.sip.invite_table import SESSION, SessionInput
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.negotiation import Step
from sipagent.sip.party import Party
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.reliability import ReliableOrder, is_reliable, rack_of
from sipagent.sip.requests import again, opening_request, sdp_type
from sipagent.sip.session_timer import SessionTimer
from sipagent.sip.timers import PATIENCE
from sipagent.sip.uri import Uri

if TYPE_CHECKING:
    from sipagent.sip.invite import InviteSession

REDIRECTIONS = 5
"""Targets tried after the first: that many redirections look like a loop."""
Follow = Callable[[Uri], Flow | None]
"""The way to a target that a 3xx names; None where calls may not be sent there."""


def nowhere(target: Uri) -> Flow | None:
    """Follow no redirection."""
    return None


def opening_invite(
    ids: Ids,
    *,
    target: Uri,
    flow: Flow,
    identity: Identity,
    contact: Uri,
    offer: bytes | None,
    headers: Iterable[Field],
) -> Request:
    """The INVITE that opens a call (section 13.2.1), asking for a session timer."""
    call_id = ids.token("call-id")
    # A 1xx that brings the offer would want our answer in its PRACK: so only who has our offer may be reliable.
    supported = SUPPORTED if offer else WITHOUT_OFFER
    fields = ("Contact", f"<{contact}>"), ALLOW, supported, *SessionTimer().proposal, *headers, *sdp_type(offer)
    return opening_request(
        "INVITE",
        target=target,
        flow=flow,
        sender=identity.name_addr(ids.token("tag", call_id)),
        branch=ids.token("branch", call_id),
        routes=identity.routes,
        recipient=NameAddr(uri=target.bare()),
        call_id=call_id,
        number=1 + ids.number("cseq", 16, call_id),
        headers=fields,
        body=offer or b"",
    )


class Calling:
    """The caller's half of a session (RFC 3261 section 13.2). The responses to the INVITE move it by `step`."""

    def __init__(
        self,
        session: "InviteSession",
        party: Party,
        request: Request,
        flow: Flow,
        step: Callable[[SessionInput, Cause, float], None],
        follow: Follow,
    ) -> None:
        self.request = request
        """The INVITE as it left last."""
        self.flow = flow
        self._session = session
        self._party = party
        self._step = step
        self._follow = follow
        self._targets: list[tuple[Uri, Flow]] = []
        self._known = {request.uri}
        self._forget_dialogs()
        self._cancelled_at: float | None = None

    def send(self, now: float, *, others: Sequence[Flow] = ()) -> None:
        """Send it over `flow`; if that fails, over one of the `others`."""
        if self.request.body:
            self._party.description = self.request.body
            self._party.negotiation.take(Step.OFFER_SENT)
        self._party.layer.request(self.request, self.flow, self, now, others=others)

    # ---- what became of it

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        """Take a response; those to an INVITE that has been said again since are late."""
        if request is not self.request:
            return
        if response.code < 200:
            self._receive_provisional(response, now)
        elif response.code >= 300:
            self._receive_failure(response, now)
        elif self._session.dialog is None:
            self._step(SessionInput.SUCCESS, cause_of(response), now)
        else:
            self._answered_again(response, now)

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        """Nobody answered, or it could not be sent: on to the next target, if there is one."""
        if request is not self.request:
            return
        if self._may_amend and self._turn():
            self._step(SessionInput.AMENDED, Cause(), now)
            return
        cause = Cause(code=code, reason=reason_phrase(code), outcome=Outcome.NETWORK)
        self._step(SessionInput.FAILURE, cause, now)

    def moved(self, request: Request, server: Flow) -> None:
        """It goes to another server."""
        if request is self.request:
            self._session.flow = self.flow = server

    def _receive_provisional(self, response: Response, now: float) -> None:
        if self._ring(response, now):
            self._step(SessionInput.PROVISIONAL, cause_of(response), now)

    def _receive_failure(self, response: Response, now: float) -> None:
        if self._may_amend and self._amend(response):
            self._session.flow = self.flow
            self._step(SessionInput.AMENDED, Cause(), now)
        else:
            self._step(SessionInput.FAILURE, cause_of(response), now)

    @property
    def _may_amend(self) -> bool:
        return (self._session.state, SessionInput.AMENDED) in SESSION

    # ---- said again

    def _amend(self, response: Response) -> bool:
        """Write the INVITE so that it may succeed where this one was refused; False where nothing helps."""
        authenticator = self._party.authenticator
        if response.code in (401, 407) and (credentials := authenticator.answer(self.request, response)):
            self._rewrite(credentials=credentials)
            return True
        if response.code == 422 and self._party.timer.lengthen(response):
            authenticator.begin()
            self._rewrite(headers=self._party.timer.proposal)
            return True
        if response.code >= 600:  # nobody anywhere will take it (section 21.6)
            self._targets.clear()
        elif response.code < 400:
            self._take_targets(response)
        return self._turn()

    def _turn(self) -> bool:
        """Write the INVITE for the next target that a 3xx named; False where there is none left."""
        if not self._targets:
            return False
        target, self.flow = self._targets.pop(0)
        self._party.authenticator.begin()
        self._rewrite(uri=str(target))
        return True

    def _take_targets(self, response: Response) -> None:
        """Remember where a 3xx leads to, as far as we may go, in the order of its preference."""
        for target in _contacts(response):
            flow = self._follow(target)
            if flow is not None and str(target) not in self._known and len(self._known) <= REDIRECTIONS:
                self._known.add(str(target))
                self._targets.append((target, flow))

    def _rewrite(self, *, uri: str = "", headers: Iterable[Field] = (), credentials: Iterable[Field] = ()) -> None:
        self.request = again(
            self.request,
            flow=self.flow,
            branch=self._party.branch(),
            number=self.request.cseq.number + 1,
            uri=uri,
            headers=headers,
            credentials=credentials,
        )
        self._forget_dialogs()

    # ---- who rings, and who answers

    def dialog_with(self, tag: str) -> Dialog | None:
        """The early dialog with the phone of this tag."""
        return self._dialogs.get(tag)

    @property
    def latest(self) -> Dialog | None:
        """The early dialog that was opened last."""
        return next(reversed(self._dialogs.values()), None)

    def _ring(self, response: Response, now: float) -> bool:
        """Take a 1xx: it may open a dialog, and want a PRACK. False for one repeated, or out of its order."""
        tag = response.to.tag
        if response.code == 100 or not tag:
            return True
        if tag not in self._dialogs:
            if len(self._dialogs) >= FORKS:
                return False
            self._dialogs[tag] = Dialog.of_response(self.request, response, self.flow)
        dialog = self._dialogs[tag]
        dialog.learn(response)
        if not is_reliable(response):
            return True
        if not self._order.takes(response):
            return False
        self._party.request(dialog, "PRACK", _ignore, headers=(("RAck", rack_of(response)),)).send(now)
        if response.body:
            self._party.negotiation.take(Step.ANSWER_RECEIVED)
        return True

    def confirm(self, response: Response) -> Dialog:
        """The dialog of a 2xx, acknowledged; without our offer, the ACK waits for our answer."""
        dialog = self._dialog_of(response)
        if self.request.body:
            self._party.negotiation.take(Step.ANSWER_RECEIVED)
            self.acknowledge(dialog)
        else:
            self._party.negotiation.take(Step.OFFER_RECEIVED)
        return dialog

    def acknowledge(self, dialog: Dialog, answer: bytes = b"") -> None:
        """Send the ACK of a 2xx, unless it has left."""
        if dialog.remote_tag not in self._confirmation:
            number = self.request.cseq.number
            self._confirmation.send(dialog, branch=self._party.branch(), number=number, body=answer)
            if answer:
                self._party.description = answer
            self._party.negotiation.take(Step.ANSWER_SENT)

    def _answered_again(self, response: Response, now: float) -> None:
        """A further 2xx: one repeated, or another phone's, which is hung up on (section 13.2.2.4)."""
        chosen = self._session.dialog
        if response.to.tag in self._confirmation:
            self._confirmation.repeat(response.to.tag)
        elif chosen is not None and response.to.tag == chosen.remote_tag:
            return  # it carries the offer that our driver has yet to answer: the ACK leaves with the answer
        elif not self._confirmation.full:
            dialog = self._dialog_of(response)
            self.acknowledge(dialog)
            self._party.request(dialog, "BYE", _ignore).send(now)

    def _dialog_of(self, response: Response) -> Dialog:
        dialog = self._dialogs.get(response.to.tag)
        if dialog is None:
            return Dialog.of_response(self.request, response, self.flow)
        dialog.confirm(response)
        return dialog

    def _forget_dialogs(self) -> None:
        self._dialogs: dict[str, Dialog] = {}
        self._order = ReliableOrder()
        self._confirmation = Confirmation(self._party.layer)

    # ---- taken back

    def cancel(self, now: float) -> None:
        """Send CANCEL, and wait 64*T1 for the INVITE's end (section 9.1)."""
        self._cancelled_at = now
        self._party.layer.cancel(self.request, self, now)

    def settle(self) -> None:
        """Try no further server, and no further target."""
        self._targets.clear()
        self._party.layer.settle(self.request)

    def abandon(self) -> None:
        """Forget the INVITE: nobody ends it."""
        self._cancelled_at = None
        self._party.layer.abandon(self.request)

    def next_timer(self) -> float | None:
        return None if self._cancelled_at is None else self._cancelled_at + PATIENCE

    def has_no_final(self, now: float) -> bool:
        """Whether a final response is past hope after our CANCEL."""
        return self._cancelled_at is not None and now >= self._cancelled_at + PATIENCE

    def close(self) -> None:
        """Nothing is waited for any more."""
        self._cancelled_at = None


def _contacts(response: Response) -> list[Uri]:
    """The targets of a 3xx, the preferred ones first (section 8.1.3.4); those that cannot be read are left out."""
    targets: list[tuple[float, Uri]] = []
    for value in response.headers.values("contact"):
        try:
            contact = NameAddr.parse(value)
            quality = float(contact.parameters.get("q") or 1)
        except ValueError:
            continue
        targets.append((quality, contact.uri))
    return [uri for _, uri in sorted(targets, key=lambda item: -item[0])]


def _ignore(code: int, response: Response | None, now: float) -> None:
    """Whatever is said to a PRACK, or to the BYE of a phone too many, changes nothing."""
