"""An RTP session with one peer: numbering what leaves, judging what arrives, reporting on both (RFC 3550)."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sipagent.rtp import packet as rtp
from sipagent.rtp import rtcp
from sipagent.rtp.packet import RtpPacket
from sipagent.rtp.reception import Reception
from sipagent.rtp.report_interval import ReportInterval

_CYCLE = 1 << 16
_FRAMES = 50
"""Packets a second that we send. The first sample of one is of the moment in which it leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpStatistics:
    """A session so far. Jitters and the round trip in seconds; what the peer reported is None until it did."""

    packets_sent: int
    octets_sent: int
    packets_received: int
    lost: int
    duplicates: int
    malformed: int
    unexpected: int
    """Packets of a payload type nobody negotiated, or of a source that did not prove itself."""
    sources: int
    jitter: float
    round_trip: float | None
    remote_lost: int | None
    remote_fraction_lost: float | None
    remote_jitter: float | None


class _Totals(NamedTuple):
    """What the sources heard so far add up to."""

    sources: int = 0
    received: int = 0
    lost: int = 0
    duplicates: int = 0

    def plus(self, source: Reception) -> "_Totals":
        return _Totals(
            self.sources + 1,
            self.received + source.received,
            self.lost + source.lost,
            self.duplicates + source.duplicates,
        )


