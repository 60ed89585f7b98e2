"""RTCP: compound packets there and back, and what is wrong with the wrong ones (RFC 3550 section 6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    ntp_time,
    parse_compound,
    serialise,
)

U8 = st.integers(0, 0xFF)
U32 = st.integers(0, 0xFFFFFFFF)
BLOCKS = st.lists(
    st.builds(
        ReportBlock,
        ssrc=U32,
        fraction_lost=U8,
        cumulative_lost=st.integers(-0x800000, 0x7FFFFF),
        highest_sequence=U32,
        jitter=U32,
        last_report=U32,
        delay=U32,
    ),
    max_size=31,
).map(tuple)
PACKETS = st.one_of(
    st.builds(
        SenderReport,
        ssrc=U32,
        ntp_time=st.integers(0, 2**64 - 1),
        rtp_timestamp=U32,
        packet_count=U32,
        octet_count=U32,
        blocks=BLOCKS,
    ),
    st.builds(ReceiverReport, ssrc=U32, blocks=BLOCKS),
    st.builds(
        SourceDescription, cnames=st.lists(st.tuples(U32, st.text("abc@.19", max_size=40)), max_size=31).map(tuple)
    ),
    st.builds(Goodbye, ssrcs=st.lists(U32, max_size=31).map(tuple)),
)

RECEIVER_REPORT = serialise([ReceiverReport(ssrc=1)])


@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_what_is_serialised_is_parsed(packets: list[RtcpPacket]) -> None:
    datagram = serialise(packets)
    assert len(datagram) % 4 == 0
    assert parse_compound(datagram) == packets


def test_a_sender_report_word_by_word() -> None:
    block = ReportBlock(
        ssrc=2, fraction_lost=64, cumulative_lost=-1, highest_sequence=0x10005, jitter=7, last_report=8, delay=65536
    )
    report = SenderReport(
        ssrc=1, ntp_time=0x8000_0001_4000_0000, rtp_timestamp=160, packet_count=2, octet_count=320, blocks=(block,)
    )
    assert serialise([report]) == bytes.fromhex(
        "81c8000c 00000001 80000001 40000000 000000a0 00000002 00000140"
        "00000002 40ffffff 00010005 00000007 00000008 00010000"
    )
    assert report.middle == 0x0001_4000


def test_a_cname_is_padded_to_a_word_and_always_ended() -> None:
    assert serialise([SourceDescription(cnames=((1, "ab"),))]).hex(" ", 4) == "81ca0003 00000001 01026162 00000000"
    assert serialise([SourceDescription(cnames=((1, "abc"),))]).hex(" ", 4) == "81ca0003 00000001 01036162 63000000"


def test_ntp_counts_from_1900() -> None:
    assert ntp_time(0.5) == 2_208_988_800 << 32 | 1 << 31


def test_other_items_and_types_are_passed_over() -> None:
    description = bytes.fromhex("81ca0004 00000001 02037a7a7a 0101 61 00000000")
    application = bytes.fromhex("80cc0002 00000001 6e616d65")
    extended_report = bytes.fromhex("80cf0001 00000001")
    assert parse_compound(RECEIVER_REPORT + description + application + extended_report) == [
        ReceiverReport(ssrc=1),
        SourceDescription(cnames=((1, "a"),)),
    ]


def test_the_last_packet_may_be_padded() -> None:
    assert parse_compound(RECEIVER_REPORT + bytes.fromhex("a1cb0002 00000009 00000004")) == [
        ReceiverReport(ssrc=1),
        Goodbye(ssrcs=(9,)),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "80c900",
        "40c90001 00000001",
        "80c90002 00000001",
        "81c90001 00000001",
        "80c80001 00000001",
        "82cb0001 00000001",
        "81ca0001 00000001",
        "81ca0002 00000001 01ff6162",
        "81ca0002 00000001 01016101",
        "81ce0001 00000001",
        "a0c90001 00000000",
        "a0c90001 00000009",
        "a0c90002 00000001 00000004 80c90001 00000001",
    ],
    ids=[
        "nothing",
        "half a header",
        "version 1",
        "longer than it is",
        "a block that is not there",
        "SR without sender info",
        "BYE of two with one",
        "SDES without items",
        "SDES item beyond the end",
        "SDES item without a length",
        "feedback without its media source",
        "padding of nothing",
        "padding beyond the packet",
        "padding before the last packet",
    ],
)
def test_one_malformed_part_spoils_the_whole(wrong: str) -> None:
    assert parse_compound(bytes.fromhex(wrong)) is None
    if wrong:
        assert parse_compound(RECEIVER_REPORT + bytes.fromhex(wrong)) is None


@given(st.binary(max_size=96))
def test_no_bytes_raise(noise: bytes) -> None:
    packets = parse_compound(b"\x81\xca" + noise)
    assert packets is None or len(packets) <= (len(noise) + 2) // 4


def test_more_than_31_entries_do_not_fit() -> None:
    with pytest.raises(ValueError, match="at most 31"):
        serialise([Goodbye(ssrcs=tuple(range(32)))])
