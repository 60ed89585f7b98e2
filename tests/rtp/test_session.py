"""An RTP session: what leaves is numbered, what arrives is judged, both are reported (RFC 3550)."""

from itertools import pairwise

import pytest

from sipagent.rtp import rtcp
from sipagent.rtp.packet import RtpPacket, build, parse
from sipagent.rtp.rtcp import Goodbye, ReceiverReport, ReportBlock, SenderReport, SourceDescription
from sipagent.rtp.session import RtpSession
from tests.rtp.hearing import hear

SOUND = b"\xff" * 160
WALL = 1_700_000_000.0
PEER = 0xBEEF


def session(sequence: int = 1000, timestamp: int = 5000, now: float = 0.0) -> RtpSession:
    return RtpSession(ssrc=0xCAFE, sequence=sequence, timestamp=timestamp, cname="us@host", now=now)


def from_peer(sequence: int, *, ssrc: int = PEER, timestamp: int | None = None, payload_type: int = 0) -> bytes:
    sent = sequence * 160 if timestamp is None else timestamp
    return build(payload_type, sequence & 0xFFFF, sent & 0xFFFFFFFF, ssrc, SOUND)


def sent(datagram: bytes) -> tuple[int, int, bool]:
    """Sequence number, timestamp and marker of what left."""
    packet = parse(datagram)
    assert packet is not None
    return packet.sequence, packet.timestamp, packet.marker


def received(us: RtpSession, *datagrams: bytes) -> list[int | None]:
    """The extended sequence numbers of what we take, None for what we drop."""
    packets = [hear(us, datagram, index * 0.02, {0, 8}) for index, datagram in enumerate(datagrams)]
    return [packet.sequence if packet else None for packet in packets]


# ---- what leaves


def test_a_packet_byte_by_byte() -> None:
    datagram = session().send(b"\xff\xfe", payload_type=8, samples=160, marker=True)
    assert datagram == bytes.fromhex("80 88 03e8 00001388 0000cafe fffe")


def test_each_packet_moves_sequence_and_timestamp_on() -> None:
    us = session()
    assert [sent(us.send(SOUND, 0, 160)) for _ in range(3)] == [
        (1000, 5000, False),
        (1001, 5160, False),
        (1002, 5320, False),
    ]
    assert us.next_sequence == 1003


def test_both_wrap() -> None:
    us = session(sequence=65535, timestamp=0xFFFFFFFF - 79)
    assert [sent(us.send(SOUND, 0, 160))[:2] for _ in range(2)] == [(65535, 0xFFFFFFFF - 79), (0, 80)]
    assert us.next_sequence == 65537


def test_a_gap_moves_only_the_timestamp() -> None:
    us = session()
    us.send(SOUND, 0, 160)
    us.advance(1600)
    assert sent(us.send(SOUND, 0, 160, marker=True)) == (1001, 5000 + 160 + 1600, True)


def test_an_event_keeps_the_timestamp_of_its_beginning_while_time_goes_on() -> None:
    us = session()
    us.send(SOUND, 0, 160)
    us.begin_event()
    event = [sent(us.send_event(b"\x01\x0a\x00\xa0", 101, 160, marker=first)) for first in (True, False, False)]
    after = sent(us.send(SOUND, 0, 160))
    assert event == [(1001, 5160, True), (1002, 5160, False), (1003, 5160, False)]
    assert after == (1004, 5640, False)


# ---- what arrives


def test_a_packet_comes_out_with_its_extended_sequence_number() -> None:
    us = session()
    hear(us, from_peer(65535), 0.0, {0})
    assert hear(us, from_peer(65536), 0.02, {0}) == RtpPacket(0, False, 65536, 65536 * 160, PEER, SOUND)


@pytest.mark.parametrize("datagram", [b"", b"\x00", b"hello, is this a phone?", bytes(12), from_peer(1)[:11]])
def test_what_is_no_rtp_is_counted_and_dropped(datagram: bytes) -> None:
    us = session()
    assert received(us, datagram) == [None]
    assert us.statistics().malformed == 1


def test_a_payload_type_that_nobody_negotiated_has_no_effect() -> None:
    us = session()
    assert received(us, from_peer(1), from_peer(500, ssrc=9, payload_type=116), from_peer(2)) == [1, None, 2]
    assert (us.statistics().unexpected, us.statistics().sources) == (1, 1)


def test_a_duplicate_is_dropped() -> None:
    us = session()
    assert received(us, from_peer(1), from_peer(2), from_peer(2)) == [1, 2, None]
    assert us.statistics().duplicates == 1


def test_a_stray_stream_beside_the_call_never_gets_in() -> None:
    us = session()
    stray = [from_peer(n, ssrc=9) for n in (100, 101, 102)]
    call = [from_peer(n) for n in (2, 3, 4)]
    assert received(us, from_peer(1), stray[0], call[0], stray[1], call[1], stray[2], call[2]) == [
        1,
        *(None, 2),
        *(None, 3),
        *(None, 4),
    ]


