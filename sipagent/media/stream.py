"""One leg inside the engine: its RTP session, its two halves, and what is kept of them."""

from collections.abc import Sequence
from typing import NamedTuple

from sipagent.audio.encoding import FRAME, PCM
from sipagent.audio.level import level
from sipagent.media.blocks import Gathered
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
    Unauthentic,
)
from sipagent.media.tape import TapeWriter
from sipagent.media.uplink import Expected, Followed, Uplink
from sipagent.rtp.packet import is_rtcp
from sipagent.rtp.session import RtpSession
from sipagent.rtp.source import SourceLatch
from sipagent.rtp.srtp import Srtp

_TICK = 0.02
_FRAME_MS = 20
_MOST_MADE_UP = 50
"""Ticks (1 s) whose audio a late one plays after them; the jitter buffer holds no more."""


class Passage(NamedTuple):
    """A leg for a convoy: what it is about to hear, who makes what it sends, whether it sends what it hears."""

    expected: Expected
    uplink: Uplink
    downlink: Downlink
    relays: bool
    stride: int
    report_at: float
    """When its next report is due."""


_Unplayed = tuple[int, float, int, bytes]
"""A tick in which a leg has sent, but not played what it hears: its number and time, ticks owed (more than one if it
was late), and the audio that left in it."""


