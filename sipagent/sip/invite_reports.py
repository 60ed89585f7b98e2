"""Why an INVITE session does what it does, and what it tells its driver, action by action."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sipagent.errors import Outcome
from sipagent.sip.invite_table import Action
from sipagent.sip.message import Field, Request, Response
from sipagent.sip.outcome import outcome_of
from sipagent.sip.outputs import (
    Acknowledged,
    Answered,
    Cancelled,
    Ended,
    Output,
    Progress,
    ReAnswered,
    Refused,
    ReOffered,
    Side,
)
from sipagent.sip.parameters import Parameters, quote

if TYPE_CHECKING:
    from sipagent.sip.invite import InviteSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What came with an input, for the actions to use: the message, or what the driver wants sent."""

    message: Request | Response | None = None
    code: int = 0
    phrase: str = ""
    """The reason phrase of a response that we send; empty for the registered one."""
    reason: str = ""
    """Why, for the driver: the peer's reason phrase, or the text of a BYE."""
    outcome: Outcome = Outcome.SERVER_ERROR
    """What a refusal of our INVITE means."""
    by: Side = "us"
    body: bytes | None = None
    headers: tuple[Field, ...] = ()


def cause_of(response: Response) -> Cause:
    """What a response to our INVITE says."""
    return Cause(
        message=response,
        code=response.code,
        reason=response.reason,
        body=response.content,
        outcome=outcome_of(response.code),
    )


def broken(reason: str, code: int) -> Cause:
    """The end of a call that the far end did not want, or cannot tell (RFC 3326)."""
    header = ("Reason", f"SIP;cause={code};text={quote(reason)}")
    return Cause(by="network", reason=reason, headers=(header,))


def reason_text(request: Request) -> str:
    """What a BYE says about why (RFC 3326): its text, or the header as it is."""
    value = request.headers.get("reason") or ""
    return Parameters.parse(value.partition(";")[2]).get("text") or value


def _progress(session: "InviteSession", cause: Cause) -> Output | None:
    if cause.code == 100:  # the next hop has our INVITE; nobody rings yet
        return None
    return Progress(session=session, code=cause.code, reason=cause.reason, body=cause.body)


def _reanswered(session: "InviteSession", cause: Cause) -> Output | None:
    offered_by_us = cause.message is not None and not cause.message.body
    return ReAnswered(session=session, answer=cause.body) if offered_by_us else None


def _reoffered(session: "InviteSession", cause: Cause) -> Output | None:
    return ReOffered(session=session, offer=cause.message.content if cause.message else None)


REPORTS: Mapping[Action, Callable[["InviteSession", Cause], Output | None]] = {
    Action.REPORT_ACKNOWLEDGED: lambda session, cause: Acknowledged(session=session, answer=cause.body),
    Action.REPORT_REANSWERED: _reanswered,
    Action.REPORT_OFFER: _reoffered,
    Action.REPORT_PROGRESS: _progress,
    Action.REPORT_ANSWERED: lambda session, cause: Answered(session=session, body=cause.body),
    Action.REPORT_REFUSED: lambda session, cause: Refused(
        session=session, code=cause.code, reason=cause.reason, outcome=cause.outcome
    ),
    Action.REPORT_CANCELLED: lambda session, cause: Cancelled(session=session),
    Action.REPORT_ENDED: lambda session, cause: Ended(session=session, by=cause.by, reason=cause.reason),
}
