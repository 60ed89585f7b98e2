"""The media thread: one absolute grid for all calls, beside the loop.

    loop ── commands ──► deque ─┐                            ┌─► sockets
                                ├─► Media, each call once in 20 ms, in its phase
    loop ◄──── events ──────────┘                            └── sockets

Each wake-up sends first. Nothing in it gives the interpreter away but the wait for the next one; so a loop that is busy
in Python delays it by one switch interval at most.
"""

import asyncio
import itertools
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sipagent.media import (
    CloseLeg,
    Command,
    Leg,
    LegClosed,
    LegFailed,
    Media,
    MediaEvent,
    MediaLate,
    OpenLeg,
    SetMedia,
)
from sipagent.net.heartbeat import Silence, Watch, stacks
from sipagent.net.kernel import Grid
from sipagent.net.leg_sockets import LegSockets
from sipagent.net.phases import PHASES, TICK, Phases
from sipagent.net.port_pair import PortPair
from sipagent.net.priority import Urgency, make_urgent
from sipagent.net.punctuality import Punctuality

log = logging.getLogger("sipagent.media")

_SWITCH_INTERVAL = 0.0002
"""Seconds after which a busy loop must hand the interpreter to the waking tick (5 ms is Python's default).

From 0.1 to 0.5 ms packets leave as evenly, at 1 ms twice as far off. libav gives the interpreter away several times a
frame and waits for it as often, so wideband calls want it short. A busy loop loses 1 % of its speed to 0.2 ms, 5 to
0.1.
"""
_STRIDE = 2
"""Ticks of which one hears for both: what a leg has is fetched into the caches half as often."""
_BEATS = 10
"""How often the loop shows that it lives, in the time that the thread's patience lasts."""


class Ports(Protocol):
    """Where the RTP ports of legs come from. `now` is in seconds of the monotonic clock."""

    def lease(self, now: float) -> PortPair:
        """Return the bound pair of one more leg. Raises NoPortFree."""

    def release(self, pair: PortPair, now: float) -> None:
        """Take it back."""

    def sockets(self) -> LegSockets:
        """Make what the media thread moves datagrams by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStatistics:
    """How the media thread has done. Frames are those of calls that have ended."""

    urgency: Urgency
    """How the thread is scheduled."""
    wakes: int
    wakes_late: int
    """Wake-ups more than 2 ms after their time."""
    worst_late: float
    """Seconds of the latest of them."""
    frames_bunched: int
    """Sent right behind another, which a late wake-up owed too."""
    frames_skipped: int
    """Owed by so late a wake-up that they were not sent."""
    unsent: int
    """Datagrams that the kernel did not take."""
    foreign: int
    """Datagrams that came to a shared port and were nobody's."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A leg with its sockets, and the part of a tick that moves it."""

    leg: Leg
    pair: PortPair
    phase: int


