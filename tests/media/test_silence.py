"""How long a peer may be silent: the RTP time-out knows hold, announced silence, and a peer that still reports."""

import pytest

from sipagent.media import RtpTimeout
from sipagent.rtp.rtcp import ReceiverReport, serialise
from tests.media.desk import PEER, Desk, Peer, frame, settings

TIMEOUT = 5.0
SECOND = 50
"""Ticks."""


def silent(desk: Desk) -> bool:
    """Whether the time-out was told."""
    return bool(desk.happened(RtpTimeout))


def talking() -> tuple[Desk, Peer]:
    desk, peer = Desk(), Peer()
    desk.open(rtp_timeout=TIMEOUT)
    for number in range(10):
        desk.arrive(peer.say(frame(number)))
        desk.step()
    return desk, peer


def test_a_peer_that_is_gone_is_told_of_after_the_timeout() -> None:
    desk, _ = talking()
    desk.step(round(4.9 * SECOND))
    assert not silent(desk)
    desk.step(round(0.2 * SECOND))
    assert silent(desk)


@pytest.mark.parametrize("kind", ["rtcp", "rtp"])
def test_a_peer_that_still_reports_may_be_silent(kind: str) -> None:
    desk, _ = talking()
    for _ in range(10):
        desk.step(2 * SECOND)
        desk.arrive(serialise([ReceiverReport(ssrc=9)]), kind=kind, source=PEER if kind == "rtp" else None)
    assert not silent(desk)
    desk.step(6 * SECOND)
    assert silent(desk)


def test_a_strangers_report_is_no_sign_of_life() -> None:
    desk, _ = talking()
    for _ in range(6):
        desk.step(SECOND)
        desk.arrive(serialise([ReceiverReport(ssrc=9)]), kind="rtcp", source=("203.0.113.9", 7001))
    assert silent(desk)


def test_a_silence_that_was_announced_may_last_five_times_as_long() -> None:
    desk, peer = talking()
    desk.arrive(peer.say(b"\x46", payload_type=13))
    desk.step(24 * SECOND)
    assert not silent(desk)
    desk.step(2 * SECOND)
    assert silent(desk)


def test_speech_after_an_announced_silence_is_waited_for_as_before() -> None:
    desk, peer = talking()
    desk.arrive(peer.say(b"\x46", payload_type=13))
    desk.step(10 * SECOND)
    desk.arrive(peer.say(frame(1), marker=True))
    desk.step(6 * SECOND)
    assert silent(desk)


def test_who_holds_us_need_not_play_music() -> None:
    desk, _ = talking()
    desk.legs[1].set_media(settings(sends=False, held=True))
    desk.step(60 * SECOND)
    assert not silent(desk)


def test_after_a_hold_speech_is_waited_for_from_its_end() -> None:
    desk, _ = talking()
    desk.legs[1].set_media(settings(sends=False, held=True))
    desk.step(60 * SECOND)
    desk.legs[1].set_media(settings())
    desk.step(4 * SECOND)
    assert not silent(desk)
    desk.step(2 * SECOND)
    assert silent(desk)
