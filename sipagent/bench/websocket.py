"""The server's half of RFC 6455, as little of it as a stand-in needs, and as cheap: text frames, pings and the close.

The benchmark measures its client. What is spent here is spent on the same machine.
"""

import base64
import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL = 0x80
_KEY = re.compile(rb"\r\nSec-WebSocket-Key: *([^\r\n]+)", re.IGNORECASE)
_SHORT, _LONG = 126, 127


class Upgrade(NamedTuple):
    """A client's request to speak WebSocket."""

    path: str
    response: bytes
    """What accepts it."""


def read_upgrade(head: bytes) -> Upgrade | None:
    """Read a whole HTTP head; None for what is no upgrade."""
    words, key = head.split(b"\r\n", 1)[0].split(), _KEY.search(head)
    if key is None or len(words) != 3:
        return None
    accept = base64.b64encode(hashlib.sha1(key[1].strip() + _GUID).digest())
    lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
    return Upgrade(words[1].decode(), b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + accept, b"", b"")))


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return one frame of a server: whole, and unmasked."""
    size = len(payload)
    if size < _SHORT:
        return struct.pack("!BB", _FINAL | opcode, size) + payload
    if size < 2**16:
        return struct.pack("!BBH", _FINAL | opcode, _SHORT, size) + payload
    return struct.pack("!BBQ", _FINAL | opcode, _LONG, size) + payload


def text_frame(fields: Mapping[str, Any]) -> bytes:
    """Return a frame with a JSON object."""
    return frame(json.dumps(fields).encode())


class ClientFrames:
    """Reads the frames of a client, which are masked, from a stream. Nothing that this house sends is fragmented."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes; yield the opcode and payload of each frame that is whole now."""
        self._buffer = data = self._buffer + data if self._buffer else data
        at = 0
        while (end := self._end(data, at)) is not None:
            start, after = end
            yield data[at] & 0x0F, _unmasked(data, start, after)
            at = after
            self._buffer = data[at:]

    @staticmethod
    def _end(data: bytes, at: int) -> tuple[int, int] | None:
        """Where the masking key of the frame at `at` begins, and where the frame ends; None while it is not whole."""
        if len(data) < at + 2:
            return None
        size, start = data[at + 1] & 0x7F, at + 2
        if size >= _SHORT:
            width = 2 if size == _SHORT else 8
            if len(data) < start + width:
                return None
            size, start = int.from_bytes(data[start : start + width]), start + width
        end = start + 4 + size
        return (start, end) if len(data) >= end else None


def _unmasked(data: bytes, start: int, end: int) -> bytes:
    """The payload behind a masking key, as one large number: the quickest that the language has."""
    size = end - start - 4
    key = data[start : start + 4] * (size // 4 + 1)
    return (int.from_bytes(data[start + 4 : end]) ^ int.from_bytes(key[:size])).to_bytes(size)
