"""Two callers on one port: told by where their packets come from, and never mixed up."""

import struct
from collections.abc import Callable

import pytest

from sipagent.rtp import packet
from sipagent.rtp.demultiplexer import Demultiplexer
from sipagent.rtp.source import Endpoint

ANN, BEN = 1, 2
OUR_SSRC = {ANN: 0xA0A0A0A0, BEN: 0xB0B0B0B0}
PAYLOAD_TYPES = {0, 101}
OFFICE, BRANCH = ("192.0.2.10", 4000), ("192.0.2.20", 4000)
BEHIND_NAT = ("10.0.0.5", 4000)
PUBLIC = ("203.0.113.7", 61000)
STRANGER = ("198.51.100.66", 9)


def beside(rtp: Endpoint) -> Endpoint:
    """The RTCP address of a peer."""
    return rtp[0], rtp[1] + 1


def speech(payload_type: int = 0) -> bytes:
    return packet.build(payload_type, 1, 160, 0xCA11, bytes(160))


def receiver_report(about: int) -> bytes:
    return struct.pack("!BBHI", 0x81, 201, 7, 0xCA11) + struct.pack("!I", about) + bytes(20)


def sender_report(about: int) -> bytes:
    return struct.pack("!BBHI", 0x81, 200, 12, 0xCA11) + bytes(20) + struct.pack("!I", about) + bytes(20)


class Port:
    """A shared port with two legs, whose clock goes by itself."""

    def __init__(self, **peers: Endpoint) -> None:
        self.legs = Demultiplexer()
        self.now = 100.0
        for leg in (ANN, BEN):
            self.legs.add(leg, OUR_SSRC[leg])
        for name, peer in peers.items():
            assert self.directs({"ann": ANN, "ben": BEN}[name], peer) is None

    def directs(self, leg: int, peer: Endpoint) -> str | None:
        return self.legs.direct(leg, peer, beside(peer), PAYLOAD_TYPES)

    def hears(self, source: Endpoint, datagram: bytes | None = None) -> int | None:
        self.now += 0.02
        return self.legs.rtp(source, speech() if datagram is None else datagram, self.now)


def test_each_peer_is_known_by_the_address_of_its_sdp() -> None:
    port = Port(ann=OFFICE, ben=BRANCH)
    assert [port.hears(OFFICE), port.hears(BRANCH), port.hears(OFFICE)] == [ANN, BEN, ANN]
    assert [port.legs.rtcp(beside(peer), b"") for peer in (OFFICE, BRANCH)] == [ANN, BEN]


def test_a_peer_behind_a_nat_is_the_one_that_is_missed() -> None:
    port = Port(ann=OFFICE, ben=BEHIND_NAT)
    assert port.hears(OFFICE) == ANN
    assert [port.hears(PUBLIC), port.hears(PUBLIC)] == [BEN, BEN]


def test_a_peer_whose_nat_changes_the_port_alone_is_known_by_its_host() -> None:
    port = Port(ann=OFFICE, ben=BRANCH)
    assert [port.hears(("192.0.2.20", 61000)), port.hears(("192.0.2.10", 61000))] == [BEN, ANN]


def test_where_two_could_be_meant_none_is() -> None:
    port = Port(ann=BEHIND_NAT, ben=("10.0.0.6", 4000))
    assert port.hears(PUBLIC) is None
    assert port.legs.foreign == 1


def test_a_peer_is_found_as_soon_as_it_is_the_only_one_missed() -> None:
    port = Port(ann=OFFICE, ben=BEHIND_NAT)
    assert port.hears(PUBLIC) is None, "it may be Ann, from elsewhere than her SDP says"
    assert port.hears(OFFICE) == ANN
    assert port.hears(PUBLIC) == BEN


def test_a_stranger_is_nobody() -> None:
    port = Port(ann=OFFICE, ben=BRANCH)
    port.hears(OFFICE)
    port.hears(BRANCH)
    assert [port.hears(STRANGER), port.legs.rtcp(STRANGER, b"")] == [None, None]
    assert port.legs.foreign == 2


@pytest.mark.parametrize(
    "datagram", [b"", b"\x80", bytes(11), bytes(172), b"\x80" + bytes(10), speech(payload_type=96), b"\x81\xc9"]
)
def test_what_is_no_rtp_that_was_agreed_on_finds_no_peer(datagram: bytes) -> None:
    port = Port(ann=OFFICE, ben=BEHIND_NAT)
    port.hears(OFFICE)
    assert port.hears(PUBLIC, datagram) is None
    assert port.hears(PUBLIC) == BEN


