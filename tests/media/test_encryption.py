"""SRTP of a leg: nothing plain on the wire, nothing secret in the trace, and strangers are not heard."""

from sipagent.media import (
    RTCP,
    Latched,
    LegClosed,
    RtpTimeout,
    SrtpKeys,
    StreamSettings,
    TickRecord,
    Unauthentic,
    UplinkBlock,
)
from sipagent.rtp import packet, rtcp
from sipagent.rtp.packet import is_rtcp
from sipagent.rtp.srtp import Srtp
from tests.media.desk import PEER, Desk, Peer, frame, settings


def keys(sending: int, receiving: int) -> SrtpKeys:
    return SrtpKeys(suite="AES_CM_128_HMAC_SHA1_80", sending=bytes([sending]) * 30, receiving=bytes([receiving]) * 30)


def secure(ours: int = 1, theirs: int = 2) -> StreamSettings:
    return settings(keys=keys(ours, theirs))


def phone(theirs: int = 2, ours: int = 1) -> Srtp:
    """The peer's end of it."""
    return Srtp(keys(theirs, ours))


def payloads(desk: Desk, cipher: Srtp) -> list[bytes]:
    """What the peer makes of all that has left."""
    opened = [cipher.open(departure.data) for departure in desk.departures if departure.kind != RTCP]
    return [packet[12:] for packet in opened if packet is not None]


def test_speech_leaves_encrypted_and_reports_do() -> None:
    desk, cipher = Desk(), phone()
    leg = desk.open(media=secure())
    leg.speak(frame(1) + frame(2))
    desk.step(300)
    assert payloads(desk, cipher)[:2] == [frame(1), frame(2)]
    assert all(frame(1) not in departure.data for departure in desk.departures)
    assert rtcp.parse_compound(cipher.open(desk.reports[0].data) or b"") is not None
    leg.close()
    desk.step()
    assert rtcp.parse_compound(cipher.open(desk.reports[-1].data) or b"") is not None


def test_the_peer_is_heard_and_its_reports_count() -> None:
    desk, cipher, peer = Desk(), phone(), Peer()
    desk.open(media=secure(), trace=True)
    for number in range(10):
        desk.arrive(cipher.protect(peer.say(frame(number))))
        desk.step()
    assert frame(5) in desk.uplink()
    report = rtcp.serialise([rtcp.ReceiverReport(ssrc=9, blocks=()), rtcp.SourceDescription(cnames=((9, "peer"),))])
    desk.arrive(cipher.protect(report), kind=RTCP)
    desk.step()
    assert desk.happened(TickRecord)[-1].arrivals[0].data == report


def test_what_is_kept_of_a_tick_is_plain() -> None:
    desk, cipher, peer = Desk(), phone(), Peer()
    desk.open(media=secure(), trace=True).speak(frame(7))
    said = peer.say(frame(3))
    desk.arrive(cipher.protect(said))
    desk.arrive(phone(theirs=9).protect(peer.say(frame(4))))
    desk.step()
    (record,) = desk.happened(TickRecord)
    assert [arrival.data for arrival in record.arrivals] == [said]
    assert [departure.data[12:] for departure in record.departures] == [frame(7)]
    assert desk.departures[0].data[12:] != frame(7)


def test_a_stranger_without_the_key_is_neither_heard_nor_answered() -> None:
    desk, cipher, peer, stranger = Desk(), phone(), Peer(), Peer(ssrc=0xBAD)
    leg = desk.open(media=secure())
    for number in range(100):
        desk.arrive(stranger.say(frame(99)), source=("203.0.113.66", 6666))
        desk.arrive(cipher.protect(peer.say(frame(number % 50))))
        desk.step()
    assert frame(99) not in desk.uplink()
    assert {departure.destination for departure in desk.departures if departure.kind != RTCP} == {PEER}
    assert not desk.happened(Unauthentic)
    assert not desk.happened(Latched)
    leg.close()
    desk.step()
    assert desk.happened(LegClosed)[0].statistics.unauthentic == 100


def test_a_peer_with_another_key_is_told_of_once_and_the_call_times_out() -> None:
    desk, cipher, peer = Desk(), phone(theirs=3), Peer()
    desk.open(media=secure(), rtp_timeout=5.0)
    for number in range(500):
        desk.arrive(cipher.protect(peer.say(frame(number))))
        desk.step()
    assert desk.happened(Unauthentic) == [Unauthentic(leg=1)]
    assert len(desk.happened(RtpTimeout)) == 1
    assert not any(block.voiced for block in desk.happened(UplinkBlock))


def test_numbers_roll_over_in_the_midst_of_speech_both_ways() -> None:
    desk, cipher, peer = Desk(), phone(), Peer(sequence=65530)
    leg = desk.open(media=secure(), sequence=65530)
    leg.speak(b"".join(frame(number) for number in range(20)))
    for number in range(20):
        desk.arrive(cipher.protect(peer.say(frame(number))))
        desk.step()
    desk.step(4)
    assert payloads(desk, cipher)[:20] == [frame(number) for number in range(20)]
    assert all(frame(number) in desk.uplink() for number in range(20))


def test_new_keys_are_in_force_from_one_tick_to_the_next() -> None:
    desk, before, after, peer = Desk(), phone(), phone(theirs=4, ours=1), Peer()
    leg = desk.open(media=secure())
    desk.arrive(before.protect(peer.say(frame(1))))
    desk.step()
    leg.set_media(secure(theirs=4))
    for number in (2, 3, 4, 5):
        desk.arrive(after.protect(peer.say(frame(number))))
        desk.step()
    desk.step(4)
    assert all(frame(number) in desk.uplink() for number in range(1, 6))
    assert len(payloads(desk, before)) == len(desk.sent)


def test_a_stream_that_is_off_for_a_while_keeps_its_keys() -> None:
    desk, cipher = Desk(), phone()
    leg = desk.open(media=secure())
    desk.step(3)
    leg.set_media(settings(remote_port=0, remote_rtcp_port=0, sends=False, receives=False))
    desk.step(3)
    leg.set_media(secure())
    desk.step(3)
    assert len(payloads(desk, cipher)) == len(desk.sent) == 6


def test_a_call_may_go_on_in_the_clear_where_both_want_it() -> None:
    desk = Desk()
    leg = desk.open(media=secure())
    desk.step()
    leg.set_media(settings())
    leg.speak(frame(6))
    desk.step()
    assert desk.sent[-1].packet.payload == frame(6)


def test_reports_leave_by_the_port_of_rtp_where_that_was_agreed() -> None:
    desk = Desk()
    desk.open(media=settings(rtcp_mux=True, remote_rtcp_port=PEER[1]))
    desk.step(500)
    assert desk.reports == []
    reports = [departure for departure in desk.departures if is_rtcp(departure.data)]
    assert {(departure.kind, departure.destination) for departure in reports} == {("rtp", PEER)}
    assert packet.parse(desk.departures[0].data) is not None
