"""Whose offer is in the air (RFC 3264 section 4): every step from every state."""

import itertools

import pytest

from sipagent.sip.negotiation import Negotiation, Pending, Step

REACHED = {
    Pending.NOBODY: [],
    Pending.OURS: [Step.OFFER_SENT],
    Pending.THEIRS: [Step.OFFER_RECEIVED],
}
AFTER = {
    (Pending.NOBODY, Step.OFFER_SENT): Pending.OURS,
    (Pending.NOBODY, Step.OFFER_RECEIVED): Pending.THEIRS,
    (Pending.OURS, Step.ANSWER_RECEIVED): Pending.NOBODY,
    (Pending.OURS, Step.DROPPED): Pending.NOBODY,
    (Pending.THEIRS, Step.ANSWER_SENT): Pending.NOBODY,
    (Pending.THEIRS, Step.DROPPED): Pending.NOBODY,
}


@pytest.mark.parametrize(("pending", "step"), list(itertools.product(Pending, Step)))
def test_each_step(pending: Pending, step: Step) -> None:
    negotiation = Negotiation()
    for earlier in REACHED[pending]:
        negotiation.take(earlier)
    negotiation.take(step)
    assert negotiation.pending is AFTER.get((pending, step), pending)
    assert negotiation.is_quiet is (negotiation.pending is Pending.NOBODY)


def test_an_offer_that_meets_another_is_refused() -> None:
    negotiation = Negotiation()
    assert negotiation.collision is None
    negotiation.take(Step.OFFER_SENT)
    assert negotiation.collision == 491
    negotiation.take(Step.ANSWER_RECEIVED)
    negotiation.take(Step.OFFER_RECEIVED)
    assert negotiation.collision == 500


def test_what_was_only_refused_settles_nothing() -> None:
    negotiation = Negotiation()
    negotiation.take(Step.OFFER_SENT)
    negotiation.take(Step.DROPPED)
    negotiation.take(Step.ANSWER_RECEIVED)
    assert not negotiation.is_settled
    negotiation.take(Step.OFFER_RECEIVED)
    negotiation.take(Step.ANSWER_SENT)
    assert negotiation.is_settled