class RtpSession:
    """Our stream to one peer, and the peer's stream to us.

    `ssrc`, `sequence` and `timestamp` are random (section 5.1); when reports leave is drawn from the `ssrc`.
    """

    __slots__ = (
        "_acknowledged",
        "_candidate",
        "_cname",
        "_earlier",
        "_event_timestamp",
        "_first_sequence",
        "_has_reported",
        "_interval",
        "_malformed",
        "_next_report",
        "_octets_sent",
        "_peer_clock_rate",
        "_remote",
        "_report_received",
        "_reported_sequences",
        "_reports_sent",
        "_round_trip",
        "_sequence",
        "_source",
        "_timestamp",
        "_unexpected",
        "clock_rate",
        "ssrc",
    )

    def __init__(
        self,
        *,
        ssrc: int,
        sequence: int,
        timestamp: int,
        cname: str,
        now: float,
        clock_rate: int = 8000,
    ) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        """By which our timestamps count; another codec may bring another."""
        self._peer_clock_rate = clock_rate
        self._cname = cname
        self._first_sequence = self._sequence = sequence
        self._timestamp = timestamp
        self._event_timestamp = timestamp
        self._octets_sent = 0

        self._source: Reception | None = None
        self._candidate: tuple[int, int] | None = None
        self._earlier = _Totals()
        self._malformed = 0
        self._unexpected = 0

        self._interval = ReportInterval(ssrc)
        self._next_report = now + self._interval.draw() / 2
        self._has_reported = False
        self._reported_sequences = (sequence, sequence)
        """The next sequence number as it was at the last report and at the one before."""
        self._reports_sent: deque[tuple[int, float]] = deque(maxlen=4)
        self._report_received: tuple[int, int, float] | None = None
        self._acknowledged: int | None = None
        self._round_trip: float | None = None
        self._remote: rtcp.ReportBlock | None = None

    # ---- what leaves

    @property
    def next_sequence(self) -> int:
        """The extended sequence number of the packet that leaves next; its lower 16 bits go on the wire."""
        return self._sequence

    @property
    def next_timestamp(self) -> int:
        """The timestamp that the next packet of media will have."""
        return self._timestamp

    @property
    def acknowledged_sequence(self) -> int | None:
        """The highest extended sequence number of ours that the peer reported to have received."""
        return self._acknowledged

    def send(self, payload: bytes, payload_type: int, samples: int, marker: bool = False) -> bytes:
        """Number one packet of media that lasts `samples` of its clock; returns the datagram."""
        datagram = self._numbered(payload, payload_type, self._timestamp, marker)
        self._timestamp = (self._timestamp + samples) & 0xFFFFFFFF
        return datagram

    def begin_event(self) -> None:
        """A telephone event, or the next segment of a long one, begins with the packet that leaves next."""
        self._event_timestamp = self._timestamp

    def send_event(self, payload: bytes, payload_type: int, samples: int, marker: bool = False) -> bytes:
        """Number one packet of a telephone event.

        All its packets carry the timestamp of its beginning (RFC 4733 section 2.5.1.2), while the clock of the media
        that it stands in for moves on by `samples`.
        """
        datagram = self._numbered(payload, payload_type, self._event_timestamp, marker)
        self.advance(samples)
        return datagram

    def advance(self, samples: int) -> None:
        """Let the timestamp move over time in which nothing is sent."""
        self._timestamp = (self._timestamp + samples) & 0xFFFFFFFF

    def follow_sent(self, packets: int, samples: int, octets: int) -> None:
        """Number packets of media that have left as `send` would have numbered them: what each had is given."""
        self._sequence += packets
        self._timestamp = (self._timestamp + packets * samples) & 0xFFFFFFFF
        self._octets_sent += packets * octets

    def _numbered(self, payload: bytes, payload_type: int, timestamp: int, marker: bool) -> bytes:
        datagram = rtp.build(payload_type, self._sequence & 0xFFFF, timestamp, self.ssrc, payload, marker)
        self._sequence += 1
        self._octets_sent += len(payload)
        return datagram

    # ---- what arrives

    def hear_by(self, clock_rate: int) -> None:
        """The peer's timestamps count by this from now on: its codec has changed."""
        self._peer_clock_rate = clock_rate
        if self._source is not None:
            self._source.hear_by(clock_rate)

    def receive(self, packet: RtpPacket, arrival: float) -> int | None:
        """Take a packet that arrived at `arrival`; returns its extended sequence number, None if it must not be played.

        After a restart or a change of SSRC the numbers continue at least a cycle (65,536) further on.
        """
        _, _, sequence, timestamp, ssrc, _ = packet
        source = self._source
        if source is not None and source.ssrc == ssrc and source.continues(sequence):
            self._candidate = None
        else:
            source = self._admit(packet)
        if source is None:
            self._unexpected += 1
            return None
        return source.receive(sequence, timestamp, arrival)

    @property
    def next_expected(self) -> tuple[int, int] | None:
        """SSRC and extended sequence number of the packet that would be next; None while that is not certain."""
        if self._source is None or self._candidate is not None:
            return None
        return self._source.ssrc, self._source.highest_sequence + 1

    def follow(self, timestamp: int, samples: int, arrivals: Sequence[float]) -> None:
        """Take packets as `receive` does, of which each was the next, `samples` after the one before."""
        if self._source is not None:
            self._source.follow(timestamp, samples, arrivals)

    def refuse(self, packet: RtpPacket | None) -> None:
        """Count what came and is not to be played: of a payload type nobody negotiated, or (None) no RTP at all."""
        if packet is None:
            self._malformed += 1
        else:
            self._unexpected += 1

    def _admit(self, packet: RtpPacket) -> Reception | None:
        """Begin a new source; None while it is on probation.

        The first packet of a call is believed. A later newcomer (another SSRC, or a jump of the sequence number) needs
        two packets in a row, nothing of the present source between them (appendix A.1, MIN_SEQUENTIAL): a stray stream
        beside the call never gets in.
        """
        expected, self._candidate = self._candidate, (packet.ssrc, (packet.sequence + 1) % _CYCLE)
        if self._source is not None and expected != (packet.ssrc, packet.sequence):
            return None
        self._candidate = None
        return self._begin_source(packet)

    def _begin_source(self, packet: RtpPacket) -> Reception:
        origin = 0
        if self._source is not None:
            self._earlier = self._earlier.plus(self._source)
            origin = (self._source.highest_sequence // _CYCLE + 2) * _CYCLE
        self._source = Reception(packet.ssrc, packet.sequence, self._peer_clock_rate, origin)
        return self._source

    # ---- reports

    def next_timer(self) -> float:
        """When the next report is due."""
        return self._next_report

    def report(self, now: float, wall_time: float) -> bytes:
        """Build the compound report of this moment: SR if anything was sent since the last but one, else RR; and CNAME.

        What is due now has left, or was passed over by `advance`. `wall_time` is in seconds since 1970.
        """
        self._next_report = now + self._interval.draw()
        self._has_reported = True
        present = self._timestamp - self.clock_rate // _FRAMES
        return rtcp.serialise([self._own_report(now, wall_time, present), self._description()])

    @property
    def has_sent(self) -> bool:
        """Whether the peer can know of us. Who has sent nothing must not say goodbye (section 6.3.7)."""
        return self._has_reported or self._sequence > self._first_sequence

    def bye(self, now: float, wall_time: float) -> bytes:
        """Build the last report, with BYE (section 6.6), in place of the packet that would be next."""
        goodbye = rtcp.Goodbye(ssrcs=(self.ssrc,))
        return rtcp.serialise([self._own_report(now, wall_time, self._timestamp), self._description(), goodbye])

    def receive_rtcp(self, datagram: bytes, now: float) -> list[rtcp.RtcpPacket] | None:
        """Take a compound report; returns its parts, None (and a count) when it is malformed."""
        packets = rtcp.parse_compound(datagram)
        if packets is None:
            self._malformed += 1
            return None
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and (self._source is None or packet.ssrc == self._source.ssrc):
                self._report_received = (packet.ssrc, packet.middle, now)
            if isinstance(packet, rtcp.SenderReport | rtcp.ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc == self.ssrc:
                        self._receive_block(block, now)
        return packets

    def statistics(self) -> RtpStatistics:
        """Sum up the session so far."""
        heard = self._earlier.plus(self._source) if self._source else self._earlier
        remote = self._remote
        return RtpStatistics(
            packets_sent=self._packets_sent,
            octets_sent=self._octets_sent,
            packets_received=heard.received,
            lost=heard.lost,
            duplicates=heard.duplicates,
            malformed=self._malformed,
            unexpected=self._unexpected,
            sources=heard.sources,
            jitter=self._source.jitter / self._peer_clock_rate if self._source else 0.0,
            round_trip=self._round_trip,
            remote_lost=remote.cumulative_lost if remote else None,
            remote_fraction_lost=remote.fraction_lost / 256 if remote else None,
            remote_jitter=remote.jitter / self.clock_rate if remote else None,
        )

    @property
    def _packets_sent(self) -> int:
        return self._sequence - self._first_sequence

    def _own_report(self, now: float, wall_time: float, timestamp: int) -> rtcp.SenderReport | rtcp.ReceiverReport:
        """SR or RR; `timestamp` is of the same instant as `wall_time` (section 6.4.1)."""
        blocks = self._blocks(now)
        last, before_last = self._reported_sequences
        self._reported_sequences = (self._sequence, last)
        if self._sequence == before_last:
            return rtcp.ReceiverReport(ssrc=self.ssrc, blocks=blocks)
        report = rtcp.SenderReport(
            ssrc=self.ssrc,
            ntp_time=rtcp.ntp_time(wall_time),
            rtp_timestamp=timestamp,
            packet_count=self._packets_sent,
            octet_count=self._octets_sent,
            blocks=blocks,
        )
        self._reports_sent.append((report.middle, now))
        return report

    def _blocks(self, now: float) -> tuple[rtcp.ReportBlock, ...]:
        if self._source is None or not self._source.has_news:
            return ()
        last_report, delay = 0, 0
        if self._report_received is not None and self._report_received[0] == self._source.ssrc:
            _, last_report, received_at = self._report_received
            delay = int((now - received_at) * 65536) & 0xFFFFFFFF
        return (self._source.take_block(last_report, delay),)

    def _description(self) -> rtcp.SourceDescription:
        return rtcp.SourceDescription(cnames=((self.ssrc, self._cname),))

    def _receive_block(self, block: rtcp.ReportBlock, now: float) -> None:
        self._remote = block
        # Our own record of when a report left, and not its NTP time, survives a step of the wall clock (section 6.4.1).
        for middle, sent_at in self._reports_sent:
            if middle == block.last_report:
                self._round_trip = max(0.0, now - sent_at - block.delay / 65536)
        # The peer counts cycles since it first heard us, so only the lower 16 bits are common ground.
        behind = (self._sequence - 1 - block.highest_sequence) % _CYCLE
        acknowledged = self._sequence - 1 - behind
        if acknowledged >= self._first_sequence and acknowledged > (self._acknowledged or -1):
            self._acknowledged = acknowledged
