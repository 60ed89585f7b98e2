"""What a leg hears: packets in, gapless blocks of G.711 out.

    datagram ─► SourceLatch ─► RtpSession ─► JitterBuffer ─► Concealer ─► block ─► UplinkBlock
                                        └──► DigitReceiver ─► Presses ─► DigitHeard

A peer that agreed to no telephone events is listened to for tones (`ToneDetector`), and believed if it sends events.
In a pause nobody sends anything, or comfort noise once (RFC 3389), whose level is what the pause then sounds like.

Without a loss no audio is decoded: the provider gets the bytes of the caller's telephone.
"""

from sipagent.audio import comfort, g711
from sipagent.audio.comfort import noise
from sipagent.audio.conceal import Concealer
from sipagent.audio.dtmf import ToneDetector
from sipagent.audio.level import VoiceMeter
from sipagent.audio.splice import Splicer
from sipagent.media.commands import OpenLeg, StreamSettings
from sipagent.media.events import DigitHeard, HostPort, Latched, MediaEvent, RtpTimeout, UplinkBlock
from sipagent.media.presses import Presses
from sipagent.rtp.digits import DigitReceiver
from sipagent.rtp.jitter_buffer import Frame, JitterBuffer, JitterBufferStatistics
from sipagent.rtp.packet import COMFORT_NOISE, RtpPacket
from sipagent.rtp.session import RtpSession
from sipagent.rtp.source import SourceLatch

_CUSTOMARY_EVENTS = 101
"""The payload type that telephone events have almost everywhere, agreed or not."""