def test_a_new_source_proves_itself_with_two_packets_and_goes_on_a_cycle_further() -> None:
    us = session()
    heard = received(us, from_peer(7), *(from_peer(n, ssrc=9) for n in (100, 101, 102)))
    assert heard == [7, None, 0x20000 + 101, 0x20000 + 102]
    assert us.statistics().sources == 2


def test_a_restarted_source_does_so_too() -> None:
    us = session()
    assert received(us, from_peer(7), *(from_peer(n) for n in (30000, 30001))) == [7, None, 0x20000 + 30001]


def test_a_single_leap_is_dropped() -> None:
    us = session()
    assert received(us, from_peer(7), from_peer(30000), from_peer(8), from_peer(30001)) == [7, None, 8, None]


def test_the_sums_survive_a_change_of_source() -> None:
    us = session()
    received(us, *(from_peer(n) for n in (1, 2, 4)), *(from_peer(n, ssrc=9) for n in (10, 11, 13)))
    statistics = us.statistics()
    assert (statistics.packets_received, statistics.lost) == (5, 2)


# ---- reports


def test_reports_are_due_after_half_an_interval_and_then_after_intervals_drawn_anew() -> None:
    us, times = session(now=100.0), [100.0]
    for _ in range(20):
        times.append(us.next_timer())
        us.report(times[-1], WALL)
    first, *intervals = (after - before for before, after in pairwise(times))
    assert 1.25 <= first < 3.75
    assert all(2.5 <= interval < 7.5 for interval in intervals)
    assert len(set(intervals)) == len(intervals)


def test_who_has_sent_nothing_sends_a_receiver_report_with_its_cname() -> None:
    assert rtcp.parse_compound(session().report(5.0, WALL)) == [
        ReceiverReport(ssrc=0xCAFE),
        SourceDescription(cnames=((0xCAFE, "us@host"),)),
    ]


def test_who_sends_reports_what_and_when() -> None:
    us = session()
    us.send(SOUND, 0, 160)
    us.send(SOUND, 0, 160)
    reports = rtcp.parse_compound(us.report(5.0, WALL)) or []
    assert reports[0] == SenderReport(
        ssrc=0xCAFE, ntp_time=rtcp.ntp_time(WALL), rtp_timestamp=5160, packet_count=2, octet_count=320
    )


def test_a_report_names_the_timestamp_of_the_packet_that_leaves_with_it() -> None:
    us = session()
    us.advance(3 * 160)
    _, leaving, _ = sent(us.send(SOUND, 0, 160))
    with_it, *_ = rtcp.parse_compound(us.report(5.0, WALL)) or []
    last, *_ = rtcp.parse_compound(us.bye(5.02, WALL + 0.02)) or []
    assert isinstance(with_it, SenderReport)
    assert isinstance(last, SenderReport)
    assert (with_it.rtp_timestamp, last.rtp_timestamp) == (leaving, leaving + 160)


def test_who_has_fallen_silent_goes_back_to_receiver_reports() -> None:
    us = session()
    us.send(SOUND, 0, 160)
    kinds = []
    for number in range(4):
        report, *_ = rtcp.parse_compound(us.report(5.0 * number, WALL + 5 * number)) or []
        kinds.append(type(report))
    assert kinds == [SenderReport, SenderReport, ReceiverReport, ReceiverReport]


def test_what_we_heard_is_reported_with_the_age_of_the_peers_report() -> None:
    us = session()
    received(us, *(from_peer(n) for n in (1, 2, 4, 5)))
    peer = SenderReport(ssrc=PEER, ntp_time=0x12345678_9ABCDEF0, rtp_timestamp=0, packet_count=4, octet_count=640)
    us.receive_rtcp(rtcp.serialise([peer]), now=4.0)
    reports = rtcp.parse_compound(us.report(5.5, WALL)) or []
    assert reports[0] == ReceiverReport(
        ssrc=0xCAFE,
        blocks=(
            ReportBlock(
                ssrc=PEER,
                fraction_lost=51,
                cumulative_lost=1,
                highest_sequence=5,
                jitter=9,
                last_report=0x56789ABC,
                delay=98304,
            ),
        ),
    )


def test_the_report_of_a_stranger_does_not_stand_for_the_peers() -> None:
    us = session()
    received(us, from_peer(1))
    for ssrc, ntp in ((PEER, 0x10000), (9, 0x20000)):
        report = SenderReport(ssrc=ssrc, ntp_time=ntp, rtp_timestamp=0, packet_count=1, octet_count=160)
        us.receive_rtcp(rtcp.serialise([report]), now=4.0)
    reports = rtcp.parse_compound(us.report(5.0, WALL)) or []
    assert isinstance(reports[0], ReceiverReport)
    assert [block.last_report for block in reports[0].blocks] == [1]


