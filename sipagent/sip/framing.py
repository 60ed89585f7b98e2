"""Messages out of a stream: TCP and TLS have no datagrams, so Content-Length says where a message ends.

RFC 3261 section 18.3, and the keep-alives between messages of RFC 5626 section 3.5.1. There is no way back into step
after a length that cannot be read: the stream is then `broken`, and its connection is to be closed.
"""

import re

from sipagent.sip.headers import parse_number
from sipagent.sip.message import MAXIMUM_SIZE

PING = b"\r\n\r\n"
"""Between messages: asks whether we are there (RFC 5626 section 3.5.1)."""
PONG = b"\r\n"
"""The answer to a ping."""
MAXIMUM_HEAD = 32_768
"""Bytes of start line and headers."""

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LONGEST_BLANK_LINE = 4
_START_LINE = re.compile(rb"SIP/\d|[^\r\n]* SIP/\d+\.\d+[ \t]*\r?\n", re.IGNORECASE)
_CONTENT_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*:((?:[^\n]*)(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE
)


class Framing:
    """Cuts one direction of a stream into messages, however its bytes were split under way."""

    def __init__(self) -> None:
        self.broken = ""
        """Why nothing more can be read; empty while all is well."""
        self._buffer = bytearray()
        self._searched = 0
        self._half_ping = False

    @property
    def unfinished(self) -> bool:
        """Whether part of a message has come."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[bytes]:
        """Take what came; return the messages that it completes, and a PING for each ping, in order.

        A message whose length cannot be read is the last one, without a body: it can still be answered with 400.
        """
        if self.broken:
            return []
        self._buffer += data
        frames: list[bytes] = []
        while (frame := self._next_frame()) is not None:
            frames.append(frame)
        return frames

    def _next_frame(self) -> bytes | None:
        if self._take_keep_alive():
            return PING
        head_size = self._head_size()
        if self.broken or head_size is None:
            return None
        size = head_size + self._body_size(head_size)
        if len(self._buffer) < size:
            return None
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._searched = 0
        return message

    def _take_keep_alive(self) -> bool:
        """Drop line ends before a start line (RFC 3261 section 7.5); tell at every second one that it was a ping."""
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
            self._half_ping = not self._half_ping
            if not self._half_ping:
                return True
        while self._buffer[:1] == b"\n":
            del self._buffer[:1]
        if self._buffer and self._buffer != b"\r":
            self._half_ping = False
        return False

    def _head_size(self) -> int | None:
        """Where the body begins; None while that is not known."""
        end = _BLANK_LINE.search(self._buffer, self._searched)
        self._searched = max(0, len(self._buffer) - _LONGEST_BLANK_LINE)
        if b"\n" in self._buffer and not _START_LINE.match(self._buffer):
            return self._break("what came is not SIP")
        size = end.end() if end else len(self._buffer)
        if size > MAXIMUM_HEAD:
            return self._break(f"a head of more than {MAXIMUM_HEAD} bytes")
        return size if end else None

    def _body_size(self, head_size: int) -> int:
        """The Content-Length; none means no body, which is what a sender that forgot it meant most likely."""
        lengths = {_unfolded(match[1]) for match in _CONTENT_LENGTH.finditer(bytes(self._buffer[:head_size]))}
        try:
            length = parse_number(lengths.pop()) if lengths else 0
        except ValueError:
            length = -1
        if lengths or not 0 <= length <= MAXIMUM_SIZE - head_size:
            self._break("a Content-Length that cannot be read, or is too large")
            return 0
        return length

    def _break(self, reason: str) -> None:
        self.broken = reason


def _unfolded(value: bytes) -> str:
    return " ".join(value.decode("utf-8", "replace").split())
