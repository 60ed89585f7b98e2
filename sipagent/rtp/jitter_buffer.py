"""The jitter buffer: packets go in as the network brings them, 20 ms come out at every tick.

    add(packet) ──► segments on one timeline ──► pop(now) ──► bytes | Lost | None

The timeline counts units of 1/8000 s, whatever codec and clock the packets have. What must be decoded is decoded in its
order when it is played, so that a decoder never sees a packet before its predecessors.

It plays behind the newest sample by a delay that follows the jitter (`DelayEstimate`):

 - the wanted sample has not come yet: it waits, so the delay grows at once and no word is skipped;
 - a hole with later packets behind it: lost if sequence numbers are missing, else silence that was never sent;
 - more delay than needed, or so little that it will soon run dry, by jitter or by a clock that differs from ours: a
   frame is made of more or less than 20 ms of audio (`Sound.splice`); in silence at once, in speech where it is alike.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass
from math import ceil
from operator import attrgetter
from typing import Protocol

from sipagent.rtp.delay import MAXIMUM, DelayEstimate
from sipagent.rtp.steering import Course, Sound, Steering

CLOCK_RATE = 8000
"""Units a second."""
FRAME = 160
"""Units that one pop plays: 20 ms."""

_FRAME_TIME = FRAME / CLOCK_RATE
_CAPACITY = CLOCK_RATE
"""Units between oldest and newest (1 s), whatever arrives."""
_DEEPEST = CLOCK_RATE // 2
"""Units that may wait to be played; beyond, the oldest are given up."""
_LONGEST_WAIT = 20
"""Frames (400 ms) of waiting after which the stream has paused, and begins anew with what comes next."""
_LONGEST_STRIDE = 3
"""Frames by which one late packet lengthens the delay."""
_JUMP_IN_TIME = CLOCK_RATE
_JUMP_IN_SEQUENCE = 3000
_TOLERANCE = 0.001
"""Seconds by which a tick may come early."""


@dataclass(frozen=True, slots=True)
class Lost:
    """20 ms to conceal, and the 20 ms that follow them if those have come."""

    following: bytes = b""


LOST = Lost()


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterBufferStatistics:
    """What became of the packets so far.

    In seconds: `depth` waits to be played, `delay` is what the last sample waited longer than the fastest packet would
    let it, `target` what it should be; `cut` was left out of the audio and `stretched` put into it. `concealed` counts
    frames, the rest packets.
    """

    depth: float
    delay: float
    target: float
    late: int
    duplicates: int
    dropped: int
    concealed: int
    cut: float
    stretched: float


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
class _Segment:
    """One packet on the timeline. Not frozen, for one is made of every packet: frozen it takes five times as long."""

    start: int
    end: int
    sequence: int
    payload: bytes
    marker: bool
    coded: Coded | None


class JitterBuffer:
    """One stream of audio of any packet duration: of one encoding, or `Coded` and becoming that.

    Without `sound` the delay changes only where something is missing, and a unit is a byte. What is ordinary goes first
    everywhere: a packet that follows the one before, and a frame that is one packet.
    """

    __slots__ = (
        "_coded",
        "_concealed",
        "_cut",
        "_delay",
        "_delay_now",
        "_dropped",
        "_duplicates",
        "_last_frame",
        "_late",
        "_newest",
        "_newest_timestamp",
        "_next_sequence",
        "_played",
        "_playing",
        "_position",
        "_resting",
        "_segments",
        "_sound",
        "_steering",
        "_stretched",
        "_ticks",
        "_waited",
        "_waits_owed",
        "_width",
    )

    def __init__(self, sound: Sound | None = None) -> None:
        self._delay = DelayEstimate(_FRAME_TIME)
        self._segments: list[_Segment] = []
        self._played: deque[int] = deque(maxlen=128)
        self._position = 0
        self._next_sequence = 0
        self._delay_now = 0.0
        self._steering = Steering()
        self._late = self._duplicates = self._dropped = self._concealed = self._cut = self._stretched = 0
        self.change(sound)

    def change(self, sound: Sound | None) -> None:
        """Audio of another encoding comes from now on: a new stream, held back as long as the one before."""
        self._sound = sound
        self._width = sound.width if sound is not None else 1
        self._ticks = 1
        self._coded = False
        self._delay.forget()
        self._segments.clear()
        self._newest: _Segment | None = None
        self._newest_timestamp = 0
        self._playing = False
        self._waited = self._waits_owed = 0
        self._resting = -1
        self._last_frame = b""

    def add(
        self,
        extended_sequence: int,
        timestamp: int,
        payload: bytes | Coded,
        arrival: float,
        marker: bool = False,
    ) -> None:
        """Take a packet: its extended sequence number, 32-bit timestamp, and arrival in seconds."""
        coded: Coded | None
        if isinstance(payload, bytes):
            audio, coded, units, ticks = payload, None, len(payload) // self._width, 1
        else:
            audio, coded, units, ticks = b"", payload, payload.units, payload.ticks
        if not 0 < units <= _CAPACITY:
            self._dropped += 1
            return
        newest = self._newest
        start = self._place(extended_sequence, timestamp, ticks)
        if start is None:
            self._late += 1
            return
        segment = _Segment(start, start + units, extended_sequence, audio, marker, coded)
        is_newest = newest is None or extended_sequence > newest.sequence
        if not is_newest and self._is_known(segment):
            self._duplicates += 1
            return
        self._delay.add(start / CLOCK_RATE, arrival)
        if self._playing and segment.end <= self._position:
            self._miss(segment, arrival)
            return
        if coded is not None:
            self._coded = True
        if is_newest:
            self._segments.append(segment)
            self._newest, self._newest_timestamp, self._ticks = segment, timestamp, ticks
        else:
            insort(self._segments, segment, key=attrgetter("start"))
        if not (is_newest and self._playing) or segment.end - self._position > _DEEPEST:
            self._limit()

    def rest(self, extended_sequence: int) -> None:
        """Take note that this packet stands in the place of sound: comfort noise (RFC 3389), a telephone event."""
        self._resting = max(self._resting, extended_sequence)

    def pop(self, now: float) -> bytes | Lost | None:
        """Play the next 20 ms; None in silence that was never sent, and before the stream begins."""
        if not self._playing and not self._begin(now):
            return None
        if self._waits_owed:
            self._waits_owed -= 1
            return self._conceal()
        if self._waited:
            self._repay_waits()
        if self._coded:
            self._decode(self._position + FRAME)
        if self._segments and self._segments[0].start >= self._position + FRAME:
            return self._play_hole()
        self._delay_now = self._delay.of(self._position / CLOCK_RATE, now)
        if self._waited and self._segments:
            # What was just waited for may be needed again: it is not cut out before more is known.
            self._delay.raise_to(self._delay_now - _FRAME_TIME)
        payload = self._splice() or self._take()
        if payload is None:
            return self._wait()
        self._waited = 0
        self._last_frame = payload
        return payload

    def statistics(self) -> JitterBufferStatistics:
        """Tell what became of the packets so far."""
        return JitterBufferStatistics(
            depth=self._depth / CLOCK_RATE,
            delay=self._delay_now,
            target=self._delay.target,
            late=self._late,
            duplicates=self._duplicates,
            dropped=self._dropped,
            concealed=self._concealed,
            cut=self._cut / CLOCK_RATE,
            stretched=self._stretched / CLOCK_RATE,
        )

    # ---- the timeline

    def _place(self, sequence: int, timestamp: int, ticks: int) -> int | None:
        """Find a packet's first unit on the timeline; None for what belongs before a jump of the stream.

        A jump (a restarted source, new timestamps or another clock, a pause of over a second) continues where the
        stream ended.
        """
        newest = self._newest
        if newest is None:
            return 0
        ahead = sequence - newest.sequence
        elapsed = timestamp - self._newest_timestamp
        same_clock = ticks == self._ticks
        if ahead == 1 and same_clock and elapsed == (newest.end - newest.start) * ticks:
            return newest.end
        elapsed = ((elapsed + 0x80000000) % 0x100000000 - 0x80000000) // ticks
        if ahead <= 0:
            is_near = same_clock and ahead > -_JUMP_IN_SEQUENCE and -_JUMP_IN_TIME < elapsed <= 0
            return newest.start + elapsed if is_near else None
        if same_clock and ahead < _JUMP_IN_SEQUENCE and 0 < elapsed <= _JUMP_IN_TIME:
            return newest.start + elapsed
        self._delay.forget()
        if not self._segments:
            self._pause()
        return newest.end

    def _is_known(self, segment: _Segment) -> bool:
        """Whether a packet that is not the newest has come before."""
        return segment.sequence in self._played or any(segment.start == other.start for other in self._segments)

    def _limit(self) -> None:
        """Give up the oldest of what waits, where it is too much."""
        most = _DEEPEST if self._playing else _CAPACITY
        if self._depth <= most or self._newest is None:
            return
        held, oldest = len(self._segments), self._newest.end - most
        self._move_to(oldest)
        while not self._playing and self._segments and self._segments[0].start < oldest:
            self._move_to(self._segments[0].end)
        self._dropped += held - len(self._segments)
        if self._segments:
            self._next_sequence = self._segments[0].sequence

    def _move_to(self, position: int) -> None:
        self._position = position
        while self._segments and self._segments[0].end <= position:
            segment = self._segments.pop(0)
            self._played.append(segment.sequence)
            self._next_sequence = segment.sequence + 1

    @property
    def _depth(self) -> int:
        """Samples from the next to be played to the newest."""
        if self._newest is None or not self._segments:
            return 0
        return self._newest.end - (self._position if self._playing else self._segments[0].start)

    # ---- playing

    def _begin(self, now: float) -> bool:
        """Begin when the oldest packet would be older than the target a frame from now."""
        if not self._segments:
            return False
        first = self._segments[0]
        if self._delay.of(first.start / CLOCK_RATE, now) < self._delay.target - _FRAME_TIME - _TOLERANCE:
            return False
        self._playing = True
        self._position = first.start
        self._next_sequence = first.sequence
        self._waited = self._waits_owed = 0
        self._steering.begin()
        return True

    def _pause(self) -> None:
        self._playing = False
        self._segments.clear()

    def _wait(self) -> Lost | None:
        """Let this tick pass without moving on; in a rest there is nothing to wait for."""
        self._waited += 1
        if self._waited > _LONGEST_WAIT or self._resting >= self._next_sequence:
            self._pause()
            return None
        return self._conceal()

    def _repay_waits(self) -> None:
        """Take the time spent waiting for packets off the hole that they left: they were lost, or never sent."""
        if self._waited and self._segments and self._segments[0].start > self._position:
            hole = self._segments[0].start - self._position
            self._position += min(hole, self._waited * FRAME)
            self._waited = 0

    def _play_hole(self) -> Lost | None:
        """Move on through a frame of which nothing is there, though what comes after it is.

        The gap before a marker is silence even where sequence numbers are missing: a telephone event or comfort noise
        had them (RFC 3551 section 4.1). So is what follows a rest, for those that set no marker.
        """
        self._position += FRAME
        following = self._segments[0]
        rested = self._next_sequence <= self._resting < following.sequence
        if following.sequence == self._next_sequence or following.marker or rested:
            return None
        self._conceal()
        return Lost(self._read(self._position, self._position + FRAME) or b"")

    def _conceal(self) -> Lost:
        self._last_frame = b""
        self._concealed += 1
        return LOST

    def _decode(self, end: int) -> None:
        """Decode what begins before `end`; what cannot be decoded is as lost as if it had not come."""
        for segment in self._segments[:]:
            if segment.start >= end:
                return
            if segment.coded is not None:
                audio, segment.coded = segment.coded.decode(), None
                if audio is None:
                    self._segments.remove(segment)
                    self._dropped += 1
                else:
                    segment.payload = audio

    def _take(self) -> bytes | None:
        """Take the frame at the position; None while some of it may still come.

        What is missing for good of a frame (a lost packet of 30 ms ends inside one) repeats what is there.
        """
        end = self._position + FRAME
        segments = self._segments
        if not segments or self._newest is None or self._newest.end < end:
            return None
        first = segments[0]
        is_packet = first.start == self._position and first.end == end
        payload = first.payload if is_packet else self._gather(end)
        if not payload:
            return None
        self._move_to(end)
        size = FRAME * self._width
        return payload if len(payload) == size else (payload * FRAME)[:size]

    def _gather(self, end: int) -> bytes:
        """Put together what there is between the position and `end`."""
        cursor, pieces, width = self._position, [], self._width
        for segment in self._segments:
            if segment.start >= end:
                break
            pieces.append(segment.payload[max(0, cursor - segment.start) * width : (end - segment.start) * width])
            cursor = max(cursor, segment.end)
        return b"".join(pieces)

    # ---- keeping to the target

    def _splice(self) -> bytes | None:
        """Play a frame that brings the delay nearer to its target; None while it is right, or no place is good."""
        if self._sound is None:
            return None
        # A frame that does not begin with a packet waits for the next one too.
        ahead = self._into_packet()
        direction = self._steering.direction(self._delay_now - ahead / CLOCK_RATE, self._delay.target)
        frame = self._read(self._position, self._position + FRAME) if direction else None
        if frame is None:
            return None
        if self._sound.is_quiet(frame):
            # In silence any shift will do: the one after which frames begin with packets again.
            shift = (ahead or FRAME) if direction > 0 else ahead - FRAME
            return self._follow(self._sound, Course(range(shift, shift + 1), 0.0))
        course = self._steering.in_speech(direction)
        spliced = self._follow(self._sound, course) if course is not None else None
        if spliced is not None:
            self._steering.moved()
        return spliced

    def _into_packet(self) -> int:
        """Samples of the next frame that come before the packet that ends it; 0 if it is all in one."""
        if self._newest is None:
            return 0
        ahead = (self._newest.start - self._position) % (self._newest.end - self._newest.start)
        return ahead if ahead < FRAME else 0

    def _follow(self, sound: Sound, course: Course) -> bytes | None:
        """Splice the next frame if all the audio for it is there, and its seam is alike enough."""
        first, last = course.shifts[0], course.shifts[-1]
        before = self._last_frame if first < 0 else b""
        audio = self._read(self._position, self._position + FRAME + max(0, last))
        if audio is None or len(before) < -first * self._width:
            return None
        spliced = sound.splice(before + audio, len(before) // self._width, course.shifts)
        if spliced.likeness < course.least_likeness:
            return None
        self._move_to(self._position + FRAME + spliced.shift)
        self._cut += max(0, spliced.shift)
        self._stretched += max(0, -spliced.shift)
        return spliced.frame

    def _read(self, start: int, end: int) -> bytes | None:
        """Look at what lies between two positions; None if not all of it has come."""
        if self._coded:
            self._decode(end)
        pieces, cursor, width = [], start, self._width
        for segment in self._segments:
            if segment.start > cursor or cursor >= end:
                break
            pieces.append(segment.payload[(cursor - segment.start) * width : (end - segment.start) * width])
            cursor = max(cursor, segment.end)
        return b"".join(pieces) if cursor >= end else None

    def _miss(self, segment: _Segment, arrival: float) -> None:
        """Count a packet that came after its time, and wait at the next ticks so that its like would be in time.

        One straggler buys three frames at most: a packet half a second late is not worth half a second of silence.
        """
        self._late += 1
        behind = min(_LONGEST_STRIDE, ceil((self._position - segment.start) / FRAME))
        has = self._delay.of(self._position / CLOCK_RATE, arrival)
        affordable = int((MAXIMUM - has) / _FRAME_TIME)
        self._waits_owed = max(0, min(behind, affordable))
        self._delay.raise_to(has + self._waits_owed * _FRAME_TIME)
