"""One RTP packet: parsed and built (RFC 3550 section 5.1)."""

import struct
from typing import NamedTuple

VERSION = 2
COMFORT_NOISE = 13
"""The payload type of comfort noise at 8 kHz (RFC 3551 table 4), which needs no negotiation to be understood."""
HEADER_LENGTH = 12

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_EXTENSION_BIT = 0x10
_PADDING_BIT = 0x20
_MARKER_BIT = 0x80
PLAIN = VERSION << 6
"""No padding, no extension, no contributing sources: nearly every packet."""

_new = tuple.__new__
"""Makes a named tuple in half the time that its class takes."""


class RtpPacket(NamedTuple):
    """A received packet without its CSRC list, header extension and padding.

    A tuple and no dataclass: one is made for every packet of every call, and a frozen dataclass takes three times as
    long to make. `sequence` has 16 bits; `RtpSession.receive` extends it.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> RtpPacket | None:
    """Parse a datagram; None when it is not RTP version 2 or contradicts its own lengths (RFC 3550 appendix A.1)."""
    if len(datagram) < HEADER_LENGTH:
        return None
    flags, marker_and_type, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    payload = datagram[HEADER_LENGTH:] if flags == PLAIN else _payload(datagram, flags)
    if payload is None:
        return None
    fields = marker_and_type & 0x7F, marker_and_type >= _MARKER_BIT, sequence, timestamp, ssrc, payload
    return _new(RtpPacket, fields)


def build(payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool = False) -> bytes:
    """Build a packet with a plain 12-byte header. `sequence` has 16 bits, `timestamp` and `ssrc` have 32."""
    marker_and_type = payload_type | _MARKER_BIT if marker else payload_type
    return _HEADER.pack(VERSION << 6, marker_and_type, sequence, timestamp, ssrc) + payload


def is_rtcp(datagram: bytes) -> bool:
    """Tell RTCP from RTP on one port: RTCP packet types are 192 to 223 (RFC 5761 section 4)."""
    return len(datagram) >= 2 and 192 <= datagram[1] <= 223 and datagram[0] >> 6 == VERSION


def _payload(datagram: bytes, flags: int) -> bytes | None:
    """Find the payload behind CSRC list and extension and before the padding; None when they do not fit."""
    if flags >> 6 != VERSION:
        return None
    start, end = HEADER_LENGTH + 4 * (flags & 0x0F), len(datagram)
    if flags & _EXTENSION_BIT:
        if start + _EXTENSION.size > end:
            return None
        _, words = _EXTENSION.unpack_from(datagram, start)
        start += _EXTENSION.size + 4 * words
    if flags & _PADDING_BIT:
        # The count includes itself, so zero is a lie (section 5.1).
        if datagram[-1] == 0:
            return None
        end -= datagram[-1]
    return datagram[start:end] if start <= end else None