class Stream:
    """A leg from `OpenLeg` to `LegClosed`. In each tick: `apply` what was asked, `send`, `receive`, `take_events`.

    `receive` may leave out a tick where `is_due` says so: it plays two at the next, each with what had come by then.
    Whatever the leg is asked that concerns its hearing waits until all is played.

    With a `passage` it may leave its ticks to a convoy for a while, and go on by itself when it has `come_ashore`.

    What has come for it since its last tick waits in `inbox`. Encryption is the last step out and the first one in: all
    between, and what is kept of a tick, is plain.
    """

    __slots__ = (
        "_arrivals",
        "_asked",
        "_behind",
        "_commands",
        "_departures",
        "_downlink",
        "_introduced",
        "_last_tick",
        "_latch",
        "_opened",
        "_rtcp_source",
        "_session",
        "_settings",
        "_srtp",
        "_stride",
        "_tape",
        "_unplayed",
        "_uplink",
        "bridged_to",
        "closing",
        "inbox",
        "leg",
        "phase",
        "played",
    )

    def __init__(self, opened: OpenLeg, now: float) -> None:
        self.leg = opened.leg
        self.phase = opened.phase
        self.closing = False
        self.bridged_to: int | None = None
        """The leg whose peer hears ours."""
        self.inbox: list[Arrival] = []
        self.played = b""
        """What was played in the last tick."""
        self._opened = opened
        self._session = RtpSession(
            ssrc=opened.ssrc,
            sequence=opened.sequence,
            timestamp=opened.timestamp,
            cname=opened.cname,
            now=now,
        )
        self._latch = SourceLatch()
        self._downlink = Downlink(opened.leg, self._session)
        self._uplink = Uplink(opened, self._session, self._latch, now)
        self._settings: StreamSettings | None = None
        self._srtp: Srtp | None = None
        self._rtcp_source: HostPort | None = None
        self._tape: TapeWriter | None = None
        self._last_tick: int | None = None
        self._unplayed: list[_Unplayed] = []
        self._behind = 0
        """Ticks that they are."""
        self._stride = 1
        self._asked: list[Command] = []
        self._commands = 1
        self._introduced = False
        self._departures: Sequence[Departure] = ()
        self._arrivals: Sequence[Arrival] = ()

    @property
    def encoding(self) -> str | None:
        """What is played; None while there are no settings."""
        return self._settings.encoding if self._settings is not None else None

    # ---- the four steps of a tick

    def apply(self, command: Command, now: float) -> None:
        """Do what the loop asks."""
        self._commands += not isinstance(command, Record)  # to record or not changes nothing that leaves
        if self._asked or (self._unplayed and not isinstance(command, Speak | Clear | SendDigit)):
            self._asked.append(command)
        else:
            self._do(command, now)
        if isinstance(command, CloseLeg):
            self._do_what_was_asked(now)

    def _do_what_was_asked(self, now: float) -> None:
        for command in self._asked:
            self._do(command, now)
        self._asked.clear()

    def _do(self, command: Command, now: float) -> None:
        match command:
            case Speak():
                self._downlink.speak(command)
            case SetMedia(settings=settings):
                self._settings = settings
                self._encrypt(settings)
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
        self._stride = self._opened.stride if self._may_stride else 1

    @property
    def _may_stride(self) -> bool:
        """Whether nobody notices that two ticks are played at once.

        A block of two frames waits for both anyway; and an echo that comes a frame later is an echo.
        """
        is_bridged = self.bridged_to not in (None, self.leg)
        listened = self._opened.trace or is_bridged or self._settings is None or self.closing
        return not listened and self._opened.uplink_ms % (2 * _FRAME_MS) == 0

    def send(self, tick: int, now: float, departures: list[Departure]) -> None:
        """Add all that leaves to `departures`: the packets owed since the last tick, and a report when one is due."""
        before, owed = len(departures), 1
        if self._asked and not self._unplayed:
            self._do_what_was_asked(now)
        destination = self._latch.destination
        if destination is not None:
            owed = 1 if self._last_tick is None else tick - self._last_tick
            self._last_tick = tick
            for datagram in self._downlink.send(tick, 0 if self.closing else owed):
                departures.append(Departure(self.leg, RTP, destination, datagram))
            if self._session.has_sent if self.closing else now >= self._session.next_timer() and not self._unplayed:
                self._report(now, departures)
        self._unplayed.append((tick, now, owed, self._downlink.sent))
        self._behind += owed
        if self._opened.trace:
            self._departures = departures[before:]
        if self._srtp is not None:
            for place in range(before, len(departures)):
                leg, kind, destination, data = departures[place]
                departures[place] = Departure(leg, kind, destination, self._srtp.protect(data))

    def is_due(self, tick: int) -> bool:
        """Whether `receive` is to be called in this tick. Legs of one stride are due in the same ticks."""
        return self._behind >= self._stride or (self._behind > 0 and tick % self._stride == 0)

    def receive(self) -> None:
        """Take what has come, and play what is due of it."""
        if self._srtp is not None:
            self._open(self._srtp)
        if self._opened.trace:
            self._arrivals = tuple(self.inbox)
        *earlier, last = self._unplayed
        played = b""
        for unplayed in earlier:
            played += self._play(unplayed)
        played += self._play(last, is_last=True)
        self._uplink.give()
        self._unplayed.clear()
        self._behind = 0
        self.played = played

    def _play(self, unplayed: _Unplayed, *, is_last: bool = False) -> bytes:
        """Play one tick with what had come by then; after a late wake-up as if every tick had come in time."""
        tick, now, owed, sent = unplayed
        played = b""
        for behind in reversed(range(1, min(owed, _MOST_MADE_UP))):
            self._take_until(now - behind * _TICK)
            played += self._uplink.play(tick - behind, now - behind * _TICK)
            self._uplink.give()
        if is_last:
            for arrival in self.inbox:
                self._take(arrival)
            self.inbox.clear()
        else:
            self._take_until(now)
        played += self._uplink.play(tick, now)
        if self._tape is not None and self._settings is not None:
            self._tape.add(played, sent, self._settings.encoding)
        return played

    def _take_until(self, moment: float) -> None:
        for arrival in self.inbox:
            if arrival.time <= moment:
                self._take(arrival)
        self.inbox[:] = [arrival for arrival in self.inbox if arrival.time > moment]

    def relay(self, other: "Stream") -> None:
        """Take what another leg has just played."""
        if other.encoding is not None:
            self._downlink.relay(other.played, other.encoding)

    def take_events(self, tick: int, now: float) -> Sequence[MediaEvent]:
        """Return what the loop must know of this tick. The trace of it comes first: the rest may cause things."""
        downlink, uplink = self._downlink.events, self._uplink.events
        if not (downlink or uplink or self._opened.trace or self._tape or self.closing):
            return ()
        events: list[MediaEvent] = []
        if self._opened.trace:
            events.append(self._record(tick, now))
            self._introduced = True
            self._commands = 0
        if self.closing:
            self._downlink.clear()
        for happened in (downlink, uplink):
            events += happened
            happened.clear()
        if self._tape is not None:
            events += self._tape.take(rest=self.closing)
        if self.closing:
            events.append(LegClosed(leg=self.leg, statistics=self._statistics()))
        return events

    # ---- in a convoy (media.convoy)

    def passage(self) -> Passage | None:
        """Return what a convoy must know to move the leg from the next tick on; None if one could not."""
        settings = self._settings
        if settings is None or self._srtp is not None or self._tape is not None or self._opened.trace:
            return None
        if self.closing or self._unplayed or self._asked or self.inbox or not self._downlink.is_plain:
            return None
        relays = self.bridged_to == self.leg
        # An echo has as many frames to send as there are ticks until it hears the next ones.
        frames = len(self._downlink.relayed) // FRAME
        if frames < self._stride or self._downlink.has_speech if relays else frames or self.bridged_to is not None:
            return None
        expected = self._uplink.outlook()
        if expected is None or expected.encoding != self._downlink.encoding:
            return None
        return Passage(expected, self._uplink, self._downlink, relays, self._stride, self._session.next_timer())

    def come_ashore(
        self, heard: Followed, gathered: Gathered, last_tick: int, unplayed: Sequence[tuple[int, float]]
    ) -> None:
        """Go on by itself: after `last_tick`, with ticks that are `unplayed` (number and time)."""
        self._uplink.follow(heard, gathered)
        self._last_tick = last_tick
        self._unplayed = [(tick, now, 1, b"") for tick, now in unplayed]
        self._behind = len(unplayed)

    def report(self, now: float, departures: list[Departure]) -> float:
        """Add the report that is due while a convoy moves the leg; returns when the next one is."""
        self._report(now, departures)
        return self._session.next_timer()

    def receive_reports(self) -> None:
        """Take what has come while a convoy moves the leg: nothing but reports."""
        for arrival in self.inbox:
            self._take(arrival)
        self.inbox.clear()

    def speak(self, command: Speak) -> bool:
        """Queue speech while a convoy moves the leg; False if it cannot go on there."""
        if self.bridged_to is not None:
            return False
        self._downlink.speak(command)
        return True

    def abandon(self) -> list[MediaEvent]:
        """Say what became of the speech of a leg that has failed."""
        self._downlink.clear()
        events, self._downlink.events = self._downlink.events, []
        return events

    def _take(self, arrival: Arrival) -> None:
        _, kind, source, data, time = arrival
        if kind == RTCP or is_rtcp(data):
            self._receive_report(arrival)
        else:
            self._uplink.receive(source, data, time)

    # ---- encryption (SRTP)

    def _encrypt(self, settings: StreamSettings) -> None:
        """Encrypt, or no longer, as was agreed; while the stream is off, nothing of it was."""
        if settings.remote_port == 0:
            return
        if settings.keys is None:
            self._srtp = None
        elif self._srtp is None:
            self._srtp = Srtp(settings.keys)
        else:
            self._srtp.rekey(settings.keys)

    def _open(self, srtp: Srtp) -> None:
        """Decrypt what waits in the inbox; what the peer has not made does not stay there."""
        opened = []
        for leg, kind, source, data, time in self.inbox:
            if (plain := srtp.open(data)) is not None:
                opened.append(Arrival(leg, kind, source, plain, time))
        self.inbox[:] = opened
        if srtp.take_failure():
            self._uplink.events.append(Unauthentic(leg=self.leg))

    # ---- reports (RTCP)

    def _report(self, now: float, departures: list[Departure]) -> None:
        """Add the report that is due, the last one if the leg ends."""
        settings, destination = self._settings, self._rtcp_destination()
        if settings is not None and destination is not None:
            kind = RTP if settings.rtcp_mux else RTCP
            make = self._session.bye if self.closing else self._session.report
            departures.append(Departure(self.leg, kind, destination, make(now, now + self._opened.wall_offset)))

    def _rtcp_destination(self) -> HostPort | None:
        """Where the peer's reports come from; before any came, beside its RTP if that is not where the SDP said."""
        settings, destination = self._settings, self._latch.destination
        if settings is None or destination is None:
            return None
        if settings.rtcp_mux:
            return destination
        if self._rtcp_source is not None and self._rtcp_source[0] == destination[0]:
            return self._rtcp_source
        if destination != (settings.remote_host, settings.remote_port):
            return destination[0], destination[1] + 1
        return settings.remote_rtcp_host, settings.remote_rtcp_port

    def _receive_report(self, arrival: Arrival) -> None:
        """Take a report from the host that media is exchanged with; a stranger's confirms nothing."""
        destination = self._latch.destination
        if destination is None or arrival.source[0] != destination[0]:
            return
        if self._session.receive_rtcp(arrival.data, arrival.time) is None:
            return
        if arrival.kind == RTCP:
            self._rtcp_source = arrival.source
        self._downlink.acknowledge()
        self._uplink.take_report(arrival.time)

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
            level=round(level(self._downlink.sent, PCM)) if self.encoding == PCM else None,
        )

    def _statistics(self) -> LegStatistics:
        return LegStatistics(
            rtp=self._session.statistics(),
            jitter=self._uplink.statistics(),
            frames_bunched=self._downlink.frames_bunched,
            frames_skipped=self._downlink.frames_skipped,
            frames_concealed=self._uplink.frames_concealed,
            foreign=self._latch.foreign,
            unauthentic=self._srtp.rejected if self._srtp is not None else 0,
        )
