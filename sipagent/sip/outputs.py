"""What the SIP core gives its driver: datagrams to send, and what happened to calls and registrations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sipagent.errors import Outcome
from sipagent.sip.flow import Address, Flow

if TYPE_CHECKING:
    from sipagent.sip.admission import Verdict
    from sipagent.sip.invite import InviteSession
    from sipagent.sip.refer import ReferTo
    from sipagent.sip.referred import Referred
    from sipagent.sip.registration import Registration

Side = Literal["caller", "us", "network"]
"""Who ended a call; "caller" is the far end, whichever side dialled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One message for the network. `call_id` is its Call-ID, for journals."""

    data: bytes
    flow: Flow
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """Somebody calls; 100 has left. `offer` is the SDP of the INVITE, None for a delayed offer.

    The call takes the place of `replaces`, where there is one (RFC 3891): accept it, and hang up the other.
    """

    session: "InviteSession"
    offer: bytes | None
    replaces: "InviteSession | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The ACK of our first 200 has come. `answer` is its SDP, when our 200 carried the offer."""

    session: "InviteSession"
    answer: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReOffered:
    """A re-INVITE, UPDATE or PRACK: for `answer_offer` or `refuse_offer`. Without an offer, our 200 carries one."""

    session: "InviteSession"
    offer: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReAnswered:
    """The answer to an offer that we made in a 200 (of a re-INVITE) or in a 1xx, None where the far end gave none."""

    session: "InviteSession"
    answer: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDue:
    """The offer that `renegotiate` asked for can be made now: by `reoffer`."""

    session: "InviteSession"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReofferAnswered:
    """The far end has accepted a further offer of ours (see `reoffer`), or refreshes the call. `answer` is its SDP."""

    session: "InviteSession"
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReofferRefused:
    """The far end refused a further offer of ours; the call stands as it was."""

    session: "InviteSession"
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """The far end pressed a key, and said so by INFO."""

    session: "InviteSession"
    key: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived:
    """A MESSAGE (RFC 3428): inside a call, or from somebody (a URI) who has none with us."""

    session: "InviteSession | None"
    sender: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A provisional response to our INVITE, 100 excepted. `body` is early SDP, if any."""

    session: "InviteSession"
    code: int
    reason: str
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Our call was answered. `body` is the answer, or, when we made no offer, the offer (see `acknowledge`)."""

    session: "InviteSession"
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Our call failed: the server's code and words, or 408 for no answer at all and 503 for no way to send."""

    session: "InviteSession"
    code: int
    reason: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """An INVITE was taken back before it was answered: by the caller, or by our `cancel`."""

    session: "InviteSession"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A call that stood is over."""

    session: "InviteSession"
    by: Side
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferAnswered:
    """The far end will call whom we named (202), or refused to."""

    session: "InviteSession"
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferProgressed:
    """What the one that the far end called has answered, as it tells us; after the final one nothing more comes.

    The code is 0 where the far end never told how it went.
    """

    session: "InviteSession"
    code: int
    reason: str
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferReceived:
    """The far end wants us to call somebody else: to be met with `accept` or `refuse` of `referred`."""

    session: "InviteSession"
    referred: "Referred"
    refer_to: "ReferTo"
    referred_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSucceeded:
    """The registrar granted `expires` seconds. `observed` is the address it saw us at (RFC 3581), if it said so."""

    registration: "Registration"
    expires: int
    observed: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRefused:
    """The registrar refused, in its own words, or did not answer (408). `hint` is the likely cause and its cure.

    We try again in `retry_after` seconds.
    """

    registration: "Registration"
    code: int
    reason: str
    hint: str
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationEnded:
    """`unregister` is through: the binding is removed, or the registrar would not hear of it."""

    registration: "Registration"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerTurnedAway:
    """The first request from an address that may not ring. `cure` is the line of sip.conf that would let it in."""

    source: Address
    method: str
    verdict: "Verdict"
    cure: str


Output = (
    Send
    | Invited
    | Acknowledged
    | ReOffered
    | ReAnswered
    | OfferDue
    | ReofferAnswered
    | ReofferRefused
    | KeyPressed
    | TextReceived
    | Progress
    | Answered
    | Refused
    | Cancelled
    | Ended
    | ReferAnswered
    | ReferProgressed
    | ReferReceived
    | RegistrationSucceeded
    | RegistrationRefused
    | RegistrationEnded
    | CallerTurnedAway
)
