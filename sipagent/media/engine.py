"""The media engine: one call of `tick` every 20 ms moves the audio of every leg. No clock, no thread, no socket.

    commands ─► submit ─► send ─► receive ─► events
                           │        ▲
              departures ◄─┘        └── arrivals

What is owed to the peers leaves first; everything else of a tick comes after it.
"""

import traceback
from collections.abc import Iterable

from sipagent.media.commands import Command, OpenLeg
from sipagent.media.downlink import MOST_AT_ONCE
from sipagent.media.events import Arrival, Departure, LegClosed, LegFailed, MediaEvent, MediaLate
from sipagent.media.stream import Stream


class Media:
    """All legs of one process. A driver calls `tick`, or its parts in their order, and drains the events.

    `tick` counts from anywhere and may jump: a driver that was late says so by it. `now` is in seconds of the driver's
    clock. The same calls give the same departures and events, byte for byte.

    A driver may move the legs in several `phases` of every 20 ms, so that they do not all send at once: it calls `send`
    and `receive` of every phase once a tick, each in its own part of it. A leg keeps the phase that it was opened with.

    Whatever a leg's part of a tick raises ends that leg, and the others never notice.
    """

    def __init__(self, phases: int = 1) -> None:
        self.failures = 0
        """Legs that ended by an exception."""
        self.ticks_missed = 0
        self._streams: dict[int, Stream] = {}
        self._phases: list[list[Stream]] = [[] for _ in range(phases)]
        self._phase_of: dict[int, int] = {}
        self._submitted: list[list[Command]] = [[] for _ in range(phases)]
        self._events: list[MediaEvent] = []
        self._last_tick: int | None = None

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
        departures: list[Departure] = []
        for stream in tuple(self._phases[phase]):
            try:
                stream.send(tick, now, departures)
            except Exception:
                self._fail(stream)
        return departures

    def due(self, tick: int, phase: int = 0) -> list[int]:
        """Return the legs that `receive` will move in this tick: what waits for others may go on waiting."""
        return [stream.leg for stream in self._phases[phase] if stream.is_due]

    def receive(self, tick: int, now: float, arrivals: Iterable[Arrival], phase: int = 0) -> None:
        """Take what has come since the last call, for whichever leg, and play what is due in this phase."""
        for arrival in arrivals:
            if (addressed := self._streams.get(arrival.leg)) is not None:
                addressed.inbox.append(arrival)
        bridged: list[Stream] = []
        for stream in tuple(self._phases[phase]):
            try:
                if stream.is_due:
                    stream.receive()
                self._events += stream.take_events(tick, now)
            except Exception:
                self._fail(stream)
                continue
            if stream.bridged_to is not None:
                bridged.append(stream)
            if stream.closing:
                self._forget(stream)
        for stream in bridged:
            self._relay(stream)

    def drain(self) -> list[MediaEvent]:
        """Return what the loop must know, and forget it."""
        events, self._events = self._events, []
        return events

    def _apply(self, command: Command, now: float) -> None:
        if isinstance(command, OpenLeg):
            opened = self._streams[command.leg] = Stream(command, now)
            self._phases[command.phase].append(opened)
        elif (stream := self._streams.get(command.leg)) is not None:
            try:
                stream.apply(command, now)
            except Exception:
                self._fail(stream)

    def _notice_lateness(self, tick: int) -> None:
        missed = 0 if self._last_tick is None else tick - self._last_tick - MOST_AT_ONCE
        self._last_tick = tick
        if missed > 0:
            self.ticks_missed += missed
            self._events.append(MediaLate(ticks=missed))

    def _relay(self, stream: Stream) -> None:
        """Give what a leg has just played to the one that it is bridged to."""
        other = self._streams.get(stream.bridged_to) if stream.bridged_to is not None else None
        if other is None:
            return
        try:
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

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.leg], self._phase_of[stream.leg]
        self._phases[stream.phase].remove(stream)
