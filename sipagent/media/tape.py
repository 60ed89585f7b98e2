"""What a recording is made of: both directions of a leg, tick by tick, as they were on the wire."""

from sipagent.audio.encoding import PCMU, silence, width
from sipagent.media.events import Tape

_PIECE = 4000
"""Units (of 1/8000 s) in one piece: half a second."""


class TapeWriter:
    """Lays what was received and what was sent side by side, and cuts the pair into pieces of one encoding."""

    def __init__(self, leg: int) -> None:
        self.masked = False
        """Silence is laid in place of both."""
        self._leg = leg
        self._encoding = PCMU
        self._received = bytearray()
        self._sent = bytearray()
        self._pieces: list[Tape] = []

    def add(self, received: bytes, sent: bytes, encoding: str) -> None:
        """Take one tick. The shorter side is silent where it had nothing, before what it has."""
        if encoding != self._encoding:
            self._cut()
            self._encoding = encoding
        size = width(encoding)
        length = max(len(received), len(sent))
        for tape, audio in ((self._received, received), (self._sent, sent)):
            heard = b"" if self.masked else audio
            if len(heard) < length:
                tape += silence(encoding, (length - len(heard)) // size)
            tape += heard
        if len(self._sent) >= _PIECE * size:
            self._cut()

    def take(self, *, rest: bool) -> list[Tape]:
        """Return the pieces that are ready; with `rest` also the last, shorter one."""
        if rest:
            self._cut()
        pieces, self._pieces = self._pieces, []
        return pieces

    def _cut(self) -> None:
        if self._sent:
            piece = Tape(leg=self._leg, encoding=self._encoding, received=bytes(self._received), sent=bytes(self._sent))
            self._pieces.append(piece)
        self._received.clear()
        self._sent.clear()