def test_a_binding_that_moved_is_followed_after_silence_only() -> None:
    port = Port(ann=OFFICE, ben=BEHIND_NAT)
    port.hears(OFFICE)
    port.hears(PUBLIC)
    moved = (PUBLIC[0], 62000)
    assert port.hears(moved) is None
    port.now += 3.1
    assert port.hears(OFFICE) == ANN
    assert port.hears(moved) == BEN


def test_the_address_of_the_sdp_is_believed_more_than_a_guess() -> None:
    port = Port(ann=BEHIND_NAT)
    assert port.hears(BRANCH) == ANN, "Ben's early media: his answer is still under way"
    assert port.directs(BEN, BRANCH) is None
    assert port.hears(BRANCH) == BEN
    assert port.hears(PUBLIC) == ANN, "and Ann is missed again"


def test_two_calls_at_one_address_cannot_be_told_apart() -> None:
    port = Port(ann=OFFICE)
    assert port.directs(BEN, OFFICE) == (
        "the peer of another call is at 192.0.2.10:4000 too, and rtp = shared cannot tell them apart"
    )
    assert port.hears(OFFICE) == ANN


def test_an_address_is_free_when_its_call_is_over_or_has_moved() -> None:
    port = Port(ann=OFFICE)
    port.legs.remove(ANN)
    assert port.hears(OFFICE) is None
    assert port.directs(BEN, OFFICE) is None
    assert port.hears(OFFICE) == BEN
    assert port.directs(BEN, BRANCH) is None
    port.legs.add(ANN, OUR_SSRC[ANN])
    assert port.directs(ANN, OFFICE) is None
    assert [port.hears(OFFICE), port.hears(BRANCH)] == [ANN, BEN]


def test_a_peer_that_moves_is_heard_from_both_ends_of_its_move() -> None:
    port = Port(ann=OFFICE, ben=BRANCH)
    port.hears(OFFICE)
    moved = ("192.0.2.11", 4000)
    port.directs(ANN, moved)
    assert [port.hears(OFFICE), port.hears(moved)] == [ANN, ANN]


@pytest.mark.parametrize("hold", [("0.0.0.0", 4000), ("::", 4000), ("192.0.2.10", 0)])
def test_who_is_on_hold_is_where_it_was(hold: Endpoint) -> None:
    port = Port(ann=OFFICE, ben=BRANCH)
    assert port.directs(ANN, hold) is None
    assert port.directs(BEN, hold) is None
    assert [port.hears(OFFICE), port.hears(BRANCH)] == [ANN, BEN]


@pytest.mark.parametrize("report", [receiver_report, sender_report])
def test_a_report_is_known_by_our_ssrc_in_it(report: Callable[[int], bytes]) -> None:
    port = Port(ann=BEHIND_NAT, ben=("10.0.0.6", 4000))
    assert port.legs.rtcp(PUBLIC, report(OUR_SSRC[BEN])) == BEN
    assert port.legs.rtcp(PUBLIC, b"encrypted from now on") == BEN, "by its address, once it is known"
    assert port.hears(STRANGER, report(OUR_SSRC[ANN])) == ANN, "beside RTP (RFC 5761)"


def test_forged_reports_leave_no_more_than_one_address_behind() -> None:
    port = Port(ann=OFFICE)
    forged = [("198.51.100.66", number) for number in range(1, 50)]
    assert {port.legs.rtcp(source, receiver_report(OUR_SSRC[ANN])) for source in forged} == {ANN}
    assert [port.legs.rtcp(source, b"") for source in forged[:-1]] == [None] * 48
    assert [port.legs.rtcp(source, b"") for source in (forged[-1], beside(OFFICE))] == [ANN, ANN]


@pytest.mark.parametrize("cut", [0, 1, 8, 11])
def test_half_a_report_is_about_nobody(cut: int) -> None:
    port = Port(ann=OFFICE)
    assert port.legs.rtcp(PUBLIC, receiver_report(OUR_SSRC[ANN])[:cut]) is None


def test_a_report_about_nobody_has_no_owner() -> None:
    port = Port(ann=OFFICE)
    assert port.legs.rtcp(PUBLIC, struct.pack("!BBHI", 0x80, 201, 1, OUR_SSRC[ANN])) is None


def test_a_leg_that_is_gone_goes_nowhere() -> None:
    port = Port()
    port.legs.remove(ANN)
    assert port.directs(ANN, OFFICE) is None
    assert port.hears(OFFICE) is None


def test_two_legs_may_have_drawn_one_ssrc() -> None:
    legs = Demultiplexer()
    for leg in (ANN, BEN):
        legs.add(leg, 7)
    legs.remove(ANN)
    assert legs.rtcp(PUBLIC, receiver_report(7)) == BEN
    legs.remove(BEN)
    assert legs.rtcp(PUBLIC, receiver_report(7)) is None
