"""A transfer of ours from the wish to its outcome, as a table (RFC 5589): blind, attended, or by joining two calls.

             ┌─ REFER ─► the far end calls the target ───────────────────────────────► it hangs up, or we do
    caller ──┤
             └─ we call the target ─► it is there ─┬─ REFER with Replaces ───────────► both hang up, or we do
                                                   └─ refused, or not wanted: join ──► both calls end together

Whatever fails on the way gives the caller back to the agent. AUTO therefore calls the target itself: a PBX that puts a
caller through blindly (Asterisk) hangs up on one whose target is busy, and tells us when nobody is left to come back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

RING_TIME = 45.0
"""Seconds that the target may ring; a caller who hears it longer gives up anyway."""
CONSULTATION = 120.0
"""Seconds that may pass between the target's answer and its agreement."""

HAND_OVER = 6.0
"""Seconds that the far ends have to find each other, while the target hears nothing."""


class TransferMode(Enum):
    """How the caller gets to the target.

    REFER: blindly, by its far end. BRIDGE: we call the target, and join both. AUTO: we call the target and, once it is
    there, have the far ends connect with each other (REFER with Replaces); where that is refused, we join them.
    """

    REFER = "refer"
    BRIDGE = "bridge"
    AUTO = "auto"


class TransferState(Enum):
    WANTED = "wanted"
    REFERRING = "referring"
    REFERRED = "referred"
    CALLING = "calling"
    CONSULTING = "consulting"
    HANDING_OVER = "handing over"
    TAKEN_OVER = "taken over"
    JOINED = "joined"
    DONE = "done"
    FAILED = "failed"


class TransferInput(Enum):
    """What is wanted, what the far ends do, and what takes too long."""

    REFER = "let the far end call the target"
    CALL = "call the target ourselves"
    ACCEPTED = "REFER accepted"
    REFUSED = "REFER refused, or come to nothing"
    REFUSED_FOR_GOOD = "the same, and we may not join the calls ourselves"
    RINGING = "the target rings"
    ANSWERED = "the target is there"
    UNREACHED = "the target is busy, away, unknown …"
    AGREED = "the target takes the caller: hand over"
    AGREED_TO_JOIN = "the target takes the caller: join"
    DECLINED = "the target does not want the caller"
    CANCELLED = "we do not want it any more"
    LATE = "it takes too long"
    TARGET_GONE = "the target has hung up"
    CALLER_GONE = "the caller has hung up"


class TransferAction(Enum):
    SEND_REFER = "send REFER"
    SEND_REFER_REPLACES = "send REFER with Replaces"
    CALL_TARGET = "call the target"
    CONSULT = "talk to the target"
    JOIN = "join both calls"
    KEEP_COMPANY = "let the caller hear that it rings"
    RESUME = "give the caller back to the agent"
    RELEASE_CALLER = "hang up on the caller"
    RELEASE_TARGET = "hang up on the target, or stop ringing"
    REPORT_ACCEPTED = "accepted"
    REPORT_RINGING = "ringing"
    REPORT_ANSWERED = "answered"
    REPORT_FAILED = "failed"


_S, _I, _A = TransferState, TransferInput, TransferAction
_BACK = (_S.FAILED, (_A.RESUME, _A.REPORT_FAILED))
_BACK_ALONE = (_S.FAILED, (_A.RELEASE_TARGET, _A.RESUME, _A.REPORT_FAILED))
_NOBODY_LEFT = (_S.FAILED, (_A.RELEASE_TARGET, _A.REPORT_FAILED))

TRANSFER: Mapping[tuple[TransferState, TransferInput], tuple[TransferState, tuple[TransferAction, ...]]] = {
    (_S.WANTED, _I.REFER): (_S.REFERRING, (_A.KEEP_COMPANY, _A.SEND_REFER)),
    (_S.WANTED, _I.CALL): (_S.CALLING, (_A.KEEP_COMPANY, _A.CALL_TARGET)),
    (_S.REFERRING, _I.ACCEPTED): (_S.REFERRED, (_A.REPORT_ACCEPTED,)),
    (_S.REFERRING, _I.REFUSED_FOR_GOOD): _BACK,
    (_S.REFERRING, _I.CALLER_GONE): (_S.FAILED, (_A.REPORT_FAILED,)),
    (_S.REFERRED, _I.RINGING): (_S.REFERRED, (_A.REPORT_RINGING,)),
    (_S.REFERRED, _I.ANSWERED): (_S.DONE, (_A.REPORT_ANSWERED, _A.RELEASE_CALLER)),
    (_S.REFERRED, _I.UNREACHED): _BACK,
    # Who accepted a REFER and then hangs up has gone to the target: the last NOTIFY came too late, or never.
    (_S.REFERRED, _I.CALLER_GONE): (_S.DONE, (_A.REPORT_ANSWERED,)),
    (_S.CALLING, _I.RINGING): (_S.CALLING, (_A.REPORT_RINGING,)),
    (_S.CALLING, _I.ANSWERED): (_S.CONSULTING, (_A.CONSULT,)),
    (_S.CALLING, _I.UNREACHED): _BACK,
    (_S.CALLING, _I.LATE): _BACK_ALONE,
    (_S.CALLING, _I.CANCELLED): _BACK_ALONE,
    (_S.CALLING, _I.CALLER_GONE): _NOBODY_LEFT,
    (_S.CONSULTING, _I.AGREED): (_S.HANDING_OVER, (_A.SEND_REFER_REPLACES,)),
    (_S.CONSULTING, _I.AGREED_TO_JOIN): (_S.JOINED, (_A.JOIN, _A.REPORT_ANSWERED)),
    (_S.CONSULTING, _I.DECLINED): _BACK_ALONE,
    (_S.CONSULTING, _I.LATE): _BACK_ALONE,
    (_S.CONSULTING, _I.CANCELLED): _BACK_ALONE,
    (_S.CONSULTING, _I.TARGET_GONE): _BACK,
    (_S.CONSULTING, _I.CALLER_GONE): _NOBODY_LEFT,
    (_S.HANDING_OVER, _I.ANSWERED): (_S.DONE, (_A.REPORT_ANSWERED, _A.RELEASE_CALLER, _A.RELEASE_TARGET)),
    (_S.HANDING_OVER, _I.REFUSED): (_S.JOINED, (_A.JOIN, _A.REPORT_ANSWERED)),
    (_S.HANDING_OVER, _I.REFUSED_FOR_GOOD): _BACK_ALONE,
    # The target hangs up on us when the caller's new call replaces ours (RFC 3891 section 3).
    (_S.HANDING_OVER, _I.TARGET_GONE): (_S.TAKEN_OVER, ()),
    (_S.HANDING_OVER, _I.CALLER_GONE): (_S.DONE, (_A.REPORT_ANSWERED, _A.RELEASE_TARGET)),
    (_S.TAKEN_OVER, _I.ANSWERED): (_S.DONE, (_A.REPORT_ANSWERED, _A.RELEASE_CALLER)),
    (_S.TAKEN_OVER, _I.CALLER_GONE): (_S.DONE, (_A.REPORT_ANSWERED,)),
    (_S.TAKEN_OVER, _I.REFUSED): _BACK,
    (_S.TAKEN_OVER, _I.REFUSED_FOR_GOOD): _BACK,
    (_S.JOINED, _I.CALLER_GONE): (_S.DONE, (_A.RELEASE_TARGET,)),
    (_S.JOINED, _I.TARGET_GONE): (_S.DONE, (_A.RELEASE_CALLER,)),
}
"""(state, input): (state, actions). What it does not name is absorbed: a REFER, once accepted, cannot be taken back."""

