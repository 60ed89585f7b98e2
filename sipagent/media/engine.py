"""The media engine: one call of `tick` every 20 ms moves the audio of every leg. No clock, no thread, no socket.

    commands ─► submit ─► send ─► receive ─► events
                           │        ▲
              departures ◄─┘        └── arrivals

What is owed to the peers leaves first; everything else of a tick comes after it. Legs of which nothing but the ordinary
comes are moved together, by a `Convoy`.
"""

import traceback
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from sipagent.media.commands import Command, OpenLeg, Speak
from sipagent.media.convoy import Convoy, Fetched
from sipagent.media.downlink import MOST_AT_ONCE
from sipagent.media.events import RTCP, Arrival, Departure, LegClosed, LegFailed, MediaEvent, MediaLate
from sipagent.media.stream import Stream

_STRIDES = (1, 2)
_SHORT_RIDE = 10
"""Ticks: who was put ashore after fewer is not on a road for convoys."""
_ASHORE = 20
"""Ticks for which such a leg then goes on by itself, before it boards again."""


class _Seat(NamedTuple):
    """Where a leg is in a convoy, and since which tick."""

    convoy: Convoy
    row: int
    since: int


class Media:
    """All legs of one process. A driver calls `tick`, or its parts in their order, and drains the events.

    `tick` counts from anywhere and may jump: a driver that was late says so by it. `now` is in seconds of the driver's
    clock. The same calls give the same departures and events, byte for byte.

    A driver may move the legs in several `phases` of every 20 ms, so that they do not all send at once: it calls `send`
    and `receive` of every phase once a tick, each in its own part of it. A leg keeps the phase that it was opened with.

    A driver that moves the packets of convoys `by_row` looks at `convoys` after `send`, for what leaves, and brings
    `receive` what it fetched for them; any other need not know of them. Without `convoys` there are none.

    Whatever a leg's part of a tick raises ends that leg, and the others never notice.
    """

    def __init__(self, phases: int = 1, *, convoys: bool = True, by_row: bool = False) -> None:
        self.failures = 0
        """Legs that ended by an exception."""
        self.ticks_missed = 0
        self._streams: dict[int, Stream] = {}
        self._alone: list[dict[int, Stream]] = [{} for _ in range(phases)]
        """Those that no convoy moves, by phase and leg."""
        self._phase_of: dict[int, int] = {}
        self._convoys: list[dict[int, Convoy]] = [{} for _ in range(phases)]
        """By phase and stride, from when the first leg boards."""
        self._seats: dict[int, _Seat] = {}
        self._board_at: dict[int, int] = {}
        """The ticks from which on legs may board again."""
        self._has_convoys = convoys
        self._by_row = by_row
        self._submitted: list[list[Command]] = [[] for _ in range(phases)]
        self._events: list[MediaEvent] = []
        self._last_tick: int | None = None

    @property
    def aboard(self) -> int:
        """Legs that are in a convoy now."""
        return len(self._seats)

    def convoys(self, phase: int) -> Iterable[Convoy]:
        """Return the convoys of a phase so far; there never are less."""
        return self._convoys[phase].values()

    def tick(self, tick: int, now: float, commands: Iterable[Command], arrivals: Iterable[Arrival]) -> list[Departure]:
        """Do one tick as a whole, all legs being of phase 0, and return what is to be sent."""
        for command in commands:
            self.submit(command)
        departures = self.send(tick, now)
        self.receive(tick, now, arrivals)
        return departures

    def submit(self, command: Command) -> None:
        """Take what the loop asks. It is done as the leg's next tick begins, and forgotten if the leg is gone."""
        if isinstance(command, OpenLeg):
            self._phase_of[command.leg] = command.phase
        phase = self._phase_of.get(command.leg)
        if phase is not None:
            self._submitted[phase].append(command)

    def send(self, tick: int, now: float, phase: int = 0) -> list[Departure]:
        """Do what was asked of the legs of a phase, and make everything that leaves of them in this tick."""
        if phase == 0:
            self._notice_lateness(tick)
        submitted, self._submitted[phase] = self._submitted[phase], []
        for command in submitted:
            self._apply(command, now)
        convoys = self._convoys[phase].values()
        for convoy in convoys:
            try:
                convoy.put_ashore_before(tick, partial(self._go_alone, until=tick))
            except Exception:
                self._fail_all(convoy)
        departures: list[Departure] = []
        for stream in tuple(self._alone[phase].values()):
            try:
                stream.send(tick, now, departures)
            except Exception:
                self._fail(stream)
        for convoy in convoys:
            try:
                reports = convoy.send(tick, now, self._fail)
            except Exception:
                self._fail_all(convoy)
                continue
            departures += reports if self._by_row else [*convoy.departures(), *reports]
        return departures

    def due(self, tick: int, phase: int = 0) -> list[int]:
        """Return the legs that `receive` will move in this tick: what waits for others may go on waiting."""
        alone = [stream.leg for stream in self._alone[phase].values() if stream.is_due(tick)]
        if self._by_row:
            return alone
        return alone + [
            stream.leg for convoy in self.convoys(phase) if convoy.is_due(tick) for stream in convoy.streams
        ]

    def receive(
        self,
        tick: int,
        now: float,
        arrivals: Iterable[Arrival],
        phase: int = 0,
        fetched: Mapping[Convoy, Fetched] | None = None,
    ) -> None:
        """Take what has come since the last call, for whichever leg, and play what is due in this phase."""
        for arrival in arrivals:
            if (addressed := self._streams.get(arrival.leg)) is not None:
                addressed.inbox.append(arrival)
                if (self._by_row or arrival.kind == RTCP) and (seat := self._seats.get(arrival.leg)) is not None:
                    seat.convoy.call(seat.row)
        convoys = [convoy for convoy in self._convoys[phase].values() if convoy.is_due(tick)]
        for convoy in convoys:
            try:
                came = fetched[convoy] if fetched is not None else convoy.pack()
                convoy.receive(tick, came, partial(self._leave, tick), self._fail)
            except Exception:
                self._fail_all(convoy)
        for convoy in self._convoys[phase].values():
            self._events += convoy.take_events()
        self._receive_alone(tick, now, phase)

    def drain(self) -> list[MediaEvent]:
        """Return what the loop must know, and forget it."""
        events, self._events = self._events, []
        return events

    # ---- one by one

    def _receive_alone(self, tick: int, now: float, phase: int) -> None:
        """Move the legs that no convoy does; who may then board one, does."""
        heard: list[Stream] = []
        for stream in tuple(self._alone[phase].values()):
            try:
                if stream.is_due(tick):
                    stream.receive()
                    heard.append(stream)
                self._events += stream.take_events(tick, now)
            except Exception:
                self._fail(stream)
                continue
            if stream.closing:
                self._forget(stream)
        # Two may be bridged to one: it hears them in turn, itself first, as who is in a convoy does.
        for stream in sorted(heard, key=lambda one: (one.bridged_to != one.leg, one.leg)):
            self._relay(stream, tick)
        if self._has_convoys:
            for stream in heard:
                if stream.leg in self._streams and self._board_at.get(stream.leg, tick) <= tick:
                    self._board(stream, tick)

    def _apply(self, command: Command, now: float) -> None:
        if isinstance(command, OpenLeg):
            opened = self._streams[command.leg] = Stream(command, now)
            self._alone[command.phase][command.leg] = opened
        elif (stream := self._streams.get(command.leg)) is not None:
            try:
                if not (isinstance(command, Speak) and self._speak_aboard(stream, command)):
                    self._put_ashore(stream, until=0)
                    stream.apply(command, now)
            except Exception:
                self._fail(stream)

    def _notice_lateness(self, tick: int) -> None:
        missed = 0 if self._last_tick is None else tick - self._last_tick - MOST_AT_ONCE
        self._last_tick = tick
        if missed > 0:
            self.ticks_missed += missed
            self._events.append(MediaLate(ticks=missed))

    def _relay(self, stream: Stream, tick: int) -> None:
        """Give what a leg has just played to the one that it is bridged to."""
        other = self._streams.get(stream.bridged_to) if stream.bridged_to is not None else None
        if other is None:
            return
        try:
            self._put_ashore(other, until=tick + _ASHORE)
            other.relay(stream)
        except Exception:
            self._fail(other)

    def _fail(self, stream: Stream) -> None:
        """End the leg whose step has just raised, whatever it was: its call ends and says why."""
        self.failures += 1
        self._forget(stream)
        self._events.append(LegFailed(leg=stream.leg, traceback=traceback.format_exc()))
        self._events += stream.abandon()
        self._events.append(LegClosed(leg=stream.leg, statistics=None))

    def _fail_all(self, convoy: Convoy) -> None:
        """End the legs of a convoy whose step has just raised: all others never notice."""
        for stream in convoy.streams:
            self._fail(stream)

    def _forget(self, stream: Stream) -> None:
        seat = self._seats.pop(stream.leg, None)
        if seat is not None:
            seat.convoy.drop(seat.row)
        self._alone[stream.phase].pop(stream.leg, None)
        self._board_at.pop(stream.leg, None)
        del self._streams[stream.leg], self._phase_of[stream.leg]

    # ---- on and off board

    def _board(self, stream: Stream, tick: int) -> None:
        """Let a leg into the convoy of its phase and stride, if it may."""
        passage = stream.passage()
        if passage is None:
            return
        convoys = self._convoys[stream.phase]
        convoy = convoys.get(passage.stride)
        if convoy is None:
            convoy = convoys[passage.stride] = Convoy(passage.stride)
        if convoy.has_room and tick % passage.stride == 0:
            row = convoy.board(stream, passage, tick)
            self._seats[stream.leg] = _Seat(convoy, row, tick)
            del self._alone[stream.phase][stream.leg]

    def _leave(self, tick: int, stream: Stream) -> None:
        """Let a leg go on by itself for which something has come that is not ordinary; longer, if that is usual."""
        is_usual = tick - self._seats[stream.leg].since < _SHORT_RIDE
        self._go_alone(stream, tick + _ASHORE if is_usual else tick)

    def _put_ashore(self, stream: Stream, until: int) -> None:
        """Take a leg out of its convoy, if it is in one, for what is asked of it."""
        seat = self._seats.get(stream.leg)
        if seat is not None:
            self._go_alone(seat.convoy.put_ashore(seat.row), until)

    def _go_alone(self, stream: Stream, until: int) -> None:
        """Move a leg by itself that a convoy has put ashore, up to that tick at least."""
        del self._seats[stream.leg]
        self._alone[stream.phase][stream.leg] = stream
        self._board_at[stream.leg] = until

    def _speak_aboard(self, stream: Stream, command: Speak) -> bool:
        """Give a leg in a convoy more to say; False if there is none, or it cannot."""
        seat = self._seats.get(stream.leg)
        return seat is not None and seat.convoy.speak(seat.row, command)
