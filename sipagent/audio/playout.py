"""The playout buffer: speech waiting to be sent, in frames of 20 ms, with marks and exact positions.

A position counts the samples of speech given since the buffer was made, whether they were sent or dropped:

    given      |==== sent ====|---- dropped by clear ----|==== waiting ====|
    position   0              sent_until                 the next to be sent
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from sipagent.audio import g711


class Mark(NamedTuple):
    """A named place in the speech. `number` says which `put` it came with."""

    number: int
    name: str
    position: int


class Playout:
    """Speech in the order it was given. The audio is G.711 of one law: one byte is one sample.

    A mark passes with the frame that holds its sample; a mark at the end of its audio, with the last sample of it.
    """

    __slots__ = ("_audio", "_given", "_marks", "_puts")

    def __init__(self) -> None:
        self._audio = bytearray()
        self._given = 0
        self._puts = 0
        self._marks: deque[tuple[int, Mark]] = deque()

    @property
    def given(self) -> int:
        """The position that the next audio will have."""
        return self._given

    @property
    def sent_until(self) -> int:
        """The position of the next sample to be sent; `given` when nothing waits."""
        return self._given - len(self._audio)

    def __bool__(self) -> bool:
        return bool(self._audio)

    def put(self, audio: bytes, marks: Sequence[tuple[int, str]] = ()) -> int:
        """Queue audio with its marks, (offset in samples, name); returns the position of its first sample."""
        start, self._puts = self._given, self._puts + 1
        self._audio += audio
        self._given += len(audio)
        for offset, name in sorted(marks, key=lambda mark: mark[0]):
            position = start + min(max(offset, 0), len(audio))
            self._marks.append((min(position + 1, self._given), Mark(self._puts - 1, name, position)))
        return start

    def pop(self) -> bytes:
        """Take the next 160 samples: fewer at the end of the speech, none when nothing waits."""
        frame = bytes(self._audio[: g711.FRAME])
        del self._audio[: g711.FRAME]
        return frame

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
        self._audio.clear()
        self._marks.clear()
        return sent_until

    def transcode(self, source: str, target: str) -> None:
        """Say what waits in the other law: the codec of the call has changed."""
        self._audio = bytearray(g711.transcode(bytes(self._audio), source, target))