_PATIENCE = {
    TransferState.CALLING: RING_TIME,
    TransferState.CONSULTING: CONSULTATION,
    TransferState.HANDING_OVER: HAND_OVER,
}
_TOO_LATE = {
    TransferState.CALLING: (TransferInput.LATE, "nobody answered"),
    TransferState.CONSULTING: (TransferInput.LATE, "the target never took the call"),
    TransferState.HANDING_OVER: (TransferInput.REFUSED, "the far ends did not find each other"),
}
_DEAD = frozenset({408, 481})
"""What a REFER is answered with when the call itself is over (RFC 5057 section 5.1): there is nobody to be joined."""


def answer_to_refer(code: int) -> TransferInput:
    """What the final response to a REFER means."""
    if code < 300:
        return TransferInput.ACCEPTED
    return TransferInput.REFUSED_FOR_GOOD if code in _DEAD else TransferInput.REFUSED


def outcome_of_refer(state: TransferState, code: int) -> TransferInput:
    """What the last NOTIFY means: a target that we still talk to ourselves is not lost by a failure."""
    if 200 <= code < 300:
        return TransferInput.ANSWERED
    attended = state in (TransferState.HANDING_OVER, TransferState.TAKEN_OVER)
    return TransferInput.REFUSED if attended else TransferInput.UNREACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStep:
    """Something to be done, with the status that led to it: 0 where there was none."""

    action: TransferAction
    code: int
    reason: str


class TransferMachine:
    """One transfer. With `consults` we call the target and talk to it, whatever the mode, before the caller comes."""

    def __init__(self, mode: TransferMode, *, consults: bool) -> None:
        self.state = TransferState.WANTED
        self._mode = mode
        self._calls_first = consults or mode is not TransferMode.REFER
        self._may_refer = mode is not TransferMode.BRIDGE
        self._deadline: float | None = None
        self._steps: list[TransferStep] = []

    def begin(self, now: float) -> None:
        self.receive(TransferInput.CALL if self._calls_first else TransferInput.REFER, now)

    def receive(self, what: TransferInput, now: float, *, code: int = 0, reason: str = "") -> None:
        """Take what happened. REFUSED and AGREED become what the mode makes of them."""
        what = self._in_our_mode(what)
        step = TRANSFER.get((self.state, what))
        if step is None:
            return
        before, (self.state, actions) = self.state, step
        if self.state is not before:
            patience = _PATIENCE.get(self.state)
            self._deadline = None if patience is None else now + patience
        for action in actions:
            # Joined because our REFER was refused: the caller has the target all the same.
            refused = action is TransferAction.REPORT_ANSWERED and code >= 300
            said = (200, "OK") if refused else (code, reason)
            self._steps.append(TransferStep(action=action, code=said[0], reason=said[1]))

    def _in_our_mode(self, what: TransferInput) -> TransferInput:
        if what is TransferInput.REFUSED:
            self._may_refer = False
            if self._mode is not TransferMode.AUTO:
                return TransferInput.REFUSED_FOR_GOOD
        if what is TransferInput.AGREED and not self._may_refer:
            return TransferInput.AGREED_TO_JOIN
        return what

    @property
    def is_over(self) -> bool:
        """Whether nothing that may still happen matters."""
        return self.state in (TransferState.DONE, TransferState.FAILED)

    def next_timer(self) -> float | None:
        return self._deadline

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            what, reason = _TOO_LATE[self.state]
            self.receive(what, now, code=408, reason=reason)

    def outputs(self) -> list[TransferStep]:
        """Drain what is to be done, in order."""
        steps, self._steps = self._steps, []
        return steps
