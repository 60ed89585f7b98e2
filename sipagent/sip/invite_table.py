"""The states of an INVITE dialog usage, called or calling, as a table (RFC 3261 sections 9, 13, 14 and 15)."""

from collections.abc import Mapping
from enum import Enum


class SessionState(Enum):
    INVITED = "invited"
    PROMISED = "promised"
    ACCEPTED = "accepted"
    LEAVING = "leaving"
    CALLING = "calling"
    EARLY = "early"
    WITHDRAWING = "withdrawing"
    CANCELLING = "cancelling"
    ESTABLISHED = "established"
    ENDING = "ending"
    ENDED = "ended"


class SessionInput(Enum):
    """What the driver asks, what the far end sends, and what runs out."""

    RING = "ring"
    ACCEPT = "accept"
    REJECT = "reject"
    HANG_UP = "hang up"
    CANCEL = "CANCEL"
    ACK = "ACK"
    PROMISE = "accept, before the PRACK of our SDP"
    PRACK = "PRACK"
    BYE = "BYE"
    INVITE = "re-INVITE"
    UPDATE = "UPDATE, or PRACK, with an offer"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    AMENDED = "a refusal that another INVITE may meet"
    LOST = "481, 408 or nothing to a request of ours"
    EXPIRED = "the session timer ran out"
    NO_ACK = "no ACK for 64*T1"
    NO_PRACK = "no PRACK for 64*T1"
    NO_FINAL = "no final response 64*T1 after CANCEL"
    BYE_DONE = "BYE answered"


class Action(Enum):
    SEND_PROVISIONAL = "send 1xx"
    SEND_SUCCESS = "send 2xx"
    SEND_FAILURE = "send a failure"
    SEND_CANCEL = "send CANCEL"
    SEND_BYE = "send BYE"
    ABANDON = "forget the INVITE"
    SEND_INVITE = "send INVITE as amended"
    CONFIRM = "make the dialog, send ACK"
    REPORT_ACKNOWLEDGED = "Acknowledged"
    REPORT_REANSWERED = "ReAnswered, if we had made the offer"
    REPORT_OFFER = "ReOffered"
    REPORT_PROGRESS = "Progress"
    REPORT_ANSWERED = "Answered"
    REPORT_REFUSED = "Refused"
    REPORT_CANCELLED = "Cancelled"
    REPORT_ENDED = "Ended"


_S, _I, _A = SessionState, SessionInput, Action

