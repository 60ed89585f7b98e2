"""A REFER of ours (RFC 3515): the far end of a call is asked to call somebody else, and tells by NOTIFY how it goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from sipagent.sip.dialog import Dialog
from sipagent.sip.digest import Authenticator
from sipagent.sip.flow import Flow
from sipagent.sip.headers import parse_number
from sipagent.sip.ids import Ids
from sipagent.sip.invite import InviteSession
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.outputs import Output, ReferAnswered, ReferProgressed
from sipagent.sip.parameters import Parameters
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.refer import ReferTo, read_sipfrag
from sipagent.sip.requests import again
from sipagent.sip.timers import PATIENCE
from sipagent.sip.transaction import ServerTransaction

LONGEST = 180.0
"""Seconds without a NOTIFY after which we stop to wait, however long the far end's subscription would last."""


class ReferringState(Enum):
    ASKED = "asked"
    ACCEPTED = "accepted"
    OVER = "over"


class ReferringInput(Enum):
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    CHALLENGED = "401 or 407 that can be answered"
    PROVISIONAL = "NOTIFY of 1xx"
    FINAL = "NOTIFY of a final status"
    TERMINATED = "NOTIFY that ends the subscription without one"
    SILENCE = "no NOTIFY in time"


class ReferringAction(Enum):
    REPEAT = "send REFER with credentials"
    REPORT_ACCEPTED = "ReferAnswered 2xx"
    REPORT_REFUSED = "ReferAnswered 3xx-6xx"
    REPORT_PROGRESS = "ReferProgressed"
    REPORT_FINAL = "ReferProgressed, the last one"


_S, _I, _A = ReferringState, ReferringInput, ReferringAction

