"""The media thread: one absolute 20 ms grid for all calls, beside the loop.

    loop ── commands ──► deque ─┐                            ┌─► sockets
                                ├─► Media, one tick each 20 ms
    loop ◄─ one wake-up a tick ─┘                            └── sockets

The tick sends first. Nothing in it gives the interpreter away but the wait for the next one; so a loop that is busy in
Python delays it by one switch interval at most.
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

from sipagent.media import (
    RTCP,
    RTP,
    Arrival,
    Command,
    Leg,
    LegClosed,
    LegFailed,
    Media,
    MediaEvent,
    MediaLate,
    OpenLeg,
)
from sipagent.net.datagrams import Inbox, Outbox
from sipagent.net.heartbeat import Silence, Watch, stacks
from sipagent.net.kernel import Grid, Readiness
from sipagent.net.ports import PortPair, PortPool
from sipagent.net.priority import make_urgent

log = logging.getLogger("sipagent.media")

TICK = 0.02
_SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy loop must hand the interpreter to the waking tick (5 ms is Python's default)."""
_BEATS = 10
"""How often the loop shows that it lives, in the time that the thread's patience lasts."""
_OLDEST_ARRIVAL = 5.0
"""Seconds; an older time stamp is a wall clock that was set meanwhile."""
_ROUNDS = 64
"""Datagrams of one socket that one tick takes: a second of audio, and the most that a flood gets of us."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A leg with its sockets."""

    leg: Leg
    pair: PortPair


class MediaThread:
    """The media plane of a real phone. `start` and all other methods are called on the loop.

    `rtp_timeout` (seconds) and `uplink_ms` hold for every leg. When loop or thread have not moved for `patience`
    seconds, the stacks of all threads are logged; with `exit_when_stuck` the process ends after three times that, for
    its supervisor to start it anew.
    """

    def __init__(
        self,
        ports: PortPool,
        *,
        rtp_timeout: float = 60.0,
        uplink_ms: int = 40,
        patience: float = 10.0,
        exit_when_stuck: bool = False,
    ) -> None:
        self._ports = ports
        self._rtp_timeout = rtp_timeout
        self._uplink_ms = uplink_ms
        self._exit_when_stuck = exit_when_stuck
        self._numbers = itertools.count(1)
        self._lines: dict[int, _Line] = {}
        self._commands: deque[Command] = deque()
        self._posted: deque[list[MediaEvent]] = deque()
        self._thread = threading.Thread(target=self._run, name="sipagent-media", daemon=True)
        self._stopping = False

        self._ticks = 0
        self._ticks_late = 0
        self._loop_beats = 0
        self._patience = patience
        self._watch_of_thread = Watch(trace_after=_BEATS, exit_after=3 * _BEATS)
        self._watch_of_loop = Watch(trace_after=round(patience / TICK), exit_after=round(3 * patience / TICK))

    # ---- the loop's side

    @property
    def capacity(self) -> int:
        """How many calls the port range carries."""
        return self._ports.capacity

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to tick; events are delivered on `loop`."""
        self._loop = loop
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
        self._lines[number] = _Line(leg, pair)
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
                trace=trace,
            )
        )
        return leg

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
            self._ticks_late += event.ticks
            return
        if isinstance(event, LegFailed):
            log.error("the media of a call failed and it ends:\n%s", event.traceback)
        line = self._lines[event.leg]
        if isinstance(event, LegClosed):
            del self._lines[event.leg]
            self._ports.release(line.pair, time.monotonic())
        line.leg.deliver(event)

    def _beat(self) -> None:
        """Show that the loop lives, look whether the thread does, and say if it was late."""
        self._loop_beats += 1
        self._heartbeat = self._loop.call_later(self._patience / _BEATS, self._beat)
        if self._ticks_late:
            log.warning("the media thread woke up late: %d ms of every call were not sent", self._ticks_late * 20)
            self._ticks_late = 0
        self._judge(self._watch_of_thread.look(self._ticks), "the media thread")

    # ---- the thread's side

    def _run(self) -> None:
        log.debug("the media thread is scheduled as %s", make_urgent().value)
        media = Media()
        sockets = _Sockets()
        grid = Grid(TICK)
        tick = 0
        stopping = False
        while not stopping:
            stopping = self._stopping
            tick += grid.wait()
            self._tick(tick, media, sockets)
            self._ticks += 1
            self._judge(self._watch_of_loop.look(self._loop_beats), "the event loop")
        grid.close()
        sockets.close()

    def _tick(self, tick: int, media: Media, sockets: "_Sockets") -> None:
        now = time.monotonic()
        for _ in range(len(self._commands)):
            command = self._commands.popleft()
            if isinstance(command, OpenLeg):
                sockets.add(command.leg, self._lines[command.leg].pair)
            media.apply(command, now)
        for departure in media.send(tick, now):
            sockets.send(departure.leg, departure.kind, departure.destination, departure.data)
        media.receive(tick, now, sockets.receive(now))
        if events := media.drain():
            for event in events:
                if isinstance(event, LegClosed):
                    sockets.remove(event.leg)
            self._post(events)

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


class _Sockets:
    """The sockets of all legs, as the thread uses them."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._readiness = Readiness()
        self._descriptors: dict[tuple[int, str], int] = {}
        self._owners: dict[int, tuple[int, str]] = {}

    def add(self, leg: int, pair: PortPair) -> None:
        """Listen for a leg."""
        for kind, bound in ((RTP, pair.rtp), (RTCP, pair.rtcp)):
            descriptor = bound.fileno()
            self._descriptors[leg, kind] = descriptor
            self._owners[descriptor] = leg, kind
            self._readiness.add(descriptor)

    def remove(self, leg: int) -> None:
        """Leave a leg's sockets to whoever closes them."""
        for kind in (RTP, RTCP):
            descriptor = self._descriptors.pop((leg, kind))
            del self._owners[descriptor]
            self._readiness.remove(descriptor)

    def send(self, leg: int, kind: str, destination: tuple[str, int], data: bytes) -> None:
        """Send one datagram of a leg."""
        self._outbox.send(self._descriptors[leg, kind], data, destination)

    def receive(self, now: float) -> list[Arrival]:
        """Return all that has come, with the kernel's time on our clock.

        One datagram of each socket a round, as most have one: what a flood sends on top is left for the next time.
        """
        wall_ahead, oldest = time.time_ns() - time.monotonic_ns(), now - _OLDEST_ARRIVAL
        receive, owners = self._inbox.receive, self._owners
        arrivals = []
        for _ in range(_ROUNDS):
            ready = self._readiness.ready()
            if not ready:
                break
            for descriptor in ready:
                received = receive(descriptor)
                if received is not None:
                    leg, kind = owners[descriptor]
                    source, data, wall_ns = received
                    came = (wall_ns - wall_ahead) / 1e9
                    arrivals.append(Arrival(leg, kind, source, data, came if oldest < came < now else now))
        return arrivals

    def close(self) -> None:
        """Give back what is not the legs'."""
        self._readiness.close()
