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

_LINE_END = re.compile(rb"\r?\n")
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
        self._wanted = 0
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
        if self.broken:
            return None
        if not self._wanted and self._take_keep_alive():
            return PING
        self._wanted = self._wanted or self._size()
        if not 0 < self._wanted <= len(self._buffer):
            return None
        message = bytes(self._buffer[: self._wanted])
        del self._buffer[: self._wanted]
        self._searched = self._wanted = 0
        return message

    def _take_keep_alive(self) -> bool:
        """Drop line ends before a start line (RFC 3261 section 7.5); tell at every second one that it was a ping."""
        while end := _LINE_END.match(self._buffer):
            del self._buffer[: end.end()]
            self._half_ping = not self._half_ping
            if not self._half_ping:
                return True
        if bytes(self._buffer[:2]) not in (b"", b"\r"):
            self._half_ping = False
        return False

    def _size(self) -> int:
        """Bytes of the message that begins here; 0 while that is not known, or never will be."""
        end = _BLANK_LINE.search(self._buffer, self._searched)
        self._searched = max(0, len(self._buffer) - _LONGEST_BLANK_LINE)
        if b"\n" in self._buffer and not _START_LINE.match(self._buffer):
            self.broken = "what came is not SIP"
        elif (end.end() if end else len(self._buffer)) > MAXIMUM_HEAD:
            self.broken = f"a head of more than {MAXIMUM_HEAD} bytes"
        elif end:
            return end.end() + self._body_size(bytes(self._buffer[: end.end()]))
        return 0

    def _body_size(self, head: bytes) -> int:
        """The Content-Length; none means no body, which is what a sender that forgot it meant most likely."""
        lengths = {_unfolded(match[1]) for match in _CONTENT_LENGTH.finditer(head)}
        try:
            length = parse_number(lengths.pop()) if lengths else 0
        except ValueError:
            length = -1
        if lengths or not 0 <= length <= MAXIMUM_SIZE - len(head):
            self.broken = "a Content-Length that cannot be read, or is too large"
            return 0
        return length


def _unfolded(value: bytes) -> str:
    return " ".join(value.decode("utf-8", "replace").split())
