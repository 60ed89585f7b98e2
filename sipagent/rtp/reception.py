"""What arrives from one source: extended sequence numbers, loss and jitter (RFC 3550 appendix A.1, A.3, A.8)."""

from collections.abc import Sequence

from sipagent.rtp.rtcp import ReportBlock

MAX_DROPOUT = 3000
"""A sequence number this far ahead is a restarted source, and no loss (appendix A.1)."""
MAX_MISORDER = 100
"""A sequence number this far behind is a restarted source, and not reordered (appendix A.1)."""

_CYCLE = 1 << 16
_SEEN_WINDOW = (1 << 128) - 1


class Reception:
    """Counts the packets of one SSRC from its first packet on.

    `origin` is added to the extended numbers handed out, and not to those reported to the sender. Whoever replaces one
    source by the next puts it at least a whole cycle further, so that nobody downstream takes the change for a gap.
    """

    __slots__ = (
        "_base",
        "_clock_rate",
        "_highest",
        "_jitter",
        "_origin",
        "_reported_expected",
        "_reported_received",
        "_seen",
        "_timestamp",
        "_transit",
        "duplicates",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, first_sequence: int, clock_rate: int, origin: int = 0) -> None:
        self.ssrc = ssrc
        self.received = 0
        self.duplicates = 0
        self._clock_rate = clock_rate
        self._origin = origin
        self._base = first_sequence
        self._highest = first_sequence - 1
        self._seen = 0
        self._jitter = 0.0
        self._timestamp = -1
        self._transit = 0.0
        self._reported_expected = 0
        self._reported_received = 0

    @property
    def highest_sequence(self) -> int:
        """The highest extended sequence number handed out."""
        return self._origin + self._highest

    @property
    def jitter(self) -> float:
        """Interarrival jitter in timestamp units (section 6.4.1)."""
        return self._jitter

    @property
    def lost(self) -> int:
        """Packets expected less packets received; negative when duplicates outnumber the losses (appendix A.3)."""
        return self._expected - self.received

    def continues(self, sequence: int) -> bool:
        """Tell whether a sequence number can belong to the run so far: not too far ahead, not too far behind."""
        ahead = (sequence - self._highest) % _CYCLE
        return ahead < MAX_DROPOUT or ahead > _CYCLE - MAX_MISORDER

    def hear_by(self, clock_rate: int) -> None:
        """Timestamps count by this from now on; the jitter so far is said in it too."""
        self._jitter *= clock_rate / self._clock_rate
        self._clock_rate = clock_rate
        self._timestamp = -1

    def receive(self, sequence: int, timestamp: int, arrival: float) -> int | None:
        """Count a packet that continues the run; returns its extended sequence number, None for a duplicate."""
        self.received += 1
        ahead = (sequence - self._highest) % _CYCLE
        behind = 0
        if ahead == 1 and self._seen == _SEEN_WINDOW:
            self._highest += 1
        elif ahead and ahead < MAX_DROPOUT:
            self._highest += ahead
            self._seen = (self._seen << ahead | 1) & _SEEN_WINDOW
        else:
            behind = -ahead % _CYCLE
            if self._seen >> behind & 1:
                self.duplicates += 1
                return None
            self._seen |= 1 << behind
        if timestamp != self._timestamp:
            self._measure_jitter(timestamp, arrival)
        return self._origin + self._highest - behind

    def follow(self, timestamp: int, samples: int, arrivals: Sequence[float]) -> None:
        """Count packets as `receive` does, of which each was the next, `samples` after the one before."""
        count = len(arrivals)
        self.received += count
        self._highest += count
        self._seen = (self._seen << count | (1 << count) - 1) & _SEEN_WINDOW
        self._measure_jitter(timestamp, arrivals[0])
        jitter, clock_rate, transit = self._jitter, self._clock_rate, self._transit
        for arrival in arrivals[1:]:  # as _measure_jitter does
            timestamp = (timestamp + samples) & 0xFFFFFFFF
            before, transit = transit, arrival * clock_rate - timestamp
            jitter += (abs((transit - before + 0x80000000) % 0x100000000 - 0x80000000) - jitter) / 16
        self._jitter, self._timestamp, self._transit = jitter, timestamp, transit

    def take_block(self, last_report: int, delay: int) -> ReportBlock:
        """Report, and begin the next interval of `fraction_lost` (appendix A.3)."""
        expected = self._expected - self._reported_expected
        lost = expected - (self.received - self._reported_received)
        self._reported_expected, self._reported_received = self._expected, self.received
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(255, (lost << 8) // expected) if lost > 0 and expected > 0 else 0,
            cumulative_lost=max(-0x800000, min(0x7FFFFF, self.lost)),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=min(int(self._jitter), 0xFFFFFFFF),
            last_report=last_report,
            delay=delay,
        )

    @property
    def has_news(self) -> bool:
        """Whether anything was received since the last report."""
        return self.received > self._reported_received

    @property
    def _expected(self) -> int:
        return self._highest - self._base + 1

    def _measure_jitter(self, timestamp: int, arrival: float) -> None:
        """Smooth the change of transit time from one packet to the next that came (appendix A.8).

        Packets of one timestamp are one telephone event (RFC 4733 section 2.5.1.2): sent over a while, of one moment,
        they say nothing of the network, and are not brought here.
        """
        transit = arrival * self._clock_rate - timestamp
        if self._timestamp >= 0:
            change = (transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000
            self._jitter += (abs(change) - self._jitter) / 16
        self._timestamp, self._transit = timestamp, transit
