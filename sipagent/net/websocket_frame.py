"""Texts in one frame each (RFC 6455 section 5.2), as a client writes and a server sends them: nearly all that there is.

What the library does for any frame takes three times as long, either way.
"""

import os
import struct
from collections.abc import Iterator

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library was built without its extension
    from websockets.utils import apply_mask

_FINAL_TEXT = b"\x81"
_MASKED = 0x80
_16_BITS, _64_BITS = struct.Struct("!2xH"), struct.Struct("!2xQ")
"""Headers of a server that say their length in so many bits; in the second octet of the header is 126 or 127 then."""


def text_frame(text: str) -> bytes:
    """Return the frame of a text. Half a surrogate pair, which has no encoding, becomes a question mark."""
    payload = text.encode(errors="replace")
    mask = os.urandom(4)
    return b"".join((_FINAL_TEXT, _length(len(payload)), mask, apply_mask(payload, mask)))


def _length(length: int) -> bytes:
    if length < 126:
        return bytes((_MASKED | length,))
    if length < 1 << 16:
        return b"\xfe" + length.to_bytes(2, "big")
    return b"\xff" + length.to_bytes(8, "big")


class FrameCutter:
    """Cuts what a server sends into its frames, and tells the texts that came whole.

    What has not come whole is passed on in pieces; only the beginning of a header waits for the rest of it.
    """

    def __init__(self) -> None:
        self._header = b""
        """Too little to tell how long its frame is."""
        self._owed = 0
        """Octets of the latest frame that have not come."""

    def cut(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Take what came; yield each frame, or piece of one, and where in it the text begins.

        That is 0 for all but a whole, final text that is not masked, as no server may.
        """
        if self._owed:
            piece, data = data[: self._owed], data[self._owed :]
            self._owed -= len(piece)
            yield piece, 0
        data = self._header + data
        at, size = 0, len(data)
        while (header := _header(data, at)) is not None:
            begin, end = header
            is_text = end <= size and data[at] == _FINAL_TEXT[0] and data[at + 1] < _MASKED
            self._owed = max(0, end - size)
            yield data[at:end], begin - at if is_text else 0
            at = end
        self._header = data[at:]


def _header(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the header at `at` ends, and its frame without a mask. None if it has not come whole."""
    if len(data) < at + 2:
        return None
    length, begin = data[at + 1] & ~_MASKED, at + 2
    if length >= 126:
        layout = _16_BITS if length == 126 else _64_BITS
        begin = at + layout.size
        if len(data) < begin:
            return None
        (length,) = layout.unpack_from(data, at)
    return begin, begin + length
