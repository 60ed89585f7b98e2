"""The playout buffer: speech waiting to be sent, in frames of 20 ms, with marks and exact positions.

A position counts the speech given since the buffer was made, in units of 1/8000 s, whether it was sent or dropped:

    given      |==== sent ====|---- dropped by clear ----|==== waiting ====|
    position   0              sent_until                 the next to be sent
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from sipagent.audio.encoding import FRAME, Transcoder, duration, width


class Mark(NamedTuple):
    """A named place in the speech. `number` says which `put` it came with."""

    number: int
    name: str
    position: int


class _Piece:
    """Speech of one encoding."""

    __slots__ = ("audio", "encoding", "width")

    def __init__(self, encoding: str) -> None:
        self.audio = bytearray()
        self.encoding = encoding
        self.width = width(encoding)


class Playout:
    """Speech in the order it was given, each piece as it came; it is transcoded when it leaves in another encoding.

    A mark passes with the frame that holds its sample; a mark at the end of its audio, with the last sample of it.
    """

    __slots__ = ("_given", "_marks", "_pieces", "_puts", "_transcoder", "_waiting")

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._transcoder = Transcoder()
        self._given = 0
        self._waiting = 0
        self._puts = 0
        self._marks: deque[tuple[int, Mark]] = deque()

    @property
    def given(self) -> int:
        """The position that the next audio will have."""
        return self._given

    @property
    def sent_until(self) -> int:
        """The position of the next sample to be sent; `given` when nothing waits."""
        return self._given - self._waiting

    def __bool__(self) -> bool:
        return self._waiting > 0

    def put(self, audio: bytes, encoding: str, marks: Sequence[tuple[int, str]] = ()) -> int:
        """Queue audio with its marks, (offset in units, name); returns the position of its first sample."""
        start, units = self._given, duration(audio, encoding)
        if not self._pieces or self._pieces[-1].encoding != encoding:
            self._pieces.append(_Piece(encoding))
        self._pieces[-1].audio += audio[: units * width(encoding)]
        self._puts += 1
        self._given += units
        self._waiting += units
        for offset, name in sorted(marks, key=lambda mark: mark[0]):
            position = start + min(max(offset, 0), units)
            self._marks.append((min(position + 1, self._given), Mark(self._puts - 1, name, position)))
        return start

    def pop(self, encoding: str) -> bytes:
        """Take the next 20 ms in `encoding`: less at the end of the speech, nothing when none waits."""
        frame, missing = b"", FRAME
        while missing and self._pieces:
            piece = self._pieces[0]
            size = missing * piece.width
            taken = bytes(piece.audio[:size])
            del piece.audio[:size]
            if not piece.audio:
                self._pieces.popleft()
            missing -= len(taken) // piece.width
            frame += taken if piece.encoding == encoding else self._transcoder.convert(taken, piece.encoding, encoding)
        self._waiting -= FRAME - missing
        return frame

    @property
    def next_mark(self) -> int | None:
        """The position up to which speech must have been sent for the next mark to pass; None without marks."""
        return self._marks[0][0] if self._marks else None

    def ahead(self, encoding: str, frames: int) -> bytes:
        """Look at whole frames, so many at most, that `pop` would take as they are, and after which more waits."""
        if not self._pieces or self._pieces[0].encoding != encoding:
            return b""
        piece = self._pieces[0]
        size = FRAME * piece.width
        whole = min(len(piece.audio) // size, (self._waiting - 1) // FRAME)
        return bytes(piece.audio[: min(whole, frames) * size])

    def skip(self, frames: int) -> None:
        """Drop so many of the frames that `ahead` has shown: they have been sent."""
        piece = self._pieces[0]
        del piece.audio[: frames * FRAME * piece.width]
        if not piece.audio:
            self._pieces.popleft()
        self._waiting -= frames * FRAME

    def passed(self) -> Sequence[Mark]:
        """Take the marks whose sample has been popped, in order."""
        if not self._marks:
            return ()
        marks = []
        while self._marks and self._marks[0][0] <= self.sent_until:
            marks.append(self._marks.popleft()[1])
        return marks

    def clear(self) -> int:
        """Drop all that waits, with its marks; returns `sent_until` as it was."""
        sent_until = self.sent_until
        self._pieces.clear()
        self._waiting = 0
        self._marks.clear()
        return sent_until
