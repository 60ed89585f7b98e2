"""The media engine: one call of `tick` every 20 ms moves the audio of every leg. No clock, no thread, no socket.

    commands ─► apply ─► send ─► receive ─► events
                          │        ▲
             departures ◄─┘        └── arrivals

What is owed to the peers leaves first; everything else of a tick comes after it.
"""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from sipagent.media.commands import Command, OpenLeg
from sipagent.media.downlink import MOST_AT_ONCE
from sipagent.media.events import Arrival, Departure, LegClosed, LegFailed, MediaEvent, MediaLate
from sipagent.media.stream import Stream

P = ParamSpec("P")
T = TypeVar("T")


class Media:
    """All legs of one process. A driver calls `tick`, or its parts in their order, and drains the events.

    `tick` counts from anywhere and may jump: a driver that was late says so by it. `now` is in seconds of the driver's
    clock. The same calls give the same departures and events, byte for byte.
    """

    def __init__(self) -> None:
        self.failures = 0
        """Legs that ended by an exception."""
        self.ticks_missed = 0
        self._streams: dict[int, Stream] = {}
        self._events: list[MediaEvent] = []
        self._last_tick: int | None = None

    def tick(self, tick: int, now: float, commands: Iterable[Command], arrivals: Iterable[Arrival]) -> list[Departure]:
        """Do one tick as a whole, and return what is to be sent."""
        for command in commands:
            self.apply(command, now)
        departures = self.send(tick, now)
        self.receive(tick, now, arrivals)
        return departures

    def apply(self, command: Command, now: float) -> None:
        """Do what the loop asks; what is asked of a leg that is gone is forgotten."""
        if isinstance(command, OpenLeg):
            self._streams[command.leg] = Stream(command, now)
        elif (stream := self._streams.get(command.leg)) is not None:
            self._run(stream, stream.apply, command, now)

    def send(self, tick: int, now: float) -> list[Departure]:
        """Make everything that leaves in this tick."""
        self._notice_lateness(tick)
        departures: list[Departure] = []
        for stream in tuple(self._streams.values()):
            departures += self._run(stream, stream.send, tick, now) or ()
        return departures

    def receive(self, tick: int, now: float, arrivals: Iterable[Arrival]) -> None:
        """Take what has come since the last tick, and play what is due."""
        by_leg: defaultdict[int, list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            by_leg[arrival.leg].append(arrival)
        for stream in tuple(self._streams.values()):
            self._run(stream, stream.receive, by_leg[stream.leg], tick, now)
            self._relay(stream)
            self._events += self._run(stream, stream.take_events, tick, now) or ()
            if stream.closing:
                self._streams.pop(stream.leg, None)

    def drain(self) -> list[MediaEvent]:
        """Return what the loop must know, and forget it."""
        events, self._events = self._events, []
        return events

    def _notice_lateness(self, tick: int) -> None:
        missed = 0 if self._last_tick is None else tick - self._last_tick - MOST_AT_ONCE
        self._last_tick = tick
        if missed > 0:
            self.ticks_missed += missed
            self._events.append(MediaLate(ticks=missed))

    def _relay(self, stream: Stream) -> None:
        """Give what a leg has just played to the one that it is bridged to."""
        other = self._streams.get(stream.bridged_to) if stream.bridged_to is not None else None
        if other is not None:
            self._run(other, other.relay, stream)

    def _run(self, stream: Stream, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do one leg's step. If it raises, that leg ends, and the others never notice."""
        if stream.leg not in self._streams:
            return None
        try:
            return step(*args, **kwargs)
        except Exception:  # whatever it was, it is one leg's: its call ends and says why
            self._fail(stream, traceback.format_exc())
            return None

    def _fail(self, stream: Stream, text: str) -> None:
        self.failures += 1
        del self._streams[stream.leg]
        self._events.append(LegFailed(leg=stream.leg, traceback=text))
        self._events += stream.abandon()
        self._events.append(LegClosed(leg=stream.leg, statistics=None))
