"""The packets of one stream laid out in the order of their audio, whatever numbers, codec and clock they have.

    place ─► start of a packet        add ─► what waits        take, read ─► audio of a stretch

The timeline counts units of 1/8000 s from when the stream began. What must be decoded is decoded in its order when it
is played, so that a decoder never sees a packet before its predecessors.
"""

from bisect import insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

CLOCK_RATE = 8000
"""Units a second."""
FRAME = 160
"""Units that one tick plays: 20 ms."""

_JUMP_IN_TIME = CLOCK_RATE
_JUMP_IN_SEQUENCE = 3000
_REMEMBERED = 128
"""Packets that were played, and are known if they come again."""


class Coded(Protocol):
    """A payload that is decoded when it is played."""

    @property
    def units(self) -> int:
        """How long it lasts."""

    @property
    def ticks(self) -> int:
        """What the RTP timestamp counts in a unit."""

    def decode(self) -> bytes | None:
        """Return its audio; None if it cannot be decoded. Called once."""


@dataclass(slots=True, eq=False)
class Segment:
    """One packet on the timeline. Not frozen, for one is made of every packet: frozen it takes five times as long."""

    start: int
    end: int
    sequence: int
    payload: bytes
    marker: bool
    coded: Coded | None


class Timeline:
    """What waits to be played, and where playing is. A unit of audio has `width` bytes.

    What is ordinary goes first everywhere: a packet that follows the one before, and a frame that is one packet.
    """

    __slots__ = (
        "_newest_timestamp",
        "_played",
        "_ticks",
        "_width",
        "is_coded",
        "newest",
        "next_sequence",
        "position",
        "segments",
        "undecodable",
    )

    def __init__(self, width: int) -> None:
        self.segments: list[Segment] = []
        """What waits, oldest first."""
        self.position = 0
        """The unit that is played next."""
        self.next_sequence = 0
        """The extended sequence number that belongs there."""
        self.undecodable = 0
        self._played: deque[int] = deque(maxlen=_REMEMBERED)
        self.begin(width)

    def begin(self, width: int) -> None:
        """Begin another stream, of which nothing has come yet."""
        self.segments.clear()
        self.newest: Segment | None = None
        """The packet of the highest number, whether it waits or was played."""
        self.is_coded = False
        """Some of it has to be decoded."""
        self._newest_timestamp = 0
        self._ticks = 1
        self._width = width

    # ---- packets come

    def place(self, sequence: int, timestamp: int, ticks: int) -> int | None:
        """Find a packet's first unit, by its extended sequence number, and its timestamp of so many `ticks` a unit.

        None for what is too far from the newest: before or behind a jump of the stream (a restarted source, new
        timestamps or another clock, a pause of over a second).
        """
        newest = self.newest
        if newest is None:
            return 0
        if ticks != self._ticks:
            return None
        ahead = sequence - newest.sequence
        elapsed = timestamp - self._newest_timestamp
        if ahead == 1 and elapsed == (newest.end - newest.start) * ticks:
            return newest.end
        elapsed = ((elapsed + 0x80000000) % 0x100000000 - 0x80000000) // ticks
        if ahead > 0:
            is_near = ahead < _JUMP_IN_SEQUENCE and 0 < elapsed <= _JUMP_IN_TIME
        else:
            is_near = ahead > -_JUMP_IN_SEQUENCE and -_JUMP_IN_TIME < elapsed <= 0
        return newest.start + elapsed if is_near else None

    def knows(self, segment: Segment) -> bool:
        """Tell whether a packet that is not the newest has come before."""
        return segment.sequence in self._played or any(segment.start == other.start for other in self.segments)

    def append(self, segment: Segment, timestamp: int, ticks: int) -> None:
        """Let the newest packet wait."""
        self.segments.append(segment)
        self.newest, self._newest_timestamp, self._ticks = segment, timestamp, ticks
        if segment.coded is not None:
            self.is_coded = True

    def insert(self, segment: Segment) -> None:
        """Let a packet wait that comes after its successors."""
        insort(self.segments, segment, key=attrgetter("start"))
        if segment.coded is not None:
            self.is_coded = True

    # ---- audio is played

    @property
    def end(self) -> int:
        """The unit behind the newest packet."""
        return self.newest.end if self.newest is not None else 0

    @property
    def into_packet(self) -> int:
        """Units of the next frame that come before the packet that ends it; 0 if it is all in one."""
        if self.newest is None:
            return 0
        ahead = (self.newest.start - self.position) % (self.newest.end - self.newest.start)
        return ahead if ahead < FRAME else 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or odd: what waits, and the newest packet, are frames in a row from here on."""
        newest, start, sequence = self.newest, self.position, self.next_sequence
        if newest is None or newest.end - newest.start != FRAME or self._ticks != 1:
            return False
        for segment in self.segments:
            if (segment.start, segment.end, segment.sequence) != (start, start + FRAME, sequence) or segment.coded:
                return False
            start, sequence = segment.end, sequence + 1
        return (newest.end, newest.sequence) == (start, sequence - 1)

    @property
    def next_timestamp(self) -> int:
        """The timestamp of the packet after the newest, if that `is_whole`."""
        return (self._newest_timestamp + FRAME) & 0xFFFFFFFF

    def follow(self, packets: int, waiting: Sequence[bytes]) -> None:
        """While all `is_whole`, let so many packets have come, and all but these `waiting` frames be played."""
        if self.newest is None:
            return
        first, end, sequence = self.next_sequence, self.end + packets * FRAME, self.newest.sequence + packets
        self.next_sequence = sequence + 1 - len(waiting)
        self.position = end - len(waiting) * FRAME
        self._played.extend(range(first, self.next_sequence))
        self.segments[:] = [
            Segment(self.position + FRAME * place, self.position + FRAME * (place + 1), number, payload, False, None)
            for place, (number, payload) in enumerate(enumerate(waiting, self.next_sequence))
        ]
        if packets:
            self._newest_timestamp = (self._newest_timestamp + packets * FRAME) & 0xFFFFFFFF
            played = Segment(end - FRAME, end, sequence, b"", False, None)
            self.newest = self.segments[-1] if waiting else played

    def take(self) -> bytes | None:
        """Take the frame at the position; None while some of it may still come.

        What is missing for good of a frame (a lost packet of 30 ms ends inside one) repeats what is there.
        """
        end = self.position + FRAME
        segments = self.segments
        if not segments or self.newest is None or self.newest.end < end:
            return None
        first = segments[0]
        is_packet = first.start == self.position and first.end == end
        payload = first.payload if is_packet else self._gather(end)
        if not payload:
            return None
        self.move_to(end)
        size = FRAME * self._width
        return payload if len(payload) == size else (payload * FRAME)[:size]

    def read(self, start: int, end: int) -> bytes | None:
        """Look at what lies between two positions; None if not all of it has come."""
        if self.is_coded:
            self.decode(end)
        pieces, cursor, width = [], start, self._width
        for segment in self.segments:
            if segment.start > cursor or cursor >= end:
                break
            pieces.append(segment.payload[(cursor - segment.start) * width : (end - segment.start) * width])
            cursor = max(cursor, segment.end)
        return b"".join(pieces) if cursor >= end else None

    def decode(self, end: int) -> None:
        """Decode what begins before `end`; what cannot be decoded is as lost as if it had not come."""
        for segment in self.segments[:]:
            if segment.start >= end:
                return
            if segment.coded is not None:
                audio, segment.coded = segment.coded.decode(), None
                if audio is None:
                    self.segments.remove(segment)
                    self.undecodable += 1
                else:
                    segment.payload = audio

    def move_to(self, position: int) -> None:
        """Go on from there; what ends before it has been played."""
        self.position = position
        while self.segments and self.segments[0].end <= position:
            segment = self.segments.pop(0)
            self._played.append(segment.sequence)
            self.next_sequence = segment.sequence + 1

    def give_up(self, until: int, *, whole: bool) -> int:
        """Go on at `until`, or with `whole` at the first packet that begins behind it; returns how many were left."""
        held = len(self.segments)
        self.move_to(until)
        while whole and self.segments and self.segments[0].start < until:
            self.move_to(self.segments[0].end)
        if self.segments:
            self.next_sequence = self.segments[0].sequence
        return held - len(self.segments)

    def _gather(self, end: int) -> bytes:
        """Put together what there is between the position and `end`."""
        cursor, pieces, width = self.position, [], self._width
        for segment in self.segments:
            if segment.start >= end:
                break
            pieces.append(segment.payload[max(0, cursor - segment.start) * width : (end - segment.start) * width])
            cursor = max(cursor, segment.end)
        return b"".join(pieces)
