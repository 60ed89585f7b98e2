"""The source latch: whose packets count, and where ours go (RFC 4961)."""

import pytest

from sipagent.rtp.source import LOCK_AFTER, SILENCE, SourceLatch

NAMED = ("10.0.0.5", 30000)
"""What the SDP says."""
REAL = ("203.0.113.9", 61000)
"""Where the NAT sends from."""
OTHER = ("198.51.100.66", 4000)


def hear(latch: SourceLatch, source: tuple[str, int], *, packets: int = 1, now: float = 0.0) -> bool:
    """Let packets come; whether the last one counts."""
    return [latch.accept(source, now) for _ in range(packets)][-1]


def locked(source: tuple[str, int] = REAL) -> SourceLatch:
    latch = SourceLatch(NAMED)
    hear(latch, source, packets=LOCK_AFTER)
    return latch


def test_ours_go_where_the_sdp_says_until_something_comes() -> None:
    latch = SourceLatch(NAMED)
    assert (latch.destination, latch.latched) == (NAMED, None)
    assert SourceLatch().destination is None


def test_the_first_who_sends_rtp_is_answered() -> None:
    latch = SourceLatch(NAMED)
    assert hear(latch, REAL)
    assert (latch.destination, latch.latched) == (REAL, REAL)


def test_a_second_source_is_foreign() -> None:
    latch = SourceLatch(NAMED)
    hear(latch, REAL)
    assert not hear(latch, OTHER)
    assert (latch.destination, latch.foreign) == (REAL, 1)


def test_the_address_of_the_sdp_takes_over_before_the_lock() -> None:
    latch = SourceLatch(NAMED)
    hear(latch, OTHER, packets=LOCK_AFTER - 1)
    assert hear(latch, NAMED)
    assert latch.destination == NAMED


def test_nobody_takes_over_after_the_lock() -> None:
    latch = locked()
    assert not hear(latch, NAMED)
    assert not hear(latch, OTHER)
    assert (latch.destination, latch.foreign) == (REAL, 2)


def test_a_locked_source_that_fell_silent_is_replaced() -> None:
    latch = locked()
    assert not hear(latch, OTHER, now=SILENCE)
    assert hear(latch, OTHER, now=SILENCE + 0.02)
    assert latch.destination == OTHER


def test_a_reinvite_to_the_same_address_changes_nothing() -> None:
    latch = locked()
    latch.rearm(NAMED)
    assert not hear(latch, OTHER)
    assert latch.destination == REAL


@pytest.mark.parametrize("nowhere", [("0.0.0.0", 30000), ("::", 30000), ("10.0.0.5", 0)])
def test_hold_leaves_the_source_where_it_was(nowhere: tuple[str, int]) -> None:
    latch = locked()
    latch.rearm(nowhere)
    assert latch.destination == REAL
    latch.rearm(NAMED)
    assert latch.destination == REAL


def test_a_reinvite_that_moves_the_media_sends_ours_there_at_once() -> None:
    latch = locked()
    latch.rearm(OTHER)
    assert latch.destination == OTHER
    assert hear(latch, OTHER)
    assert not hear(latch, REAL)


def test_packets_under_way_from_before_the_move_count_without_drawing_ours_back() -> None:
    latch = locked()
    latch.rearm(OTHER)
    assert hear(latch, REAL, packets=3)
    assert latch.destination == OTHER


def test_a_source_that_never_moved_is_latched_again() -> None:
    latch = locked()
    latch.rearm(OTHER)
    assert hear(latch, REAL, packets=LOCK_AFTER + 1)
    assert latch.destination == REAL


# ---- who comes to nobody's surprise


def test_a_source_is_locked_after_ten_packets_and_ours_go_there() -> None:
    latch = SourceLatch(NAMED)
    locks = []
    for _ in range(LOCK_AFTER):
        hear(latch, REAL)
        locks.append(latch.is_locked)
    assert locks == [False] * (LOCK_AFTER - 1) + [True]


def test_after_a_move_it_is_not_locked_though_packets_from_before_still_come() -> None:
    latch = locked()
    latch.rearm(OTHER)
    assert not latch.is_locked
    hear(latch, REAL, packets=LOCK_AFTER)
    assert not latch.is_locked, "they came from where we do not send"
    hear(latch, REAL, packets=LOCK_AFTER + 1)
    assert latch.is_locked


def test_packets_that_are_counted_together_lock_and_keep_the_source() -> None:
    latch = SourceLatch(NAMED)
    hear(latch, REAL)
    latch.follow(LOCK_AFTER - 2, now=4.0)
    assert not latch.is_locked
    latch.follow(1, now=5.0)
    assert latch.is_locked
    assert not hear(latch, OTHER, now=5.0 + SILENCE)
    assert hear(latch, OTHER, now=5.02 + SILENCE)
    assert latch.foreign == 1