def test_a_source_that_fell_silent_is_left_out() -> None:
    us = session()
    received(us, from_peer(1))
    us.report(5.0, WALL)
    reports = rtcp.parse_compound(us.report(10.0, WALL + 5)) or []
    assert reports[0] == ReceiverReport(ssrc=0xCAFE)


def test_goodbye_is_said_in_the_last_report() -> None:
    reports = rtcp.parse_compound(session().bye(5.0, WALL)) or []
    assert reports == [
        ReceiverReport(ssrc=0xCAFE),
        SourceDescription(cnames=((0xCAFE, "us@host"),)),
        Goodbye(ssrcs=(0xCAFE,)),
    ]


def test_who_has_sent_nothing_is_known_to_nobody() -> None:
    assert not session().has_sent
    assert speaking(1000, packets=1).has_sent
    listening = session()
    listening.report(5.0, WALL)
    assert listening.has_sent


# ---- what the peer reports


def about_us(highest_sequence: int, *, ssrc: int = 0xCAFE, last_report: int = 0, delay: int = 0) -> bytes:
    block = ReportBlock(
        ssrc=ssrc,
        fraction_lost=128,
        cumulative_lost=3,
        highest_sequence=highest_sequence,
        jitter=80,
        last_report=last_report,
        delay=delay,
    )
    return rtcp.serialise([ReceiverReport(ssrc=PEER, blocks=(block,))])


def speaking(sequence: int, packets: int) -> RtpSession:
    us = session(sequence=sequence)
    for _ in range(packets):
        us.send(SOUND, 0, 160)
    return us


def test_nothing_is_acknowledged_before_a_report() -> None:
    us = speaking(1000, packets=3)
    assert us.acknowledged_sequence is None
    assert us.statistics().round_trip is None


@pytest.mark.parametrize(
    ("first", "reported", "acknowledged"),
    [
        (1000, 1009, 1009),
        (1000, 1004, 1004),
        (65530, 65533, 65533),
        (65530, 0x10002, 0x10002),
        (65530, 0x00002, 0x10002),
        (65530, 0x70002, 0x10002),
        (1000, 999, None),
        (1000, 1010, None),
        (1000, 0, None),
    ],
    ids=[
        "all",
        "some",
        "before the wrap",
        "after the wrap",
        "a peer that came after the wrap",
        "a peer that counts other cycles",
        "before our first",
        "after our last",
        "an empty report",
    ],
)
def test_the_peers_highest_number_is_put_on_our_scale(first: int, reported: int, acknowledged: int | None) -> None:
    us = speaking(first, packets=10)
    us.receive_rtcp(about_us(reported), now=1.0)
    assert us.acknowledged_sequence == acknowledged


def test_an_older_report_takes_nothing_back() -> None:
    us = speaking(1000, packets=10)
    us.receive_rtcp(about_us(1008), now=1.0)
    us.receive_rtcp(about_us(1003), now=1.1)
    assert us.acknowledged_sequence == 1008


def test_a_report_about_somebody_else_is_not_about_us() -> None:
    us = speaking(1000, packets=10)
    us.receive_rtcp(about_us(1008, ssrc=5), now=1.0)
    assert us.acknowledged_sequence is None
    assert us.statistics().remote_lost is None


def test_the_round_trip_is_what_remains_without_the_peers_delay() -> None:
    us = speaking(1000, packets=10)
    reports = rtcp.parse_compound(us.report(5.0, WALL)) or []
    assert isinstance(reports[0], SenderReport)
    us.receive_rtcp(about_us(1009, last_report=reports[0].middle, delay=32768), now=5.58)
    assert us.statistics().round_trip == pytest.approx(0.08)


def test_what_the_peer_lost_is_in_the_statistics() -> None:
    us = speaking(1000, packets=10)
    us.receive_rtcp(about_us(1009), now=1.0)
    statistics = us.statistics()
    assert (statistics.remote_lost, statistics.remote_fraction_lost, statistics.remote_jitter) == (3, 0.5, 0.01)


def test_a_malformed_report_is_counted() -> None:
    us = session()
    assert us.receive_rtcp(b"\x80\xc9\x00", now=1.0) is None
    assert us.statistics().malformed == 1


def test_two_sessions_measure_each_other() -> None:
    us = RtpSession(ssrc=1, sequence=65500, timestamp=0, cname="us", now=0.0)
    them = RtpSession(ssrc=2, sequence=40, timestamp=0, cname="them", now=0.0)
    for tick in range(100):
        hear(them, us.send(SOUND, 0, 160), tick * 0.02 + 0.03, {0})
        hear(us, them.send(SOUND, 0, 160), tick * 0.02 + 0.03, {0})
    them.receive_rtcp(us.report(2.0, WALL), now=2.03)
    us.receive_rtcp(them.report(3.0, WALL + 1), now=3.03)
    statistics = us.statistics()
    assert us.acknowledged_sequence == 65599
    assert statistics.round_trip == pytest.approx(0.06, abs=1e-4)
    assert (statistics.packets_sent, statistics.packets_received, statistics.lost) == (100, 100, 0)
