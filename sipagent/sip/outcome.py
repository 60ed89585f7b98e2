"""What a failed call means, from its code (RFC 3261 section 21)."""

from sipagent.errors import Outcome

_MEANINGS = {
    Outcome.BUSY: (486, 600),
    Outcome.DECLINED: (603, 607, 608),
    Outcome.UNAVAILABLE: (480, 430, 503),
    Outcome.NOT_FOUND: (404, 410, 414, 416, 484, 485, 604),
    Outcome.FORBIDDEN: (401, 402, 403, 407, 433),
    Outcome.NO_ANSWER: (408,),
    Outcome.CANCELLED: (487,),
    Outcome.INCOMPATIBLE_MEDIA: (415, 488, 606),
}
_BY_CODE = {code: outcome for outcome, codes in _MEANINGS.items() for code in codes}


def outcome_of(code: int) -> Outcome:
    """What a final response to our INVITE means; any other code is a server that cannot do what we want of it."""
    if 300 <= code < 400:
        return Outcome.REDIRECTED
    return _BY_CODE.get(code, Outcome.SERVER_ERROR)