REFERRING: Mapping[tuple[ReferringState, ReferringInput], tuple[ReferringState, tuple[ReferringAction, ...]]] = {
    (_S.ASKED, _I.CHALLENGED): (_S.ASKED, (_A.REPEAT,)),
    (_S.ASKED, _I.SUCCESS): (_S.ACCEPTED, (_A.REPORT_ACCEPTED,)),
    (_S.ASKED, _I.FAILURE): (_S.OVER, (_A.REPORT_REFUSED,)),
    # A NOTIFY may overtake the 202 (RFC 6665 section 4.1.2.4), and says as much.
    (_S.ASKED, _I.PROVISIONAL): (_S.ACCEPTED, (_A.REPORT_ACCEPTED, _A.REPORT_PROGRESS)),
    (_S.ASKED, _I.FINAL): (_S.OVER, (_A.REPORT_ACCEPTED, _A.REPORT_FINAL)),
    (_S.ASKED, _I.TERMINATED): (_S.OVER, (_A.REPORT_ACCEPTED, _A.REPORT_FINAL)),
    (_S.ACCEPTED, _I.PROVISIONAL): (_S.ACCEPTED, (_A.REPORT_PROGRESS,)),
    (_S.ACCEPTED, _I.FINAL): (_S.OVER, (_A.REPORT_FINAL,)),
    (_S.ACCEPTED, _I.TERMINATED): (_S.OVER, (_A.REPORT_FINAL,)),
    # Refer-Sub: false (RFC 4488), or a far end that just never tells.
    (_S.ACCEPTED, _I.SILENCE): (_S.OVER, (_A.REPORT_FINAL,)),
}
"""(state, input): (state, actions). What it does not name is absorbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    """What came with an input: a status, in the words of who said it; 0 where nobody did."""

    code: int
    reason: str


class Referring:
    """One REFER and the subscription that it makes. `ended` is called once nothing more will come of it."""

    def __init__(
        self,
        session: InviteSession,
        dialog: Dialog,
        refer_to: ReferTo,
        *,
        layer: TransactionLayer,
        ids: Ids,
        ended: Callable[["Referring"], None],
        now: float,
    ) -> None:
        self.state = ReferringState.ASKED
        self.session = session
        self._dialog = dialog
        self._layer = layer
        self._ids = ids
        self._ended = ended
        self._authenticator = Authenticator(session.credentials, ids, session.call_id)
        self._credentials: list[Field] = []
        self._deadline: float | None = None
        headers = (
            ("Refer-To", str(refer_to)),
            ("Referred-By", f"<{session.local.uri}>"),  # RFC 3892 section 3
            ("Contact", f"<{session.contact}>"),
        )
        self._request = dialog.request("REFER", branch=self._branch(), headers=headers)
        layer.request(self._request, dialog.next_flow(), self, now)

    # ---- responses to REFER

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        if response.code < 200:
            return
        if response.code in (401, 407) and self._can_answer(response):
            self._step(ReferringInput.CHALLENGED, _Status(code=response.code, reason=response.reason), now)
            return
        if response.code < 300:
            self._deadline = now + PATIENCE  # timer N (RFC 6665 section 4.1.2.4)
        step = ReferringInput.SUCCESS if response.code < 300 else ReferringInput.FAILURE
        self._step(step, _Status(code=response.code, reason=response.reason), now)

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        self._step(ReferringInput.FAILURE, _Status(code=code, reason=why or reason_phrase(code)), now)

    def moved(self, request: Request, server: Flow) -> None:
        """A request inside a dialog has one way only."""

    def _can_answer(self, response: Response) -> bool:
        self._credentials = self._authenticator.answer(self._request, response) or []
        return bool(self._credentials)

    # ---- NOTIFY

    def concerns(self, request: Request) -> bool:
        """Whether a NOTIFY is about this REFER: its event's id, where it has one, is our CSeq (RFC 3515, 2.4.6)."""
        event, _, rest = (request.headers.get("event") or "refer").partition(";")
        number = Parameters.parse(rest).get("id") or str(self._request.cseq.number)
        return event.strip().lower() == "refer" and number == str(self._request.cseq.number)

    def receive_notify(self, transaction: ServerTransaction, now: float) -> None:
        """Take a NOTIFY, and answer it."""
        request = transaction.request
        if not self._dialog.takes(request):
            self._layer.respond(transaction, 500, now, reason="CSeq Out of Order")
            return
        self._layer.respond(transaction, 200, now)
        subscription, _, rest = (request.headers.get("subscription-state") or "").partition(";")
        parameters = Parameters.parse(rest)
        self._deadline = now + _lifetime(parameters)
        code, reason = read_sipfrag(request.body) or (100, "")
        if code >= 200:
            self._step(ReferringInput.FINAL, _Status(code=code, reason=reason), now)
        elif subscription.strip().lower() == "terminated":
            why = parameters.get("reason") or "no reason"
            status = _Status(code=0, reason=f"the far end ended its account without an outcome ({why})")
            self._step(ReferringInput.TERMINATED, status, now)
        else:
            self._step(ReferringInput.PROVISIONAL, _Status(code=code, reason=reason), now)

    # ---- time

    def next_timer(self) -> float | None:
        return self._deadline if self.state is ReferringState.ACCEPTED else None

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            status = _Status(code=0, reason="the far end accepted, and never said how it went")
            self._step(ReferringInput.SILENCE, status, now)

    # ---- the machine

    def _step(self, event: ReferringInput, status: _Status, now: float) -> None:
        step = REFERRING.get((self.state, event))
        if step is None:
            return
        self.state, actions = step
        for action in actions:
            if action is ReferringAction.REPEAT:
                self._repeat(now)
            else:
                self._layer.emit(self._report(action, status))
        self._layer.schedule.update(self)
        if self.state is ReferringState.OVER:
            self._ended(self)

    def _report(self, action: ReferringAction, status: _Status) -> Output:
        if action is ReferringAction.REPORT_ACCEPTED:
            return ReferAnswered(session=self.session, code=202, reason=reason_phrase(202))
        if action is ReferringAction.REPORT_REFUSED:
            return ReferAnswered(session=self.session, code=status.code, reason=status.reason)
        final = action is ReferringAction.REPORT_FINAL
        return ReferProgressed(session=self.session, code=status.code, reason=status.reason, is_final=final)

    def _repeat(self, now: float) -> None:
        number = self._dialog.next_number()
        flow = self._dialog.next_flow()
        self._request = again(
            self._request, flow=flow, branch=self._branch(), number=number, credentials=self._credentials
        )
        self._layer.request(self._request, flow, self, now)

    def _branch(self) -> str:
        return self._ids.token("branch", self.session.call_id)


def _lifetime(parameters: Parameters) -> float:
    """How long to wait for the next NOTIFY: as long as the subscription lasts, within reason."""
    try:
        return min(max(float(parse_number(parameters.get("expires") or "")), PATIENCE), LONGEST)
    except ValueError:
        return LONGEST
