"""Ogg pages as bytes (RFC 3533), and the packet of remarks that Opus has in its second one (RFC 7845)."""

import struct
import zlib
from collections.abc import Sequence

MOST_SEGMENTS = 255
"""In one page. A packet takes one for each 255 bytes, and one more."""

_HEADER = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 0x02, 0x04
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Pages:
    """Numbers the pages of one stream. `serial` tells streams of one file apart."""

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._sequence = 0

    def page(self, packets: Sequence[bytes], position: int, *, last: bool = False) -> bytes:
        """Return the next page, with whole packets; `position` is that of the sample after them.

        Raises ValueError for packets that take more than MOST_SEGMENTS.
        """
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
        if len(lacing) > MOST_SEGMENTS:
            raise ValueError(f"a page has at most {MOST_SEGMENTS} segments, not {len(lacing)}")
        flags = (_FIRST if self._sequence == 0 else 0) | (_LAST if last else 0)
        head = (b"OggS", 0, flags, position, self._serial, self._sequence)
        body = lacing + b"".join(packets)
        checksum = _checksum(_HEADER.pack(*head, 0, len(lacing)) + body)
        self._sequence += 1
        return _HEADER.pack(*head, checksum, len(lacing)) + body


def opus_tags(vendor: str) -> bytes:
    """Return the packet that names who made the file, and makes no further remarks (RFC 7845 section 5.2)."""
    name = vendor.encode()
    return b"OpusTags" + struct.pack("<I", len(name)) + name + struct.pack("<I", 0)


def _checksum(page: bytes) -> int:
    """The CRC of Ogg is that of zlib with all bits the other way round, and without its two complements."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")