SESSION: Mapping[tuple[SessionState, SessionInput], tuple[SessionState, tuple[Action, ...]]] = {
    (_S.INVITED, _I.RING): (_S.INVITED, (_A.SEND_PROVISIONAL,)),
    (_S.INVITED, _I.ACCEPT): (_S.ACCEPTED, (_A.SEND_SUCCESS,)),
    (_S.INVITED, _I.REJECT): (_S.ENDED, (_A.SEND_FAILURE,)),
    (_S.INVITED, _I.HANG_UP): (_S.ENDED, (_A.SEND_FAILURE,)),
    (_S.INVITED, _I.CANCEL): (_S.ENDED, (_A.SEND_FAILURE, _A.REPORT_CANCELLED)),
    (_S.INVITED, _I.BYE): (_S.ENDED, (_A.SEND_FAILURE, _A.REPORT_CANCELLED)),
    (_S.INVITED, _I.PRACK): (_S.INVITED, (_A.REPORT_REANSWERED,)),
    (_S.INVITED, _I.UPDATE): (_S.INVITED, (_A.REPORT_OFFER,)),
    (_S.INVITED, _I.NO_PRACK): (_S.ENDED, (_A.SEND_FAILURE, _A.REPORT_CANCELLED)),
    # No 2xx may leave while the SDP of a 1xx has not been acknowledged (RFC 3262 section 5).
    (_S.INVITED, _I.PROMISE): (_S.PROMISED, ()),
    (_S.PROMISED, _I.PRACK): (_S.ACCEPTED, (_A.REPORT_REANSWERED, _A.SEND_SUCCESS)),
    (_S.PROMISED, _I.NO_PRACK): (_S.ENDED, (_A.SEND_FAILURE, _A.REPORT_CANCELLED)),
    (_S.PROMISED, _I.CANCEL): (_S.ENDED, (_A.SEND_FAILURE, _A.REPORT_CANCELLED)),
    (_S.PROMISED, _I.BYE): (_S.ENDED, (_A.SEND_FAILURE, _A.REPORT_CANCELLED)),
    (_S.PROMISED, _I.HANG_UP): (_S.ENDED, (_A.SEND_FAILURE,)),
    (_S.ACCEPTED, _I.ACK): (_S.ESTABLISHED, (_A.REPORT_ACKNOWLEDGED,)),
    (_S.ACCEPTED, _I.UPDATE): (_S.ACCEPTED, (_A.REPORT_OFFER,)),
    (_S.ACCEPTED, _I.BYE): (_S.ENDED, (_A.REPORT_ENDED,)),
    # A callee may not send BYE before the ACK has come or is past hope (section 15).
    (_S.ACCEPTED, _I.HANG_UP): (_S.LEAVING, (_A.REPORT_ENDED,)),
    (_S.ACCEPTED, _I.NO_ACK): (_S.ENDING, (_A.SEND_BYE, _A.REPORT_ENDED)),
    (_S.LEAVING, _I.ACK): (_S.ENDING, (_A.SEND_BYE,)),
    (_S.LEAVING, _I.NO_ACK): (_S.ENDING, (_A.SEND_BYE,)),
    (_S.LEAVING, _I.BYE): (_S.ENDED, ()),
    (_S.CALLING, _I.PROVISIONAL): (_S.EARLY, (_A.REPORT_PROGRESS,)),
    (_S.CALLING, _I.SUCCESS): (_S.ESTABLISHED, (_A.CONFIRM, _A.REPORT_ANSWERED)),
    (_S.CALLING, _I.FAILURE): (_S.ENDED, (_A.REPORT_REFUSED,)),
    (_S.CALLING, _I.AMENDED): (_S.CALLING, (_A.SEND_INVITE,)),
    # CANCEL waits for a first provisional response (section 9.1).
    (_S.CALLING, _I.HANG_UP): (_S.WITHDRAWING, ()),
    (_S.EARLY, _I.PROVISIONAL): (_S.EARLY, (_A.REPORT_PROGRESS,)),
    (_S.EARLY, _I.SUCCESS): (_S.ESTABLISHED, (_A.CONFIRM, _A.REPORT_ANSWERED)),
    (_S.EARLY, _I.FAILURE): (_S.ENDED, (_A.REPORT_REFUSED,)),
    (_S.EARLY, _I.AMENDED): (_S.CALLING, (_A.SEND_INVITE,)),
    (_S.EARLY, _I.UPDATE): (_S.EARLY, (_A.REPORT_OFFER,)),
    (_S.EARLY, _I.HANG_UP): (_S.CANCELLING, (_A.SEND_CANCEL,)),
    (_S.WITHDRAWING, _I.PROVISIONAL): (_S.CANCELLING, (_A.SEND_CANCEL,)),
    (_S.WITHDRAWING, _I.SUCCESS): (_S.ENDING, (_A.CONFIRM, _A.SEND_BYE, _A.REPORT_CANCELLED)),
    (_S.WITHDRAWING, _I.FAILURE): (_S.ENDED, (_A.REPORT_CANCELLED,)),
    (_S.CANCELLING, _I.SUCCESS): (_S.ENDING, (_A.CONFIRM, _A.SEND_BYE, _A.REPORT_CANCELLED)),
    (_S.CANCELLING, _I.FAILURE): (_S.ENDED, (_A.REPORT_CANCELLED,)),
    (_S.CANCELLING, _I.NO_FINAL): (_S.ENDED, (_A.ABANDON, _A.REPORT_CANCELLED)),
    (_S.ESTABLISHED, _I.INVITE): (_S.ESTABLISHED, (_A.REPORT_OFFER,)),
    (_S.ESTABLISHED, _I.UPDATE): (_S.ESTABLISHED, (_A.REPORT_OFFER,)),
    (_S.ESTABLISHED, _I.ACK): (_S.ESTABLISHED, (_A.REPORT_REANSWERED,)),
    (_S.ESTABLISHED, _I.BYE): (_S.ENDED, (_A.REPORT_ENDED,)),
    (_S.ESTABLISHED, _I.HANG_UP): (_S.ENDING, (_A.SEND_BYE, _A.REPORT_ENDED)),
    (_S.ESTABLISHED, _I.NO_ACK): (_S.ENDING, (_A.SEND_BYE, _A.REPORT_ENDED)),
    (_S.ESTABLISHED, _I.LOST): (_S.ENDING, (_A.SEND_BYE, _A.REPORT_ENDED)),
    (_S.ESTABLISHED, _I.EXPIRED): (_S.ENDING, (_A.SEND_BYE, _A.REPORT_ENDED)),
    (_S.ENDING, _I.BYE): (_S.ENDED, ()),
    (_S.ENDING, _I.BYE_DONE): (_S.ENDED, ()),
}
"""(state, input): (state, actions). What it does not name is absorbed, or, asked by the driver, an error."""