class Uplink:
    """The receiving half of a leg. While its settings forbid receiving, packets are counted and no audio comes out."""

    def __init__(self, opened: OpenLeg, session: RtpSession, now: float) -> None:
        self.settings: StreamSettings | None = None
        self.events: list[MediaEvent] = []
        self.frames_concealed = 0
        self._leg = opened.leg
        self._session = session
        self._timeout = opened.rtp_timeout
        self._latch = SourceLatch()
        self._payload_types: frozenset[int] = frozenset()
        self._event_payload_types: frozenset[int] = frozenset()
        self._digits = DigitReceiver()
        self._tones: ToneDetector | None = None
        self._presses = Presses()
        self._jitter_buffer = JitterBuffer(Splicer(g711.PCMU))
        self._noise_level = comfort.LEVEL
        self._concealer = Concealer()
        self._meter = VoiceMeter()
        self._block = bytearray()
        self._block_size = opened.uplink_ms * g711.RATE // 1000
        self._block_voiced = False
        self._heard_at = now
        self._timed_out = False
        self._tells = True

    @property
    def destination(self) -> HostPort | None:
        """Where our packets go: where the peer's come from, else where the SDP says."""
        return self._latch.destination

    @property
    def foreign(self) -> int:
        """Packets of strangers, dropped."""
        return self._latch.foreign

    def statistics(self) -> JitterBufferStatistics:
        """Of the jitter buffer, since the codec last changed."""
        return self._jitter_buffer.statistics()

    def set_media(self, settings: StreamSettings, now: float) -> None:
        """Take from the peer what was settled, from now on."""
        before, self.settings = self.settings, settings
        if before is not None:
            self._flush(before.encoding)
        if before is None or before.encoding != settings.encoding:
            self._jitter_buffer = JitterBuffer(Splicer(settings.encoding))
        if before is None or before.receives != settings.receives:
            self._heard_at, self._timed_out = now, False
        self._event_payload_types = frozenset(settings.receive_event_payload_types or {_CUSTOMARY_EVENTS})
        self._payload_types = self._event_payload_types | {*settings.receive_payload_types, COMFORT_NOISE}
        self._tones = None if settings.receive_event_payload_types else ToneDetector()
        self._noise_level = comfort.LEVEL
        self._latch.rearm((settings.remote_host, settings.remote_port))

    def tell_loop(self, tells: bool) -> None:
        """Leave blocks for the loop, or none, from now on."""
        if self.settings is not None:
            self._flush(self.settings.encoding)
        self._tells = tells

    def receive(self, source: HostPort, datagram: bytes, arrival: float) -> None:
        """Take a datagram from the RTP socket; whatever is wrong with it is counted, and no more."""
        before = self._latch.destination
        if self.settings is None or not self._latch.accept(source, datagram, self._payload_types, arrival):
            return
        packet = self._session.receive(datagram, arrival, self._payload_types)
        if packet is None:
            return
        self._heard_at, self._timed_out = arrival, False
        if self._latch.destination != before:
            self.events.append(Latched(leg=self._leg, address=source))
        if packet.payload_type in self._event_payload_types:
            self._digits.receive(packet, arrival)
            return
        coming = self.settings.receive_payload_types.get(packet.payload_type)
        if coming is None:
            self._rest(packet)
            return
        payload = g711.transcode(packet.payload, coming, self.settings.encoding)
        self._jitter_buffer.add(packet.sequence, packet.timestamp, payload, arrival, packet.marker)

    def play(self, tick: int, now: float) -> bytes:
        """Play the 20 ms of one tick and return them; nothing while there are no settings."""
        settings = self.settings
        if settings is None:
            return b""
        self._tell_digits(now)
        self._watch(now, settings)
        audio = self._next(tick, now, settings.encoding)
        if not settings.receives:
            return noise(tick, settings.encoding)
        self._listen(audio, settings.encoding, now)
        if not self._tells:
            return audio
        self._block += audio
        self._block_voiced |= self._meter.hear(audio, settings.encoding)
        if len(self._block) >= self._block_size:
            self._flush(settings.encoding)
        return audio

    def _next(self, tick: int, now: float, encoding: str) -> bytes:
        """The next 20 ms of the caller: what came, what a loss is concealed by, or the quiet of a pause."""
        match self._jitter_buffer.pop(now):
            case Frame(payload):
                audio = payload
            case None:
                audio = noise(tick, encoding, self._noise_level)
            case _:
                self.frames_concealed += 1
                return self._concealer.conceal(tick, encoding)
        return self._concealer.hear(audio, tick, encoding)

    def _rest(self, packet: RtpPacket) -> None:
        """Take comfort noise: the level is in its first byte, in -dBov; the colour that may follow is not imitated."""
        self._jitter_buffer.rest(packet.sequence)
        if packet.payload:
            self._noise_level = -float(packet.payload[0] & 0x7F)

    def _flush(self, encoding: str) -> None:
        if self._block:
            audio, voiced = bytes(self._block), self._block_voiced
            self.events.append(UplinkBlock(leg=self._leg, audio=audio, encoding=encoding, voiced=voiced))
        self._block.clear()
        self._block_voiced = False

    def _tell_digits(self, now: float) -> None:
        self._digits.handle_timer(now)
        for press in self._digits.take():
            self._press(press.digit, press.duration_ms, "rfc4733", now)

    def _listen(self, audio: bytes, encoding: str, now: float) -> None:
        """Listen for keys in the audio, of a peer that has not promised to send them as events."""
        key = self._tones.hear(audio, encoding) if self._tones is not None else None
        if key is not None:
            self._press(key.digit, key.duration_ms, "inband", now)

    def _press(self, digit: str, duration_ms: int, method: str, now: float) -> None:
        if self._presses.is_new(digit, method, now):
            self.events.append(DigitHeard(leg=self._leg, digit=digit, duration_ms=duration_ms, method=method))

    def _watch(self, now: float, settings: StreamSettings) -> None:
        """Tell once when nothing has come for too long, though it should."""
        waits = settings.receives and self._timeout > 0 and not self._timed_out
        if waits and now - self._heard_at >= self._timeout:
            self._timed_out = True
            self.events.append(RtpTimeout(leg=self._leg))