class MediaThread:
    """The media plane of a real phone. `start` and all other methods are called on the loop.

    `rtp_timeout` (seconds), `uplink_ms` and `quiet_uplink_ms` hold for every leg. When loop or thread have not moved
    for `patience` seconds, the stacks of all threads are logged; with `exit_when_stuck` the process ends after three
    times that, for its supervisor to start it anew.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        rtp_timeout: float = 60.0,
        uplink_ms: int = 40,
        quiet_uplink_ms: int = 100,
        patience: float = 10.0,
        exit_when_stuck: bool = False,
    ) -> None:
        self._ports = ports
        self._rtp_timeout = rtp_timeout
        self._uplink_ms = uplink_ms
        self._quiet_uplink_ms = quiet_uplink_ms
        self._exit_when_stuck = exit_when_stuck
        self._numbers = itertools.count(1)
        self._phases = Phases()
        self._lines: dict[int, _Line] = {}
        self._commands: deque[Command] = deque()
        self._posted: deque[list[MediaEvent]] = deque()
        self._thread = threading.Thread(target=self._run, name="sipagent-media", daemon=True)
        self._stopping = False

        self._sockets = ports.sockets()
        self._urgency = Urgency.ORDINARY
        self._punctuality = Punctuality()
        self._frames_bunched = 0
        self._frames_skipped = 0
        self._thread_beats = 0
        self._loop_beats = 0
        self._patience = patience
        self._watch_of_thread = Watch(trace_after=_BEATS, exit_after=3 * _BEATS)
        self._watch_of_loop = Watch(trace_after=round(patience / TICK), exit_after=round(3 * patience / TICK))

    # ---- the loop's side

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to tick; events are delivered on `loop`."""
        self._loop = loop
        self._punctuality.watch(threading.get_ident())
        self._usual_switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        self._thread.start()
        self._beat()

    def open_leg(
        self,
        *,
        host: str,
        ssrc: int,
        sequence: int,
        timestamp: int,
        cname: str,
        trace: bool = False,
        on_event: Callable[[MediaEvent], None],
    ) -> Leg:
        """Bind a port pair and make a leg on it, which the peer reaches at `host`. Raises NoPortFree."""
        pair = self._ports.lease(time.monotonic())
        number = next(self._numbers)
        leg = Leg(number, self._commands.append, host=host, port=pair.port, on_event=on_event)
        phase = self._phases.join()
        self._lines[number] = _Line(leg, pair, phase)
        self._commands.append(
            OpenLeg(
                leg=number,
                ssrc=ssrc,
                sequence=sequence,
                timestamp=timestamp,
                cname=cname,
                wall_offset=time.time() - time.monotonic(),
                rtp_timeout=self._rtp_timeout,
                uplink_ms=self._uplink_ms,
                quiet_uplink_ms=self._quiet_uplink_ms,
                phase=phase,
                stride=_STRIDE,
                trace=trace,
            )
        )
        return leg

    def statistics(self) -> MediaStatistics:
        """Sum up what has happened since `start`."""
        return MediaStatistics(
            urgency=self._urgency,
            wakes=self._punctuality.wakes,
            wakes_late=self._punctuality.late,
            worst_late=self._punctuality.worst,
            frames_bunched=self._frames_bunched,
            frames_skipped=self._frames_skipped,
            unsent=self._sockets.unsent,
            foreign=self._sockets.foreign,
        )

    def close(self) -> None:
        """End every leg, stop the thread and give all ports back; the last events are delivered before it returns."""
        if not self._thread.is_alive():
            return
        for line in tuple(self._lines.values()):
            line.leg.close()
        self._stopping = True
        self._thread.join()
        self._heartbeat.cancel()
        sys.setswitchinterval(self._usual_switch_interval)
        self._deliver()

    def _deliver(self) -> None:
        """Hand every posted event to its leg. What one leg's handler raises concerns no other."""
        while self._posted:
            for event in self._posted.popleft():
                try:
                    self._take(event)
                except Exception as error:  # one call's handler: the events behind it are other calls'
                    context = {"message": f"a handler of {type(event).__name__} failed", "exception": error}
                    self._loop.call_exception_handler(context)

    def _take(self, event: MediaEvent) -> None:
        if isinstance(event, MediaLate):
            return  # the wake-up that caused it is counted, and every leg counts what it skipped
        line = self._lines[event.leg]
        if isinstance(event, LegClosed):
            del self._lines[event.leg]
            self._phases.leave(line.phase)
            self._ports.release(line.pair, time.monotonic())
            if event.statistics is not None:
                self._frames_bunched += event.statistics.frames_bunched
                self._frames_skipped += event.statistics.frames_skipped
        line.leg.deliver(event)

    def _beat(self) -> None:
        """Show that the loop lives, look whether the thread does, and say if it was late."""
        self._loop_beats += 1
        self._heartbeat = self._loop.call_later(self._patience / _BEATS, self._beat)
        late = self._punctuality.news()
        if late is not None and late.seconds >= TICK:
            milliseconds = round(late.seconds * 1000)
            where = f"at {late.where}" if late.where else "idle: is this machine busy with something else?"
            log.warning("the media thread woke up %d ms late; the event loop was %s", milliseconds, where)
        self._judge(self._watch_of_thread.look(self._thread_beats), "the media thread")

    # ---- the thread's side

    def _run(self) -> None:
        self._urgency = make_urgent()
        log.debug("the media thread is scheduled as %s", self._urgency.value)
        media = Media(PHASES, by_row=self._sockets.by_row)
        grid = Grid(TICK / PHASES)
        point, end = 0, None
        while end is None or point < end:
            before, awaited = point, self._phases.next(point)
            point = grid.wait(awaited)
            now = time.monotonic()
            if self._lines:  # late for nobody is not late
                self._punctuality.note(grid.lateness(now))
            if end is None and self._stopping:
                end = point + 2 * PHASES  # in which every leg is heard once more, and ends
            self._move(media, self._phases.due(awaited, point), now)
            if point // PHASES > before // PHASES:
                self._thread_beats += 1
                self._judge(self._watch_of_loop.look(self._loop_beats), "the event loop")
        grid.close()

    def _move(self, media: Media, due: list[tuple[int, int]], now: float) -> None:
        """Move what is due, as (tick, phase), mostly one."""
        began = time.thread_time()
        refused = self._take_commands(media)
        for tick, phase in due:
            self._sockets.send(media.send(tick, now, phase), media.convoys(phase))
        arrivals = self._sockets.receive(now, [leg for tick, phase in due for leg in media.due(tick, phase)])
        for tick, phase in due:
            convoys = [convoy for convoy in media.convoys(phase) if convoy.is_due(tick)]
            media.receive(tick, now, arrivals, phase, self._sockets.fetch(now, convoys))
            arrivals = []
        if events := refused + media.drain():
            for event in events:
                if isinstance(event, LegClosed):
                    self._sockets.close(event.leg)
            self._post(events)
        for _, phase in due:
            self._phases.took(phase, (time.thread_time() - began) / len(due))

    def _take_commands(self, media: Media) -> list[MediaEvent]:
        """Do what the loop asks; returns the failures of legs whose peer cannot be told from another's."""
        refused: list[MediaEvent] = []
        for _ in range(len(self._commands)):
            command = self._commands.popleft()
            if isinstance(command, OpenLeg):
                self._sockets.open(command, self._lines[command.leg].pair)
            elif isinstance(command, SetMedia) and (why := self._sockets.direct(command)) is not None:
                refused.append(LegFailed(leg=command.leg, traceback=why))
                command = CloseLeg(leg=command.leg)
            media.submit(command)
        return refused

    def _post(self, events: list[MediaEvent]) -> None:
        self._posted.append(events)
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop was closed under us: nobody is left to serve
            self._stopping = True

    def _judge(self, silence: Silence, who: str) -> None:
        if silence is Silence.TRACE:
            log.critical("%s has not moved for %g s:\n%s", who, self._patience, stacks())
        elif silence is Silence.EXIT and self._exit_when_stuck:
            log.critical("%s has not moved for %g s: the process ends", who, 3 * self._patience)
            os._exit(os.EX_SOFTWARE)
