"""A whole text as one frame of a client (RFC 6455 section 5.2): audio leaves so 25 times a second a call.

What the library does for any frame takes three times as long.
"""

import os

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library was built without its extension
    from websockets.utils import apply_mask

_FINAL_TEXT = b"\x81"
_MASKED = 0x80


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
