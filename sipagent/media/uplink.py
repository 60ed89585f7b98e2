"""What a leg hears: packets in, gapless blocks of audio out.

    datagram ─► SourceLatch ─► RtpSession ─► JitterBuffer ─► Concealer ─► block ─► UplinkBlock
                                        └──► DigitReceiver ─► DigitHeard

What comes need not be of the codec that we send: each packet is decoded by its payload type (`Incoming`).

A peer that agreed to no telephone events is listened to for tones (`ToneDetector`), and believed if it sends events.
In a pause nobody sends anything, or comfort noise once (RFC 3389), whose level is what the pause then sounds like. A
telephone event is a pause, too.

Without a loss no G.711 is decoded: the provider gets the bytes of the caller's telephone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from sipagent.audio import comfort
from sipagent.audio.codec import clock_rate
from sipagent.audio.comfort import noise
from sipagent.audio.conceal import Concealer
from sipagent.audio.dtmf import ToneDetector
from sipagent.audio.encoding import FRAME, PCMU
from sipagent.audio.splice import Splicer
from sipagent.media.blocks import Blocks, Gathered
from sipagent.media.commands import OpenLeg, StreamSettings
from sipagent.media.events import DigitHeard, HostPort, Latched, MediaEvent, RtpTimeout
from sipagent.media.incoming import Incoming
from sipagent.rtp.digits import DigitReceiver
from sipagent.rtp.jitter_buffer import JitterBuffer, JitterBufferStatistics, Lost, Outlook, Prospects
from sipagent.rtp.packet import COMFORT_NOISE, RtpPacket, parse
from sipagent.rtp.session import RtpSession
from sipagent.rtp.source import SourceLatch

_CUSTOMARY_EVENTS = {101: 8000}
"""The payload type that telephone events have almost everywhere, agreed or not, and their clock."""
_ANNOUNCED = 5
"""Time-outs that a silence may last which the peer has announced by comfort noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What comes next to a leg if nothing but the ordinary does, and where it is gathered."""

    peer: HostPort
    ssrc: int
    payload_type: int
    encoding: str
    outlook: Outlook
    blocks: Blocks


class Came(NamedTuple):
    """Packets that came as expected, when and with which lags, and the timestamp of the first."""

    timestamp: int
    arrivals: Sequence[float]
    lags: Sequence[float]


class Followed(NamedTuple):
    """What was played while all went as expected.

    So many packets came. `recent` are the last frames that were played, three at most, the last of them with this
    `delay` (seconds); those `waiting` were not.
    """

    packets: int
    waiting: Sequence[bytes]
    recent: Sequence[bytes]
    delay: float


class Uplink:
    """The receiving half of a leg. While its settings forbid receiving, packets are counted and no audio comes out."""

    __slots__ = (
        "_blocks",
        "_codec",
        "_concealer",
        "_digits",
        "_encoding",
        "_event_clocks",
        "_heard_at",
        "_incoming",
        "_jitter_buffer",
        "_latch",
        "_leg",
        "_noise_level",
        "_payload_types",
        "_session",
        "_tells",
        "_timed_out",
        "_timeout",
        "_tones",
        "events",
        "frames_concealed",
        "settings",
    )

    def __init__(self, opened: OpenLeg, session: RtpSession, latch: SourceLatch, now: float) -> None:
        self.settings: StreamSettings | None = None
        self.events: list[MediaEvent] = []
        self.frames_concealed = 0
        self._leg = opened.leg
        self._session = session
        self._latch = latch
        self._timeout = opened.rtp_timeout or inf
        self._encoding = self._codec = PCMU
        self._incoming = Incoming(PCMU)
        self._payload_types: frozenset[int] = frozenset()
        self._event_clocks: Mapping[int, int] = {}
        self._digits = DigitReceiver()
        self._tones: ToneDetector | None = None
        self._jitter_buffer = JitterBuffer(Splicer(PCMU))
        self._noise_level = comfort.LEVEL
        self._concealer = Concealer()
        self._blocks = Blocks(opened)
        self._heard_at = now
        self._timed_out = False
        self._tells = True

    def statistics(self) -> JitterBufferStatistics:
        """Of the jitter buffer."""
        return self._jitter_buffer.statistics()

    def set_media(self, settings: StreamSettings, now: float) -> None:
        """Take from the peer what was settled, from now on."""
        self._cut()
        before, self.settings = self.settings, settings
        if before is None or before.encoding != settings.encoding:
            self._encoding = settings.encoding
            self._incoming = Incoming(settings.encoding)
            self._jitter_buffer.change(Splicer(settings.encoding))
        if before is None or (before.receives, before.held) != (settings.receives, settings.held):
            self._heard_at, self._timed_out = now, False
        self._event_clocks = {**_CUSTOMARY_EVENTS, **settings.receive_event_payload_types}
        self._payload_types = frozenset({*self._event_clocks, *settings.receive_payload_types, COMFORT_NOISE})
        self._tones = None if settings.receive_event_payload_types else ToneDetector()
        self._noise_level = comfort.LEVEL
        self._latch.rearm((settings.remote_host, settings.remote_port))

    def take_report(self, arrival: float) -> None:
        """The peer has reported: it is there, and may be silent (RFC 3550 section 6.3.5)."""
        self._heard_at = max(self._heard_at, arrival)

    def tell_loop(self, tells: bool) -> None:
        """Leave blocks for the loop, or none, from now on."""
        self._cut()
        self._tells = tells

    def receive(self, source: HostPort, datagram: bytes, arrival: float) -> None:
        """Take a datagram from the RTP socket; whatever is wrong with it is counted, and no more."""
        if self.settings is None:
            return
        packet = parse(datagram)
        if packet is None or packet.payload_type not in self._payload_types:
            if source == self._latch.latched:
                self._session.refuse(packet)
            return
        before = self._latch.destination
        if not self._latch.accept(source, arrival):
            return
        if self._latch.destination != before:
            self.events.append(Latched(leg=self._leg, address=source))
        codec = self.settings.receive_payload_types.get(packet.payload_type)
        if codec is not None and codec != self._codec:
            self._codec = codec
            self._session.hear_by(clock_rate(codec))
        sequence = self._session.receive(packet, arrival)
        if sequence is None:
            return
        self._heard_at, self._timed_out = arrival, False
        if codec is not None:
            payload = packet.payload if codec == self._encoding else self._incoming.prepare(packet.payload, codec)
            self._jitter_buffer.add(sequence, packet.timestamp, payload, arrival, packet.marker)
        elif packet.payload_type in self._event_clocks:
            self._jitter_buffer.rest(sequence)  # an event stands in the place of sound (RFC 4733)
            self._digits.receive(packet, arrival, self._event_clocks[packet.payload_type])
        else:
            self._rest(packet, sequence)

    # ---- what is heard without it (media.convoy)

    def outlook(self) -> Expected | None:
        """Say what comes next if nothing but the ordinary does; None while it does not look like that."""
        settings, codec, source = self.settings, self._codec, self._session.next_expected
        if settings is None or codec != self._encoding or not settings.receives or self._tones is not None:
            return None
        if source is None or self._digits.is_busy or not self._concealer.is_at_rest(codec):
            return None
        if not self._latch.is_locked or self._latch.latched is None:
            return None
        outlook = self._jitter_buffer.outlook()
        payload_types = [number for number, known in settings.receive_payload_types.items() if known == codec]
        if outlook is None or outlook.sequence != source[1] or not payload_types:
            return None
        return Expected(
            peer=self._latch.latched,
            ssrc=source[0],
            payload_type=payload_types[0],
            encoding=codec,
            outlook=outlook,
            blocks=self._blocks,
        )

    def follow_arrivals(self, came: Came, *, settles: bool) -> Prospects:
        """Take note of packets that came as expected; returns what is expected of those to come."""
        if came.arrivals:
            self._session.follow(came.timestamp, FRAME, came.arrivals)
            self._latch.follow(len(came.arrivals), came.arrivals[-1])
            self._heard_at, self._timed_out = came.arrivals[-1], False
        self._jitter_buffer.follow_lags(came.lags, settles=settles)
        return self._jitter_buffer.prospects

    def follow(self, heard: Followed, gathered: Gathered) -> None:
        """Take note of what was played and gathered while all went as expected."""
        recent = heard.recent
        self._jitter_buffer.follow(heard.packets, heard.waiting, recent[-1] if recent else b"", heard.delay)
        self._concealer.follow(recent)
        self._blocks.state = gathered

    def play(self, tick: int, now: float) -> bytes:
        """Play the 20 ms of one tick and return them; nothing while there are no settings."""
        settings = self.settings
        if settings is None:
            return b""
        if self._digits.is_busy:
            self._tell_digits(now)
        if now - self._heard_at >= self._timeout:
            self._tell_silence(settings)
        audio = self._next(tick, now)
        if not settings.receives:
            return noise(tick, self._encoding)
        if self._tones is not None:
            self._listen(self._tones, audio)
        if self._tells:
            self._blocks.add(audio, self._encoding)
        return audio

    def give(self) -> None:
        """Leave the block for the loop that is due after what was played."""
        block = self._blocks.take(self._encoding)
        if block is not None:
            self.events.append(block)

    def _next(self, tick: int, now: float) -> bytes:
        """The next 20 ms of the caller: what came, what a loss is concealed by, or the quiet of a pause."""
        # Every second tick, so that it is the same ones for a leg that is heard in every second only.
        audio = self._jitter_buffer.pop(now, settles=tick % 2 == 0)
        if isinstance(audio, Lost):
            self.frames_concealed += 1
            return self._concealer.conceal(tick, self._encoding, audio.following)
        if audio is None:
            audio = noise(tick, self._encoding, self._noise_level)
        return self._concealer.hear(audio, tick, self._encoding)

    def _rest(self, packet: RtpPacket, sequence: int) -> None:
        """Take comfort noise: the level is in its first byte, in -dBov; the colour that may follow is not imitated.

        It announces a silence, which may last: some peers say no more until somebody speaks.
        """
        self._jitter_buffer.rest(sequence)
        self._heard_at += (_ANNOUNCED - 1) * self._timeout
        if packet.payload:
            self._noise_level = -float(packet.payload[0] & 0x7F)

    def _cut(self) -> None:
        """Give the loop what waits, though it is no whole block."""
        block = self._blocks.rest(self._encoding)
        if block is not None:
            self.events.append(block)

    def _tell_digits(self, now: float) -> None:
        self._digits.handle_timer(now)
        for press in self._digits.take():
            self._press(press.digit, press.duration_ms, "rfc4733")

    def _listen(self, tones: ToneDetector, audio: bytes) -> None:
        """Listen for keys in the audio, of a peer that has not promised to send them as events."""
        key = tones.hear(audio, self._encoding)
        if key is not None:
            self._press(key.digit, key.duration_ms, "inband")

    def _press(self, digit: str, duration_ms: int, method: str) -> None:
        self.events.append(DigitHeard(leg=self._leg, digit=digit, duration_ms=duration_ms, method=method))

    def _tell_silence(self, settings: StreamSettings) -> None:
        """Tell once that nothing has come for too long, though it should: who holds us need not play music to us."""
        if settings.receives and not settings.held and not self._timed_out:
            self._timed_out = True
            self.events.append(RtpTimeout(leg=self._leg))
