"""RTCP: we report, the peer's reports say what was heard, and strangers' say nothing."""

import pytest

from sipagent.media import SpeechCleared
from sipagent.rtp import rtcp
from sipagent.rtp.rtcp import Goodbye, ReceiverReport, ReportBlock, SenderReport, SourceDescription
from tests.media.desk import PEER, PEER_RTCP, Desk, Ear, Peer, frame, settings


def receiver_report(highest: int, *, about: int = 0x5EED) -> bytes:
    block = ReportBlock(
        ssrc=about, fraction_lost=0, cumulative_lost=0, highest_sequence=highest, jitter=0, last_report=0, delay=0
    )
    return rtcp.serialise([ReceiverReport(ssrc=9, blocks=(block,)), SourceDescription(cnames=((9, "peer"),))])


def test_sender_reports_leave_about_every_five_seconds() -> None:
    desk, peer = Desk(), Peer()
    desk.open(wall_offset=1.7e9)
    for n in range(1500):
        desk.arrive(peer.say(frame(n)))
        desk.step()
    assert 3 <= len(desk.reports) <= 12
    for departure in desk.reports:
        assert departure.destination == PEER_RTCP
        parts = rtcp.parse_compound(departure.data)
        assert parts is not None
        report, description = parts
        assert isinstance(report, SenderReport)
        assert report.blocks[0].ssrc == peer.ssrc
        assert isinstance(description, SourceDescription)
        assert description.cnames == ((0x5EED, "desk"),)


def test_a_leg_that_only_listens_sends_receiver_reports() -> None:
    desk = Desk()
    desk.open(media=settings(sends=False))
    desk.step(500)
    parts = rtcp.parse_compound(desk.reports[0].data)
    assert parts is not None
    assert isinstance(parts[0], ReceiverReport)


def test_a_leg_says_goodbye_if_it_has_ever_sent() -> None:
    silent, speaking = Desk(), Desk()
    silent.open(media=settings(sends=False)).close()
    silent.step()
    leg = speaking.open()
    speaking.step()
    leg.close()
    speaking.step()
    assert silent.reports == []
    parts = rtcp.parse_compound(speaking.reports[-1].data)
    assert parts is not None
    assert parts[-1] == Goodbye(ssrcs=(0x5EED,))


@pytest.mark.parametrize("kind", ["rtcp", "rtp"])
def test_what_the_peer_got_is_known_by_its_reports(kind: str) -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open(sequence=65530)
    leg.speak(b"".join(frame(n) for n in range(100)), listener=ear)
    desk.step(20)
    desk.arrive(receiver_report((65530 + 11) % 65536 + 65536), kind=kind)
    desk.step(5)
    leg.drop_speech()
    desk.step()
    assert ear.reports == [(25 * 160, 12 * 160)]


def test_an_old_report_takes_nothing_back() -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open()
    leg.speak(frame(0) * 100, listener=ear)
    desk.step(20)
    for highest in (15, 10):
        desk.arrive(receiver_report(highest), kind="rtcp")
        desk.step()
    leg.drop_speech()
    desk.step()
    assert ear.reports == [(22 * 160, 15 * 160)]


def test_a_peer_whose_reports_stop_to_confirm_has_not_heard_what_left_since() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) * 1000)
    for highest in (40, 90):
        desk.step(50)
        desk.arrive(receiver_report(highest), kind="rtcp")
    desk.step(100)
    desk.arrive(receiver_report(90), kind="rtcp")
    desk.step(20)
    leg.drop_speech()
    desk.step()
    (cleared,) = desk.happened(SpeechCleared)
    assert cleared.unheard
    assert cleared.acknowledged_until == 90 * 160
    assert cleared.sent_until > 200 * 160


@pytest.mark.parametrize(
    "reported",
    [(40, 90, 195), (90, 90, 90), (), (40, 90)],
    ids=["it confirms", "it has always said the same", "it never reports", "it reports no more"],
)
def test_what_is_not_confirmed_was_heard_unless_the_peer_says_otherwise(reported: tuple[int, ...]) -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) * 1000)
    desk.step(100)
    for highest in reported:
        desk.arrive(receiver_report(highest), kind="rtcp")
        desk.step(50)
    leg.drop_speech()
    desk.step()
    assert not desk.happened(SpeechCleared)[0].unheard


def test_a_strangers_report_confirms_nothing() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) * 100)
    desk.step(20)
    desk.arrive(receiver_report(15), kind="rtcp", source=("203.0.113.66", 7001))
    desk.arrive(receiver_report(15, about=0xBAD), kind="rtcp")
    desk.step()
    leg.drop_speech()
    desk.step()
    assert desk.happened(SpeechCleared)[0].acknowledged_until == 0


def test_reports_follow_the_caller_through_its_nat() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    desk.arrive(peer.say(frame(0)), source=("203.0.113.5", 31000))
    desk.step(400)
    assert desk.reports[-1].destination == ("203.0.113.5", 31001)
    desk.arrive(receiver_report(2), kind="rtcp", source=("203.0.113.5", 44444))
    desk.step(400)
    assert desk.reports[-1].destination == ("203.0.113.5", 44444)


def test_the_end_of_a_call_says_bye() -> None:
    desk = Desk()
    leg = desk.open()
    desk.step(10)
    leg.close()
    desk.step(3)
    (report,) = desk.reports
    parts = rtcp.parse_compound(report.data)
    assert parts is not None
    assert isinstance(parts[-1], Goodbye)
    assert len([one for one in desk.sent if one.destination == PEER]) == 10
