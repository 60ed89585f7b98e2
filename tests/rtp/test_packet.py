"""RTP packets: what is RTP, and what only looks like it (RFC 3550 section 5.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.rtp.packet import RtpPacket, build, is_rtcp, parse

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
HEADER = bytes.fromhex("80 00 1234 00000064 cafebabe")


def test_a_header_byte_by_byte() -> None:
    packet = build(8, 0x1234, 100, 0xCAFEBABE, b"\xd5\xd5", marker=True)
    assert packet == bytes.fromhex("80 88 1234 00000064 cafebabe d5d5")


@given(st.integers(0, 127), U16, U32, U32, st.binary(max_size=480), st.booleans())
def test_what_is_built_is_parsed(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool
) -> None:
    datagram = build(payload_type, sequence, timestamp, ssrc, payload, marker)
    assert parse(datagram) == RtpPacket(payload_type, marker, sequence, timestamp, ssrc, payload)


@pytest.mark.parametrize(
    ("flags", "rest"),
    [
        (0x80, b"sound"),
        (0x82, b"\x00\x00\x00\x01\x00\x00\x00\x02sound"),
        (0x90, b"\xbe\xde\x00\x01\x10\xff\x00\x00sound"),
        (0x90, b"\xbe\xde\x00\x00sound"),
        (0xA0, b"sound\x00\x00\x03"),
        (0xA0, b"sound\x01"),
        (0xB1, b"\x00\x00\x00\x01\xbe\xde\x00\x01\x10\xff\x00\x00sound\x00\x02"),
    ],
    ids=["plain", "CSRC", "extension", "empty extension", "padding", "one byte of padding", "all of it"],
)
def test_the_payload_is_what_is_left(flags: int, rest: bytes) -> None:
    packet = parse(bytes([flags]) + HEADER[1:] + rest)
    assert packet is not None
    assert packet.payload == b"sound"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80",
        HEADER[:11],
        b"\x00" + HEADER[1:],
        b"\x40" + HEADER[1:],
        b"\xc0" + HEADER[1:],
        b"\x81" + HEADER[1:] + b"\x00\x00\x00",
        b"\x90" + HEADER[1:] + b"\xbe\xde\x00",
        b"\x90" + HEADER[1:] + b"\xbe\xde\x00\x02\x00\x00\x00\x00",
        b"\xa0" + HEADER[1:] + b"sound\x00",
        b"\xa0" + HEADER[1:] + b"sound\x07",
        b"\x8f" + HEADER[1:],
    ],
    ids=[
        "empty",
        "one byte",
        "a byte short",
        "version 0 (STUN)",
        "version 1",
        "version 3",
        "half a CSRC",
        "half an extension header",
        "half an extension",
        "padding of nothing",
        "padding beyond the payload",
        "15 CSRCs of none",
    ],
)
def test_what_contradicts_itself_is_no_packet(datagram: bytes) -> None:
    assert parse(datagram) is None


@given(st.binary(max_size=64))
def test_no_bytes_raise(noise: bytes) -> None:
    packet = parse(noise)
    assert packet is None or len(packet.payload) <= len(noise) - 12


@pytest.mark.parametrize(
    ("first_bytes", "verdict"),
    [
        ("80c8", True),
        ("81c9", True),
        ("80cb", True),
        ("8000", False),
        ("8060", False),
        ("80e0", False),
        ("00c8", False),
    ],
)
def test_rtcp_is_told_by_its_packet_type(first_bytes: str, verdict: bool) -> None:
    assert is_rtcp(bytes.fromhex(first_bytes) + bytes(10)) is verdict
