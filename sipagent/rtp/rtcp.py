"""RTCP compound packets: sender and receiver reports, CNAME and BYE (RFC 3550 section 6)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_SOURCE_DESCRIPTION = 202
_GOODBYE = 203
_TRANSPORT_FEEDBACK = 205
_PAYLOAD_FEEDBACK = 206

_CNAME = 1
_VERSION = 2
_PADDING_BIT = 0x20
_MOST_BLOCKS = 31
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970 (RFC 3550 section 4)."""

_HEADER = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_SENDER_INFO = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IB3sIIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlock:
    """What a receiver says of one source (section 6.4.1).

    `fraction_lost` counts 256ths, `cumulative_lost` is signed 24 bits, `jitter` counts timestamp units, `last_report`
    is the middle of the NTP time of the report answered, `delay` counts 65536ths of a second since it came.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    """SR: what the sender sent until `ntp_time` (64 bits, fixed point), and what it heard."""

    ssrc: int
    ntp_time: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    blocks: tuple[ReportBlock, ...] = ()

    @property
    def middle(self) -> int:
        """The middle 32 bits of the NTP time: how a receiver names this report in `last_report`."""
        return (self.ntp_time >> 16) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    """RR: what somebody who sends nothing heard."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescription:
    """SDES: the CNAME of each source (section 6.5.1); other items are passed over."""

    cnames: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    """BYE: these sources have left (section 6.6)."""

    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye


def ntp_time(wall_time: float) -> int:
    """Turn seconds since 1970 into the 64-bit NTP format."""
    return int((wall_time + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def serialise(packets: Sequence[RtcpPacket]) -> bytes:
    """Serialise a compound packet. The caller puts a report first (section 6.1)."""
    return b"".join(_serialise_one(packet) for packet in packets)


def parse_compound(datagram: bytes) -> list[RtcpPacket] | None:
    """Parse a compound packet; None when any part of it is malformed, as then nothing in it can be trusted.

    Types that we do not use are passed over. A packet that does not start with a report is taken (RFC 5506).
    """
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(datagram):
        end = _end_of_packet(datagram, position)
        if end is None:
            return None
        try:
            packet = _parse_one(datagram[position:end], last=end == len(datagram))
        except (struct.error, ValueError):
            return None
        if packet is not None:
            packets.append(packet)
        position = end
    return packets if datagram else None


def _end_of_packet(datagram: bytes, position: int) -> int | None:
    if position + _HEADER.size > len(datagram):
        return None
    flags, _, words = _HEADER.unpack_from(datagram, position)
    end = position + 4 * (words + 1)
    return int(end) if flags >> 6 == _VERSION and end <= len(datagram) else None


def _parse_one(packet: bytes, *, last: bool) -> RtcpPacket | None:
    """Parse one packet of its exact length. Raises struct.error or ValueError when its content does not fit."""
    flags, packet_type, _ = _HEADER.unpack_from(packet)
    body, count = packet[_HEADER.size :], flags & 0x1F
    if flags & _PADDING_BIT:
        body = _without_padding(body, last)
    if packet_type == _SENDER_REPORT:
        return SenderReport(**_sender_info(body), blocks=_parse_blocks(body[_SENDER_INFO.size :], count))
    if packet_type == _RECEIVER_REPORT:
        (ssrc,) = _WORD.unpack_from(body)
        return ReceiverReport(ssrc=ssrc, blocks=_parse_blocks(body[_WORD.size :], count))
    if packet_type == _SOURCE_DESCRIPTION:
        return SourceDescription(cnames=_parse_chunks(body, count))
    if packet_type == _GOODBYE:
        return Goodbye(ssrcs=struct.unpack_from(f"!{count}I", body))
    if packet_type in (_TRANSPORT_FEEDBACK, _PAYLOAD_FEEDBACK) and len(body) < 2 * _WORD.size:
        raise ValueError("feedback without its two SSRCs (RFC 4585 section 6.1)")
    return None


def _without_padding(body: bytes, last: bool) -> bytes:
    if not last or not body or not 0 < body[-1] <= len(body):
        raise ValueError("padding is allowed in the last packet only, and must fit (section 6.4.1)")
    return body[: -body[-1]]


def _sender_info(body: bytes) -> dict[str, int]:
    names = ("ssrc", "ntp_time", "rtp_timestamp", "packet_count", "octet_count")
    return dict(zip(names, _SENDER_INFO.unpack_from(body), strict=True))


def _parse_blocks(body: bytes, count: int) -> tuple[ReportBlock, ...]:
    """Read `count` blocks; what follows them is a profile's extension (section 6.4.3)."""
    return tuple(_parse_block(body, index * _BLOCK.size) for index in range(count))


def _parse_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, fraction, lost, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, offset)
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=fraction,
        cumulative_lost=int.from_bytes(lost, "big", signed=True),
        highest_sequence=highest,
        jitter=jitter,
        last_report=last_report,
        delay=delay,
    )


