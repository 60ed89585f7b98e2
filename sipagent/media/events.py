"""What the media engine tells the loop, and the datagrams that go in and out of it."""

from dataclasses import dataclass
from typing import NamedTuple

from sipagent.media.commands import OpenLeg
from sipagent.rtp.jitter_buffer import JitterBufferStatistics
from sipagent.rtp.quality import Quality
from sipagent.rtp.session import RtpStatistics

HostPort = tuple[str, int]

RTP = "rtp"
RTCP = "rtcp"
"""The two sockets of a leg; RTCP is on the port after RTP (RFC 3550 section 11)."""


_PACKET = 0.02
_PEERS_BUFFER = 0.04
"""What an ordinary jitter buffer holds, in seconds: the peer's own is not reported."""


class Arrival(NamedTuple):
    """A datagram that came to the `kind` socket of a leg. `time` is the kernel's, on the engine's clock."""

    leg: int
    kind: str
    source: HostPort
    data: bytes
    time: float


class Departure(NamedTuple):
    """A datagram to be sent from the `kind` socket of a leg."""

    leg: int
    kind: str
    destination: HostPort
    data: bytes


class UplinkBlock(NamedTuple):
    """The caller's next 20 to 100 ms, gapless. `voiced`: there is more than silence in it."""

    leg: int
    audio: bytes
    encoding: str
    voiced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkPassed:
    """The sample at `position`, marked `name`, has left. `speech` counts the leg's `Speak` commands from 0."""

    leg: int
    speech: int
    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCleared:
    """Speech was dropped: up to where it had left, and up to where the peer's reports confirm it.

    It answers a `Clear`, and comes at the end of a leg. `speeches` counts the `Speak` commands before it. `unheard`:
    the peer reports that nothing which left after `acknowledged_until` has come.
    """

    leg: int
    speeches: int
    sent_until: int
    acknowledged_until: int
    unheard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """The last sample of speech has left, at `position`; `speeches` counts the `Speak` commands so far."""

    leg: int
    speeches: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitHeard:
    """The caller pressed a key; comes once a press. `method`: `rfc4733`, or `inband` where it was heard as tones."""

    leg: int
    digit: str
    duration_ms: int
    method: str = "rfc4733"


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpTimeout:
    """Neither RTP nor a report for `rtp_timeout` seconds, though we receive and are not on hold.

    Once, until RTP comes again. A silence that the peer has announced by comfort noise may last five times as long.
    """

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latched:
    """RTP comes from `address`, and goes there from now on, whatever the SDP said (symmetric RTP, RFC 4961)."""

    leg: int
    address: HostPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthentic:
    """Nothing that comes opens with the peer's key: it has another, or sends in the clear. Once for each agreement."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLate:
    """The engine was called this many ticks too late: what they owed was not sent. Concerns every leg."""

    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFailed:
    """A leg's part of the tick raised; the leg ends, the others do not notice. `traceback` is text for the log."""

    leg: int
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStatistics:
    """A leg's account. In late ticks `frames_bunched` left right behind another, `frames_skipped` did not leave at all.

    `foreign` came from strangers, `unauthentic` was not encrypted with the peer's key.
    """

    rtp: RtpStatistics
    jitter: JitterBufferStatistics
    frames_bunched: int
    frames_skipped: int
    frames_concealed: int
    foreign: int
    unauthentic: int = 0

    @property
    def received_quality(self) -> Quality:
        """How the peer sounds here: a packet too late to be played is as lost as one that never came."""
        sent = self.rtp.packets_received + self.rtp.lost
        missing = self.rtp.lost + self.jitter.late + self.jitter.dropped
        return Quality(loss=_fraction(missing, sent), delay=self._on_the_way + self.jitter.delay)

    @property
    def sent_quality(self) -> Quality | None:
        """How we sound there, by the peer's reports; None if it sent none."""
        if self.rtp.remote_lost is None:
            return None
        loss = _fraction(self.rtp.remote_lost, self.rtp.packets_sent)
        return Quality(loss=loss, delay=self._on_the_way + _PEERS_BUFFER)

    @property
    def _on_the_way(self) -> float:
        """Seconds in a packet until it is full, and in the network, of which half the round trip is known."""
        return _PACKET + (self.rtp.round_trip or 0.0) / 2


def _fraction(lost: int, sent: int) -> float:
    """The part that was lost. Duplicates make a count negative (RFC 3550 appendix A.3); a peer may say anything."""
    return min(1.0, max(0.0, lost / sent)) if sent > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LegClosed:
    """The leg is over; nothing more comes from it. None for the statistics of a leg that failed."""

    leg: int
    statistics: LegStatistics | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """Half a second (less where the codec changed, or at the end) of what was received and what was really sent.

    Both are as long as the ticks they cover, and begin at the same tick.
    """

    leg: int
    encoding: str
    received: bytes
    sent: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRecord:
    """All that one tick took and gave for one leg, `commands` as their number: enough to do it again.

    `Record` is not counted: whether a call is recorded changes nothing that leaves, and a replay may differ in it.
    It is the first event of its tick, so that a journal holds it before whatever it caused. `opened` is in the leg's
    first: what the driver, and not the phone, put into it is known nowhere else.
    """

    leg: int
    tick: int
    now: float
    commands: int
    arrivals: tuple[Arrival, ...]
    departures: tuple[Departure, ...]
    opened: OpenLeg | None = None
    level: int | None = None
    """Of a wideband leg, whose packets are not the same on every machine: of what was sent, in dBFS."""


MediaEvent = (
    UplinkBlock
    | MarkPassed
    | SpeechCleared
    | Drained
    | DigitHeard
    | RtpTimeout
    | Latched
    | Unauthentic
    | MediaLate
    | LegFailed
    | LegClosed
    | Tape
    | TickRecord
)
