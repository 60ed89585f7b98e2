"""Capture files: datagrams out of classic pcap and pcapng, and into classic pcap with nanoseconds.

Classic format: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/ · pcapng: draft-ietf-opsawg-pcapng.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sipagent.capture.ip import LINKTYPE_RAW, ip_packet, udp_in_frame
from sipagent.errors import CaptureError
from sipagent.sip.flow import Address

_NANOSECOND_MAGIC = 0xA1B23C4D
_SNAP_LENGTH = 0x40000
_LARGEST_BLOCK = 0x1000000

FILE_HEADER = struct.pack("<IHHiIII", _NANOSECOND_MAGIC, 2, 4, 0, 0, _SNAP_LENGTH, LINKTYPE_RAW)
"""How a file that holds `record`s begins."""

_MAGICS = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""First bytes of a classic file: byte order, nanoseconds in its unit of time."""
_SECTION_BYTES = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 3, 6
_TIME_RESOLUTION = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """One UDP datagram; `time` is nanoseconds since 1970 UTC."""

    time: int
    source: Address
    destination: Address
    data: bytes


def record(datagram: Datagram) -> bytes:
    """Return the file record of `datagram`, to follow `FILE_HEADER` and other records."""
    packet = ip_packet(datagram.source, datagram.destination, datagram.data)
    seconds, nanoseconds = divmod(datagram.time, 1_000_000_000)
    return struct.pack("<IIII", seconds, nanoseconds, len(packet), len(packet)) + packet


def read(path: Path) -> Iterator[Datagram]:
    """Yield the UDP datagrams of a pcap or pcapng file in their order; all else is passed over.

    A file that ends in the middle of a record ends there. Raises CaptureError for a file of another format.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if magic in _MAGICS:
            frames = _classic_frames(file, *_MAGICS[magic])
        elif magic == _SECTION_BYTES:
            frames = _pcapng_frames(file)
        else:
            raise CaptureError(f"{path}: not a capture file (neither pcap nor pcapng)")
        for time, link_type, frame in frames:
            if (found := udp_in_frame(link_type, frame)) is not None:
                yield Datagram(time=time, source=found[0], destination=found[1], data=found[2])


Frames = Iterator[tuple[int, int, bytes]]
"""(time in nanoseconds, link type, frame)"""


def _classic_frames(file: BinaryIO, order: str, unit: int) -> Frames:
    header = file.read(20)
    if len(header) < 20:
        return
    link_type = struct.unpack_from(order + "I", header, 16)[0] & 0x0FFFFFFF  # the high bits tell of an FCS
    while len(head := file.read(16)) == 16:
        seconds, fraction, captured, _ = struct.unpack(order + "IIII", head)
        if captured > _LARGEST_BLOCK or len(frame := file.read(captured)) < captured:
            return
        yield seconds * 1_000_000_000 + fraction * unit, link_type, frame


def _pcapng_frames(file: BinaryIO) -> Frames:
    interfaces: list[tuple[int, int]] = []
    for order, kind, body in _blocks(file):
        if kind == _SECTION:
            interfaces = []
        elif kind == _INTERFACE and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _ticks_per_second(order, body[8:])))
        elif kind == _ENHANCED_PACKET and len(body) >= 20:
            yield from _enhanced_packet(order, interfaces, body)
        elif kind == _SIMPLE_PACKET and len(body) >= 4 and interfaces:
            yield 0, interfaces[0][0], body[4 : 4 + struct.unpack_from(order + "I", body)[0]]


def _blocks(file: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
    """Yield (byte order, block type, body) of each block. Every section says its own byte order."""
    order = "<"
    file.seek(0)
    while len(head := file.read(8)) == 8:
        body = b""
        if head[:4] == _SECTION_BYTES:
            body = file.read(4)
            order = "<" if body == b"\x4d\x3c\x2b\x1a" else ">"
        kind, length = struct.unpack(order + "II", head)
        if not 12 + len(body) <= length <= _LARGEST_BLOCK:
            return
        rest = file.read(length - 8 - len(body))
        if len(rest) < length - 8 - len(body):
            return
        yield order, kind, (body + rest)[:-4]  # the length again, at the end


def _enhanced_packet(order: str, interfaces: list[tuple[int, int]], body: bytes) -> Frames:
    interface, high, low, captured, _ = struct.unpack_from(order + "IIIII", body)
    if interface < len(interfaces):
        link_type, per_second = interfaces[interface]
        yield ((high << 32) + low) * 1_000_000_000 // per_second, link_type, body[20 : 20 + captured]


def _ticks_per_second(order: str, options: bytes) -> int:
    """Read if_tsresol: a power of ten, or of two with the high bit set; microseconds where absent."""
    at = 0
    while at + 4 < len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        if code == _TIME_RESOLUTION and length == 1:
            value = options[at + 4]
            return int(2 ** (value & 0x7F)) if value & 0x80 else int(10**value)
        at += 4 + (length + 3) // 4 * 4
    return 1_000_000