def _parse_chunks(body: bytes, count: int) -> tuple[tuple[int, str], ...]:
    cnames = []
    position = 0
    for _ in range(count):
        (ssrc,) = _WORD.unpack_from(body, position)
        cname, position = _parse_items(body, position + _WORD.size)
        cnames.append((ssrc, cname))
    return tuple(cnames)


def _parse_items(body: bytes, position: int) -> tuple[str, int]:
    """Read the items of one chunk; returns its CNAME (or nothing) and where the next chunk starts."""
    cname = ""
    while True:
        item = body[position : position + 1]
        if not item:
            raise ValueError("SDES chunk without its end")
        if item == b"\0":
            # The end item pads the chunk to the next 32-bit boundary (section 6.5).
            return cname, position + 4 - position % 4
        length = body[position + 1 : position + 2]
        text_end = position + 2 + (length[0] if length else 0)
        if not length or text_end > len(body):
            raise ValueError("SDES item longer than its packet")
        if item[0] == _CNAME:
            cname = body[position + 2 : text_end].decode("utf-8", "replace")
        position = text_end


def _serialise_one(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            info = _SENDER_INFO.pack(
                packet.ssrc,
                packet.ntp_time,
                packet.rtp_timestamp & 0xFFFFFFFF,
                packet.packet_count & 0xFFFFFFFF,
                packet.octet_count & 0xFFFFFFFF,
            )
            return _framed(_SENDER_REPORT, len(packet.blocks), info + _blocks(packet.blocks))
        case ReceiverReport():
            return _framed(_RECEIVER_REPORT, len(packet.blocks), _WORD.pack(packet.ssrc) + _blocks(packet.blocks))
        case SourceDescription():
            chunks = b"".join(_chunk(ssrc, cname) for ssrc, cname in packet.cnames)
            return _framed(_SOURCE_DESCRIPTION, len(packet.cnames), chunks)
        case Goodbye():
            return _framed(_GOODBYE, len(packet.ssrcs), b"".join(map(_WORD.pack, packet.ssrcs)))


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    if count > _MOST_BLOCKS:
        raise ValueError(f"an RTCP packet counts at most {_MOST_BLOCKS} entries, not {count}")
    return _HEADER.pack(_VERSION << 6 | count, packet_type, len(body) // 4) + body


def _blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(map(_block, blocks))


def _block(block: ReportBlock) -> bytes:
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost,
        block.cumulative_lost.to_bytes(3, "big", signed=True),
        block.highest_sequence,
        block.jitter,
        block.last_report,
        block.delay,
    )


def _chunk(ssrc: int, cname: str) -> bytes:
    text = cname.encode()[:255]
    items = bytes((_CNAME, len(text))) + text
    return _WORD.pack(ssrc) + items + bytes(4 - len(items) % 4)
