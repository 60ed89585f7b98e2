"""Whose offer waits for its answer: never two at once (RFC 3264 section 4, RFC 3311 section 5, RFC 3261 section 14)."""

from collections.abc import Mapping
from enum import Enum


class Pending(Enum):
    """Whose offer is in the air."""

    NOBODY = "nobody's"
    OURS = "ours"
    THEIRS = "theirs"


class Step(Enum):
    OFFER_SENT = "we offer"
    OFFER_RECEIVED = "they offer"
    ANSWER_SENT = "we answer"
    ANSWER_RECEIVED = "they answer"
    DROPPED = "refused, or taken back"


NEGOTIATION: Mapping[tuple[Pending, Step], Pending] = {
    (Pending.NOBODY, Step.OFFER_SENT): Pending.OURS,
    (Pending.NOBODY, Step.OFFER_RECEIVED): Pending.THEIRS,
    (Pending.OURS, Step.ANSWER_RECEIVED): Pending.NOBODY,
    (Pending.OURS, Step.DROPPED): Pending.NOBODY,
    (Pending.THEIRS, Step.ANSWER_SENT): Pending.NOBODY,
    (Pending.THEIRS, Step.DROPPED): Pending.NOBODY,
}
"""(state, step): state. What it does not name changes nothing: an answer that comes twice, in a 183 and in the 200."""

COLLISIONS: Mapping[Pending, int] = {Pending.OURS: 491, Pending.THEIRS: 500}
"""What an offer of theirs gets while another is in the air: RFC 3261 section 14.2, RFC 3311 section 5.2."""


class Negotiation:
    """The offers and answers of one session, in their order."""

    def __init__(self) -> None:
        self.pending = Pending.NOBODY
        self.is_settled = False
        """An offer has been answered: from then on there is something to be changed."""

    def take(self, step: Step) -> None:
        """Take note of an offer or answer that left or came."""
        before, self.pending = self.pending, NEGOTIATION.get((self.pending, step), self.pending)
        answered = step in (Step.ANSWER_SENT, Step.ANSWER_RECEIVED)
        self.is_settled = self.is_settled or (answered and before is not self.pending)

    @property
    def is_quiet(self) -> bool:
        """Whether no offer waits for its answer."""
        return self.pending is Pending.NOBODY

    @property
    def collision(self) -> int | None:
        """The code for an offer that comes now; None where it is welcome."""
        return COLLISIONS.get(self.pending)
