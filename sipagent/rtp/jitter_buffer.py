"""The jitter buffer: packets go in as the network brings them, 20 ms come out at every tick.

    add(packet) ──► Timeline ──► pop(now) ──► bytes | Lost | None

It plays behind the newest sample by a delay that follows the jitter (`DelayEstimate`):

 - the wanted sample has not come yet: it waits, so the delay grows at once and no word is skipped;
 - a hole with later packets behind it: lost if sequence numbers are missing, else silence that was never sent;
 - more delay than needed, or so little that it will soon run dry, by jitter or by a clock that differs from ours: a
   frame is made of more or less than 20 ms of audio (`Sound.splice`); in silence at once, in speech where it is alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from sipagent.rtp.delay import MAXIMUM, DelayEstimate
from sipagent.rtp.steering import Course, Sound, Steering, bounds
from sipagent.rtp.timeline import CLOCK_RATE, FRAME, Coded, Segment, Timeline

_FRAME_TIME = FRAME / CLOCK_RATE
_CAPACITY = CLOCK_RATE
"""Units between oldest and newest (1 s), whatever arrives."""
_DEEPEST = CLOCK_RATE // 2
"""Units that may wait to be played; beyond, the oldest are given up."""
_LONGEST_WAIT = 20
"""Frames (400 ms) of waiting after which the stream has paused, and begins anew with what comes next."""
_LONGEST_STRIDE = 3
"""Frames by which one late packet lengthens the delay."""
_TOLERANCE = 0.001
"""Seconds by which a tick may come early."""


@dataclass(frozen=True, slots=True)
class Lost:
    """20 ms to conceal, and the 20 ms that follow them if those have come."""

    following: bytes = b""


LOST = Lost()


class Prospects(NamedTuple):
    """What is ordinary, in seconds.

    A packet is while its lag is at most the `target`, less a frame, above the `shortest`; a frame is while its delay is
    from `least` to `most`.
    """

    shortest: float
    target: float
    least: float
    most: float


class Outlook(NamedTuple):
    """What the next packets will be, if each follows the one before and has 20 ms in it, and what is played of them.

    Numbers of the next packet: extended `sequence`, `timestamp`, `start` on the timeline. The payloads that are
    `waiting` are played from `position` on. Of the batch by which the target is worked out so many have come.
    """

    sequence: int
    timestamp: int
    start: int
    position: int
    waiting: Sequence[bytes]
    batched: int
    prospects: Prospects


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


class JitterBuffer:
    """One stream of audio of any packet duration: of one encoding, or `Coded` and becoming that.

    Without `sound` the delay changes only where something is missing, and a unit is a byte.
    """

    __slots__ = (
        "_concealed",
        "_cut",
        "_delay",
        "_delay_now",
        "_dropped",
        "_duplicates",
        "_last_frame",
        "_late",
        "_playing",
        "_resting",
        "_sound",
        "_steering",
        "_stretched",
        "_timeline",
        "_waited",
        "_waits_owed",
        "_width",
    )

    def __init__(self, sound: Sound | None = None) -> None:
        self._delay = DelayEstimate(_FRAME_TIME)
        self._timeline = Timeline(1)
        self._delay_now = 0.0
        self._steering = Steering()
        self._late = self._duplicates = self._dropped = self._concealed = self._cut = self._stretched = 0
        self.change(sound)

    def change(self, sound: Sound | None) -> None:
        """Audio of another encoding comes from now on: a new stream, held back as long as the one before."""
        self._sound = sound
        self._width = sound.width if sound is not None else 1
        self._delay.forget()
        self._timeline.begin(self._width)
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
        timeline = self._timeline
        newest = timeline.newest
        is_newest = newest is None or extended_sequence > newest.sequence
        start = timeline.place(extended_sequence, timestamp, ticks)
        if start is None:
            if not is_newest:
                self._late += 1
                return
            start = self._jump()
        segment = Segment(start, start + units, extended_sequence, audio, marker, coded)
        if not is_newest and timeline.knows(segment):
            self._duplicates += 1
            return
        self._delay.add(start / CLOCK_RATE, arrival)
        if self._playing and segment.end <= timeline.position:
            self._miss(segment, arrival)
            return
        if is_newest:
            timeline.append(segment, timestamp, ticks)
        else:
            timeline.insert(segment)
        if not (is_newest and self._playing) or segment.end - timeline.position > _DEEPEST:
            self._limit()

    def rest(self, extended_sequence: int) -> None:
        """Take note that this packet stands in the place of sound: comfort noise (RFC 3389), a telephone event."""
        self._resting = max(self._resting, extended_sequence)

    def pop(self, now: float, *, settles: bool = True) -> bytes | Lost | None:
        """Play the next 20 ms; None in silence that was never sent, and before the stream begins.

        Unless it `settles`, the target stays as it is, if no packet that comes too late makes it grow.
        """
        audio = self._play(now)
        if settles:
            self._delay.settle()
        return audio

    def _play(self, now: float) -> bytes | Lost | None:
        if not self._playing and not self._begin(now):
            return None
        if self._waits_owed:
            self._waits_owed -= 1
            return self._conceal()
        if self._waited:
            self._repay_waits()
        timeline = self._timeline
        position, segments = timeline.position, timeline.segments
        if timeline.is_coded:
            timeline.decode(position + FRAME)
        if segments and segments[0].start >= position + FRAME:
            return self._play_hole(segments[0])
        self._delay_now = self._delay.of(position / CLOCK_RATE, now)
        if self._waited and segments:
            # What was just waited for may be needed again: it is not cut out before more is known.
            self._delay.raise_to(self._delay_now - _FRAME_TIME)
        payload = self._splice() or timeline.take()
        if payload is None:
            return self._wait()
        self._waited = 0
        self._last_frame = payload
        return payload

    def outlook(self) -> Outlook | None:
        """Say what comes next if nothing but the ordinary does; None while it does not look like that."""
        is_steady = self._playing and not (self._waits_owed or self._waited) and self._steering.is_idle
        if not is_steady or self._width != 1 or self._sound is None or not self._delay.is_known:
            return None
        timeline = self._timeline
        if timeline.newest is None or not timeline.is_whole or self._resting >= timeline.next_sequence:
            return None
        return Outlook(
            sequence=timeline.newest.sequence + 1,
            timestamp=timeline.next_timestamp,
            start=timeline.end,
            position=timeline.position,
            waiting=[segment.payload for segment in timeline.segments],
            batched=self._delay.count,
            prospects=self.prospects,
        )

    @property
    def prospects(self) -> Prospects:
        """Say what is ordinary until the target is another."""
        return Prospects(self._delay.shortest, self._delay.target, *bounds(self._delay.target))

    def follow_lags(self, lags: Sequence[float], *, settles: bool) -> None:
        """Take the lags of packets that were ordinary; `settles` as with `pop`."""
        if lags:
            self._delay.follow(lags)
        if settles:
            self._delay.settle()

    def follow(self, packets: int, waiting: Sequence[bytes], last_frame: bytes, delay: float) -> None:
        """Take note of what was played since the outlook, while all went as it says.

        So many packets have come, whose lags are known. After the frames that were played, of which the last is
        `last_frame` and had this `delay`, these `waiting` ones are left.
        """
        self._timeline.follow(packets, waiting)
        if last_frame:
            self._last_frame, self._delay_now = last_frame, delay

    def statistics(self) -> JitterBufferStatistics:
        """Tell what became of the packets so far."""
        return JitterBufferStatistics(
            depth=self._depth / CLOCK_RATE,
            delay=self._delay_now,
            target=self._delay.target,
            late=self._late,
            duplicates=self._duplicates,
            dropped=self._dropped + self._timeline.undecodable,
            concealed=self._concealed,
            cut=self._cut / CLOCK_RATE,
            stretched=self._stretched / CLOCK_RATE,
        )

    # ---- what waits

    @property
    def _depth(self) -> int:
        """Units from the next to be played to the newest."""
        timeline = self._timeline
        if not timeline.segments:
            return 0
        return timeline.end - (timeline.position if self._playing else timeline.segments[0].start)

    def _jump(self) -> int:
        """The stream has jumped: it goes on where it ended."""
        self._delay.forget()
        if not self._timeline.segments:
            self._playing = False
        return self._timeline.end

    def _limit(self) -> None:
        """Give up the oldest of what waits, where it is too much."""
        most = _DEEPEST if self._playing else _CAPACITY
        if self._depth > most:
            self._dropped += self._timeline.give_up(self._timeline.end - most, whole=not self._playing)

    # ---- playing

    def _begin(self, now: float) -> bool:
        """Begin when the oldest packet would be older than the target a frame from now."""
        timeline = self._timeline
        if not timeline.segments:
            return False
        first = timeline.segments[0]
        if self._delay.of(first.start / CLOCK_RATE, now) < self._delay.target - _FRAME_TIME - _TOLERANCE:
            return False
        self._playing = True
        timeline.position = first.start
        timeline.next_sequence = first.sequence
        self._waited = self._waits_owed = 0
        self._steering.begin()
        return True

    def _pause(self) -> None:
        self._playing = False
        self._timeline.segments.clear()

    def _wait(self) -> Lost | None:
        """Let this tick pass without moving on; in a rest there is nothing to wait for."""
        self._waited += 1
        if self._waited > _LONGEST_WAIT or self._resting >= self._timeline.next_sequence:
            self._pause()
            return None
        return self._conceal()

    def _repay_waits(self) -> None:
        """Take the time spent waiting for packets off the hole that they left: they were lost, or never sent."""
        timeline = self._timeline
        if timeline.segments and timeline.segments[0].start > timeline.position:
            hole = timeline.segments[0].start - timeline.position
            timeline.position += min(hole, self._waited * FRAME)
            self._waited = 0

    def _play_hole(self, following: Segment) -> Lost | None:
        """Move on through a frame of which nothing is there, though what comes after it is.

        The gap before a marker is silence even where sequence numbers are missing: a telephone event or comfort noise
        had them (RFC 3551 section 4.1). So is what follows a rest, for those that set no marker.
        """
        timeline = self._timeline
        timeline.position += FRAME
        rested = timeline.next_sequence <= self._resting < following.sequence
        if following.sequence == timeline.next_sequence or following.marker or rested:
            return None
        self._conceal()
        return Lost(timeline.read(timeline.position, timeline.position + FRAME) or b"")

    def _conceal(self) -> Lost:
        self._last_frame = b""
        self._concealed += 1
        return LOST

    # ---- keeping to the target

    def _splice(self) -> bytes | None:
        """Play a frame that brings the delay nearer to its target; None while it is right, or no place is good."""
        if self._sound is None:
            return None
        # A frame that does not begin with a packet waits for the next one too.
        timeline = self._timeline
        ahead = timeline.into_packet
        direction = self._steering.direction(self._delay_now - ahead / CLOCK_RATE, self._delay.target)
        frame = timeline.read(timeline.position, timeline.position + FRAME) if direction else None
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

    def _follow(self, sound: Sound, course: Course) -> bytes | None:
        """Splice the next frame if all the audio for it is there, and its seam is alike enough."""
        first, last = course.shifts[0], course.shifts[-1]
        before = self._last_frame if first < 0 else b""
        timeline = self._timeline
        audio = timeline.read(timeline.position, timeline.position + FRAME + max(0, last))
        if audio is None or len(before) < -first * self._width:
            return None
        spliced = sound.splice(before + audio, len(before) // self._width, course.shifts)
        if spliced.likeness < course.least_likeness:
            return None
        timeline.move_to(timeline.position + FRAME + spliced.shift)
        self._cut += max(0, spliced.shift)
        self._stretched += max(0, -spliced.shift)
        return spliced.frame

    def _miss(self, segment: Segment, arrival: float) -> None:
        """Count a packet that came after its time, and wait at the next ticks so that its like would be in time.

        One straggler buys three frames at most: a packet half a second late is not worth half a second of silence.
        """
        self._late += 1
        behind = min(_LONGEST_STRIDE, ceil((self._timeline.position - segment.start) / FRAME))
        has = self._delay.of(self._timeline.position / CLOCK_RATE, arrival)
        affordable = int((MAXIMUM - has) / _FRAME_TIME)
        self._waits_owed = max(0, min(behind, affordable))
        self._delay.raise_to(has + self._waits_owed * _FRAME_TIME)
