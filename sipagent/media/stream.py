"""One leg inside the engine: its RTP session, its two halves, and what is kept of them."""

from sipagent.media.commands import (
    Bridge,
    Clear,
    CloseLeg,
    Command,
    OpenLeg,
    Record,
    SendDigit,
    SetMedia,
    Speak,
    StreamSettings,
)
from sipagent.media.downlink import Downlink
from sipagent.media.events import (
    RTCP,
    RTP,
    Arrival,
    Departure,
    HostPort,
    LegClosed,
    LegStatistics,
    MediaEvent,
    TickRecord,
)
from sipagent.media.tape import TapeWriter
from sipagent.media.uplink import Uplink
from sipagent.rtp.packet import is_rtcp
from sipagent.rtp.session import RtpSession

_TICK = 0.02
_MOST_MADE_UP = 50
"""Ticks (1 s) whose audio a late one plays after them; the jitter buffer holds no more."""


class Stream:
    """A leg from `OpenLeg` to `LegClosed`. In each tick: `apply` what was asked, `send`, `receive`, `take_events`."""

    def __init__(self, opened: OpenLeg, now: float) -> None:
        self.leg = opened.leg
        self.closing = False
        self.bridged_to: int | None = None
        """The leg whose peer hears ours."""
        self.played = b""
        """What was played in the last tick."""
        self._opened = opened
        self._session = RtpSession(
            ssrc=opened.ssrc,
            sequence=opened.sequence,
            timestamp=opened.timestamp,
            cname=opened.cname,
            now=now,
            spread=opened.ssrc % 1000 / 1000,  # as random as the SSRC, and nothing more for a replay to know
        )
        self._downlink = Downlink(opened.leg, self._session)
        self._uplink = Uplink(opened, self._session, now)
        self._settings: StreamSettings | None = None
        self._rtcp_source: HostPort | None = None
        self._tape: TapeWriter | None = None
        self._last_tick: int | None = None
        self._owed = 0
        self._sent = b""
        self._commands = 1
        self._introduced = False
        self._departures: list[Departure] = []
        self._arrivals: list[Arrival] = []

    @property
    def encoding(self) -> str | None:
        """What is played; None while there are no settings."""
        return self._settings.encoding if self._settings is not None else None

    # ---- the four steps of a tick

    def apply(self, command: Command, now: float) -> None:
        """Do what the loop asks."""
        self._commands += not isinstance(command, Record)  # to record or not changes nothing that leaves
        match command:
            case Speak():
                self._downlink.speak(command)
            case SetMedia(settings=settings):
                self._settings = settings
                self._downlink.set_media(settings)
                self._uplink.set_media(settings, now)
            case Clear():
                self._downlink.clear()
            case SendDigit():
                self._downlink.press(command)
            case Bridge(other=other):
                self.bridged_to = other
                self._uplink.tell_loop(other is None)
            case Record(masked=masked):
                self._tape = self._tape or TapeWriter(self.leg)
                self._tape.masked = masked
            case CloseLeg():
                self.closing = True

    def send(self, tick: int, now: float) -> list[Departure]:
        """Make all that leaves: the packets owed since the last tick, and a report when one is due."""
        self._departures, self._sent, self._owed = [], b"", 0
        settings, destination = self._settings, self._uplink.destination
        if settings is not None and destination is not None:
            self._owed = 1 if self._last_tick is None else tick - self._last_tick
            self._last_tick = tick
            packets = [] if self.closing else self._downlink.send(tick, self._owed)
            self._sent = b"".join(packet.audio for packet in packets)
            self._departures = [Departure(self.leg, RTP, destination, packet.datagram) for packet in packets]
            self._report(now, self._rtcp_destination(settings, destination))
        return self._departures

    def receive(self, arrivals: list[Arrival], tick: int, now: float) -> None:
        """Take what has come, and play what is due of it: after a late wake-up, as if every tick had come in time."""
        self._arrivals = waiting = arrivals
        played = b""
        for behind in reversed(range(1, min(self._owed, _MOST_MADE_UP))):
            moment = now - behind * _TICK
            self._take([arrival for arrival in waiting if arrival.time <= moment])
            waiting = [arrival for arrival in waiting if arrival.time > moment]
            played += self._uplink.play(tick - behind, moment)
        self._take(waiting)
        played += self._uplink.play(tick, now)
        self.played = played
        if self._tape is not None and self._settings is not None:
            self._tape.add(played, self._sent, self._settings.encoding)

    def relay(self, other: "Stream") -> None:
        """Take what another leg has just played."""
        if other.encoding is not None:
            self._downlink.relay(other.played, other.encoding)

    def take_events(self, tick: int, now: float) -> list[MediaEvent]:
        """Return what the loop must know of this tick. The trace of it comes first: the rest may cause things."""
        events: list[MediaEvent] = []
        if self._opened.trace:
            events.append(self._record(tick, now))
            self._introduced = True
        self._commands = 0
        if self.closing:
            self._downlink.clear()
        for part in (self._downlink, self._uplink):
            events += part.events
            part.events.clear()
        if self._tape is not None:
            events += self._tape.take(rest=self.closing)
        if self.closing:
            events.append(LegClosed(leg=self.leg, statistics=self._statistics()))
        return events

    def abandon(self) -> list[MediaEvent]:
        """Say what became of the speech of a leg that has failed."""
        self._downlink.clear()
        return self._downlink.events

    def _take(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            if arrival.kind == RTCP or is_rtcp(arrival.data):
                self._receive_report(arrival)
            else:
                self._uplink.receive(arrival.source, arrival.data, arrival.time)

    # ---- reports (RTCP)

    def _report(self, now: float, destination: HostPort) -> None:
        wall_time = now + self._opened.wall_offset
        if self.closing:
            self._departures.append(Departure(self.leg, RTCP, destination, self._session.bye(now, wall_time)))
        elif now >= self._session.next_timer():
            self._departures.append(Departure(self.leg, RTCP, destination, self._session.report(now, wall_time)))

    def _rtcp_destination(self, settings: StreamSettings, destination: HostPort) -> HostPort:
        """Where the peer's reports come from; before any came, beside its RTP if that is not where the SDP said."""
        if self._rtcp_source is not None and self._rtcp_source[0] == destination[0]:
            return self._rtcp_source
        if destination != (settings.remote_host, settings.remote_port):
            return destination[0], destination[1] + 1
        return settings.remote_rtcp_host, settings.remote_rtcp_port

    def _receive_report(self, arrival: Arrival) -> None:
        """Take a report from the host that media is exchanged with; a stranger's confirms nothing."""
        destination = self._uplink.destination
        if destination is None or arrival.source[0] != destination[0]:
            return
        if self._session.receive_rtcp(arrival.data, arrival.time) is None:
            return
        if arrival.kind == RTCP:
            self._rtcp_source = arrival.source
        self._downlink.acknowledge()

    # ---- what is kept

    def _record(self, tick: int, now: float) -> TickRecord:
        return TickRecord(
            leg=self.leg,
            tick=tick,
            now=now,
            commands=self._commands,
            arrivals=tuple(self._arrivals),
            departures=tuple(self._departures),
            opened=None if self._introduced else self._opened,
        )

    def _statistics(self) -> LegStatistics:
        return LegStatistics(
            rtp=self._session.statistics(),
            jitter=self._uplink.statistics(),
            frames_skipped=self._downlink.frames_skipped,
            frames_concealed=self._uplink.frames_concealed,
            foreign=self._uplink.foreign,
        )
