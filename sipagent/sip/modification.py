"""Our changes to a call that stands: a further offer, and the refresh of its timer (RFC 3261 14.1, 3311, 4028)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial

from sipagent.sip.dialog import Dialog
from sipagent.sip.dialog_request import DialogRequest
from sipagent.sip.flow import Flow
from sipagent.sip.message import Request, Response
from sipagent.sip.negotiation import Step
from sipagent.sip.party import Party
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.requests import sdp_type
from sipagent.sip.timers import PATIENCE

ATTEMPTS = 8
"""Collisions in a row after which an offer is given up."""
LONGEST_WAIT = 10
"""Seconds that a Retry-After is followed for: RFC 3261 section 14.2 draws it from 0 to 10."""
UNIT = 0.01
"""Seconds in which the waits after 491 are counted (section 14.1)."""


class ChangeState(Enum):
    IDLE = "idle"
    WANTED = "wanted"
    DUE = "due"
    SENT = "sent"
    WAITING = "waiting"
    WITHDRAWN = "withdrawn"


class ChangeInput(Enum):
    ASK = "a change is asked for"
    MAY_OFFER = "nothing else is in the air"
    MAY_REFRESH = "a mere refresh may leave"
    OFFER = "the driver has its offer ready"
    BLOCKED = "something else is in the air again"
    SUCCESS = "2xx"
    COLLISION = "491, or 500 with Retry-After"
    FAILURE = "3xx-6xx, or no answer"
    TIMER = "the wait is over"
    SILENCE = "no final response"
    CLOSE = "the session ends"


class ChangeAction(Enum):
    REPORT_DUE = "OfferDue"
    SEND = "send re-INVITE or UPDATE"
    WANT_AGAIN = "want it again after a while"
    CANCEL = "send CANCEL"
    ABANDON = "forget the request"
    REPORT_SUCCESS = "told: answered"
    REPORT_FAILURE = "told: refused"
    WITHDRAW = "drop what was asked for"
    LIMIT = "wait 64*T1 for what is in the air"


_S, _I, _A = ChangeState, ChangeInput, ChangeAction

CHANGE: Mapping[tuple[ChangeState, ChangeInput], tuple[ChangeState, tuple[ChangeAction, ...]]] = {
    (_S.IDLE, _I.ASK): (_S.WANTED, ()),
    (_S.WANTED, _I.MAY_REFRESH): (_S.SENT, (_A.SEND,)),
    # The driver writes its offer when it has heard all that was told before: so it is asked for it in turn.
    (_S.WANTED, _I.MAY_OFFER): (_S.DUE, (_A.REPORT_DUE,)),
    (_S.WANTED, _I.CLOSE): (_S.IDLE, (_A.WITHDRAW,)),
    (_S.DUE, _I.OFFER): (_S.SENT, (_A.SEND,)),
    (_S.DUE, _I.BLOCKED): (_S.WANTED, ()),
    (_S.DUE, _I.CLOSE): (_S.IDLE, (_A.WITHDRAW,)),
    (_S.SENT, _I.SUCCESS): (_S.IDLE, (_A.REPORT_SUCCESS,)),
    (_S.SENT, _I.COLLISION): (_S.WAITING, (_A.WANT_AGAIN,)),
    (_S.SENT, _I.FAILURE): (_S.IDLE, (_A.REPORT_FAILURE,)),
    (_S.SENT, _I.SILENCE): (_S.WITHDRAWN, (_A.CANCEL, _A.LIMIT)),
    (_S.SENT, _I.CLOSE): (_S.WITHDRAWN, (_A.WITHDRAW, _A.LIMIT)),
    (_S.WAITING, _I.TIMER): (_S.WANTED, ()),
    (_S.WAITING, _I.CLOSE): (_S.IDLE, (_A.WITHDRAW,)),
    (_S.WITHDRAWN, _I.SUCCESS): (_S.IDLE, (_A.REPORT_SUCCESS,)),
    (_S.WITHDRAWN, _I.COLLISION): (_S.IDLE, (_A.REPORT_FAILURE,)),
    (_S.WITHDRAWN, _I.FAILURE): (_S.IDLE, (_A.REPORT_FAILURE,)),
    (_S.WITHDRAWN, _I.SILENCE): (_S.IDLE, (_A.ABANDON, _A.REPORT_FAILURE)),
    (_S.WITHDRAWN, _I.CLOSE): (_S.WITHDRAWN, (_A.WITHDRAW, _A.LIMIT)),
}
"""(state, input): (state, actions). What it does not name is absorbed; asked for in between, a change comes after."""


Describe = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of one change: the code and words of the far end, and the SDP that came.

    408 for no answer at all, 503 for no way to send, 487 for one that we have taken back.
    """

    code: int
    reason: str
    is_refresh: bool
    answer: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What a change depends on: the dialog, whether an INVITE of the far end is under way in it, or an INFO of ours.

    Two requests of ours at once might overtake each other, and the late one be taken for a mistake (section 12.2.2).
    """

    dialog: Dialog
    is_confirmed: bool
    invite_is_free: bool
    info_is_free: bool


@dataclass(eq=False, slots=True, kw_only=True)
class _Change:
    """One request of ours; `ack` is that of its 2xx, if it was a re-INVITE."""

    is_refresh: bool
    is_confirmed: bool
    request: DialogRequest | None = None
    ack: tuple[Request, Flow] | None = None

    @property
    def is_invite(self) -> bool:
        return self.request is not None and self.request.request.method == "INVITE"


class Modification:
    """One change at a time, in the order and with the pauses that keep both sides from talking at once.

    `due` learns when the driver is to write its offer, `told` how each change ended; `settle` is called after every
    final response. `owns_call_id`: we called, and so wait longer after a collision than who was called.
    """

    def __init__(
        self,
        party: Party,
        *,
        owns_call_id: bool,
        due: Callable[[], None],
        told: Callable[[Ending, float], None],
        settle: Callable[[float], None],
    ) -> None:
        self._party = party
        self._owns_call_id = owns_call_id
        self._due = due
        self._told = told
        self._settle = settle
        self._state = ChangeState.IDLE
        self._wants_offer = False
        self._wants_refresh = False
        self._attempts = 0
        self._change: _Change | None = None
        self._deadline: float | None = None

    # ---- what is wanted

    def want_offer(self, now: float) -> None:
        """The driver wants to make an offer; while one is in the air, after it."""
        self._wants_offer = True
        self._attempts = 0
        self._step(ChangeInput.ASK, now)

    def want_refresh(self, now: float) -> None:
        """The session timer wants a refresh, by UPDATE if the far end takes it."""
        self._wants_refresh = True
        self._step(ChangeInput.ASK, now)

    def proceed(self, air: Air, now: float) -> None:
        """Go on with what is wanted, if the moment has come."""
        if self._state is not ChangeState.WANTED or not air.info_is_free:
            return
        if self._wants_offer and self._may_offer(air):
            self._step(ChangeInput.MAY_OFFER, now)
        elif self._wants_refresh and not self._wants_offer and self._may_refresh(air):
            method = "UPDATE" if air.dialog.allows("UPDATE") else "INVITE"
            body = b"" if method == "UPDATE" else self._party.description
            self._change = self._write(air, method, body, is_refresh=True)
            self._step(ChangeInput.MAY_REFRESH, now)

    def offer(self, describe: Describe, air: Air, now: float) -> None:
        """Send the offer that was due: by re-INVITE in a confirmed dialog, by UPDATE in an early one."""
        if self._state is not ChangeState.DUE:
            return
        if self._may_offer(air):
            self._wants_offer = False
            self._change = self._write(air, "INVITE" if air.is_confirmed else "UPDATE", describe(), is_refresh=False)
            self._step(ChangeInput.OFFER, now)
        else:
            self._step(ChangeInput.BLOCKED, now)

    @property
    def is_busy(self) -> bool:
        """Whether a request of ours has no final response yet."""
        return self._change is not None

    @property
    def is_inviting(self) -> bool:
        """Whether a re-INVITE of ours has no final response yet."""
        return self._change is not None and self._change.is_invite

    def close(self, now: float) -> None:
        """The session is over."""
        self._step(ChangeInput.CLOSE, now)

    def _may_offer(self, air: Air) -> bool:
        if not (self._party.negotiation.is_quiet and air.info_is_free):
            return False
        if air.is_confirmed:
            return air.invite_is_free
        return self._party.negotiation.is_settled and air.dialog.allows("UPDATE")

    def _may_refresh(self, air: Air) -> bool:
        return air.is_confirmed and (air.dialog.allows("UPDATE") or self._may_offer(air))

    # ---- the request

    def _write(self, air: Air, method: str, body: bytes, *, is_refresh: bool) -> _Change:
        change = _Change(is_refresh=is_refresh, is_confirmed=air.is_confirmed)
        self._wants_refresh = False  # an offer refreshes the session, too
        headers = (*self._party.presentation, *self._party.timer.renewal, *sdp_type(body))
        if body:
            self._party.description = body
            self._party.negotiation.take(Step.OFFER_SENT)
        heard = partial(self._heard, change)
        change.request = self._party.request(air.dialog, method, heard, headers=headers, body=body)
        return change

    def _heard(self, change: _Change, code: int, response: Response | None, now: float) -> None:
        """A final response: of a re-INVITE, its 2xx may come several times."""
        if change.ack is not None:
            self._party.layer.send(*change.ack)
        elif change is self._change and change.request is not None:
            self._change = None
            answer = response.content if response is not None and code < 300 else None
            if change.request.request.body:
                self._party.negotiation.take(Step.ANSWER_RECEIVED if answer else Step.DROPPED)
            if response is not None and code < 300:
                self._confirm(change, change.request, response, now)
            self._step(self._input(change, code, response, now), now, change, code, response)
            change.request = None  # it knows the change; of a 2xx that comes again only the ACK matters
            self._settle(now)

    def _confirm(self, change: _Change, request: DialogRequest, response: Response, now: float) -> None:
        """A 2xx: the dialog goes on with what it says, and that of a re-INVITE is acknowledged."""
        dialog = request.dialog
        dialog.retarget(response)
        if change.is_confirmed and not self._party.is_over:
            self._party.timer.agree(response, now)
        if change.is_invite:
            ack = dialog.request("ACK", branch=self._party.branch(), number=request.request.cseq.number)
            change.ack = ack, dialog.next_flow()
            self._party.layer.send(*change.ack)

    def _input(self, change: _Change, code: int, response: Response | None, now: float) -> ChangeInput:
        if code < 300:
            return ChangeInput.SUCCESS
        pause = self._pause(change, response) if response is not None and self._attempts < ATTEMPTS else None
        if pause is None:
            return ChangeInput.FAILURE
        self._attempts += 1
        self._deadline = now + pause
        return ChangeInput.COLLISION

    def _pause(self, change: _Change, response: Response) -> float | None:
        """Seconds after which a request that was refused may succeed; None where it will not."""
        retry_after = response.headers.number("retry-after")
        if response.code == 491:
            # RFC 3261 section 14.1: from 2.1 to 4 seconds for the owner of the Call-ID, else from 0 to 2.
            drawn = self._party.ids.number("glare", 16, self._party.call_id)
            return UNIT * ((210 + drawn % 191) if self._owns_call_id else drawn % 201)
        if response.code == 500 and retry_after is not None and retry_after <= LONGEST_WAIT:
            return float(retry_after)
        if response.code == 422 and self._party.timer.lengthen(response):
            return 0.0
        if response.code in (405, 501) and change.request is not None and not change.is_invite:
            change.request.dialog.unlearn("UPDATE")
            return 0.0
        return None

    # ---- time

    def next_timer(self) -> float | None:
        return self._deadline

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            waits = self._state is ChangeState.WAITING
            self._step(ChangeInput.TIMER if waits else ChangeInput.SILENCE, now)

    # ---- the machine

    def _step(
        self,
        event: ChangeInput,
        now: float,
        change: _Change | None = None,
        code: int = 487,
        response: Response | None = None,
    ) -> None:
        step = CHANGE.get((self._state, event))
        if step is None:
            return
        self._state, actions = step
        if self._state in (ChangeState.IDLE, ChangeState.WANTED):
            self._deadline = None
        for action in actions:
            self._act(action, now, change or self._change, code, response)
        if self._state is ChangeState.IDLE and (self._wants_offer or self._wants_refresh):
            self._state = CHANGE[ChangeState.IDLE, ChangeInput.ASK][0]

    def _act(
        self, action: ChangeAction, now: float, change: _Change | None, code: int, response: Response | None
    ) -> None:
        if action is ChangeAction.WITHDRAW:
            self._wants_offer = self._wants_refresh = False
        elif action is ChangeAction.REPORT_DUE:
            self._due()
        elif action is ChangeAction.LIMIT:
            self._deadline = now + PATIENCE
        elif change is None or change.request is None:
            return
        elif action is ChangeAction.SEND:
            self._deadline = now + 2 * PATIENCE if change.is_invite else None
            change.request.send(now)
        elif action is ChangeAction.WANT_AGAIN:
            self._wants_offer = self._wants_offer or not change.is_refresh
            self._wants_refresh = self._wants_refresh or change.is_refresh
        elif action is ChangeAction.CANCEL:
            if change.is_invite:
                change.request.cancel(now)
        elif action is ChangeAction.ABANDON:
            self._change = None
            self._party.negotiation.take(Step.DROPPED)
            change.request.abandon()
        else:
            answer = response.content if action is ChangeAction.REPORT_SUCCESS and response is not None else None
            reason = response.reason if response is not None else reason_phrase(code)
            self._told(Ending(code=code, reason=reason, is_refresh=change.is_refresh, answer=answer), now)
