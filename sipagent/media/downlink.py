"""What a leg sends: one packet every 20 ms, of speech, of a key press, of another leg's audio, or of comfort noise.

speak ──► Playout ─┐
other leg ─────────┼─► Encoder ─► RtpSession ─► datagram     and a ring: sequence number ─► position in the speech
comfort noise ─────┘                 ▲
press ──► Keypad ────────────────────┘

G.711 needs no encoder: what is spoken is what leaves.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from sipagent.audio.codec import Encoder, clock_rate
from sipagent.audio.comfort import LEVEL, noise
from sipagent.audio.encoding import FRAME, PCM, PCMU, Transcoder, convert, width
from sipagent.audio.playout import Playout
from sipagent.media.commands import SendDigit, Speak, StreamSettings
from sipagent.media.events import Drained, MarkPassed, MediaEvent, SpeechCleared
from sipagent.media.keypad import Keypad
from sipagent.rtp.session import RtpSession

MOST_AT_ONCE = 3
"""Frames that a late tick sends back to back; any receiver's jitter buffer has room for them."""
MOST_RELAYED = 2
"""Frames of another leg that may wait: more would stay late for good, so all but the newest frame is left out."""
_RING = 512
"""Packets (10 s) that the peer's reports can still confirm: it says what came last, one way before we hear it."""
_COMFORT = bytes((round(-LEVEL),))
"""What comfort noise says: its level in -dBov (RFC 3389 section 3.1)."""
_COMFORT_EVERY = 50
"""Frames (1 s): a silence is told of again, so that no NAT forgets us and no peer takes us for gone."""
_ON_THE_WAY = 75
"""Packets (1.5 s) that may be on the way to the peer, and its report on the way to us."""


class Header(NamedTuple):
    """The numbers of an RTP packet."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int


class Downlink:
    """The sending half of a leg. Nothing leaves before it has settings, or while they forbid it."""

    __slots__ = (
        "_acknowledged_until",
        "_comfort_type",
        "_confirmed",
        "_encoder",
        "_encoding",
        "_frame_samples",
        "_frame_size",
        "_keeps_count",
        "_keypad",
        "_leg",
        "_marker",
        "_payload_type",
        "_playout",
        "_positions",
        "_relayed",
        "_session",
        "_silent",
        "_speeches",
        "_transcoder",
        "_unheard",
        "events",
        "frames_bunched",
        "frames_skipped",
        "sent",
        "settings",
    )

    def __init__(self, leg: int, session: RtpSession) -> None:
        self.settings: StreamSettings | None = None
        self.events: list[MediaEvent] = []
        self.sent = b""
        """The audio that left in the last tick."""
        self.frames_bunched = 0
        self.frames_skipped = 0
        self._leg = leg
        self._encoding = PCMU
        self._encoder: Encoder | None = None
        self._frame_size = FRAME
        """Bytes of 20 ms in the encoding of the leg."""
        self._payload_type = 0
        self._frame_samples = FRAME
        """By how much the RTP timestamp moves in 20 ms."""
        self._session = session
        self._playout = Playout()
        self._keypad = Keypad(session)
        self._relayed = b""
        self._transcoder = Transcoder()
        self._speeches = 0
        self._marker = True
        self._comfort_type: int | None = None
        self._silent = 0
        """Frames of the present silence that was told by comfort noise."""
        self._positions = array("q", bytes(8 * _RING))
        self._acknowledged_until = 0
        self._confirmed: int | None = None
        self._keeps_count = False
        self._unheard = False

    # ---- what the loop asks

    def set_media(self, settings: StreamSettings) -> None:
        """Send so from now on; speech that waits is transcoded when it leaves."""
        before, self.settings = self.settings, settings
        self._payload_type = settings.payload_type
        self._comfort_type = settings.comfort_noise_payload_type if clock_rate(settings.codec) == 8000 else None
        if before is not None and _same_codec(before, settings):
            return
        self._relayed = convert(self._relayed, self._encoding, settings.encoding)
        self._encoding = settings.encoding
        self._encoder = Encoder(settings.codec, settings.codec_parameters) if self._encoding == PCM else None
        self._frame_size = FRAME * width(self._encoding)
        self._session.clock_rate = clock_rate(settings.codec)
        self._frame_samples = self._session.clock_rate // 50

    def speak(self, command: Speak) -> None:
        """Queue speech."""
        self._playout.put(command.audio, command.encoding, command.marks)
        self._speeches += 1

    def press(self, command: SendDigit) -> None:
        """Queue a key press behind the speech that waits."""
        self._keypad.press(command, self._playout.given)

    def relay(self, audio: bytes, encoding: str) -> None:
        """Take what another leg has just heard: it leaves in the next tick, where we have nothing to say ourselves."""
        self._relayed += self._transcoder.convert(audio, encoding, self._encoding)
        if len(self._relayed) > MOST_RELAYED * self._frame_size:
            self._relayed = self._relayed[-self._frame_size :]

    def clear(self) -> None:
        """Drop the speech that waits, and say what became of it."""
        sent_until = self._playout.clear()
        self.events.append(
            SpeechCleared(
                leg=self._leg,
                speeches=self._speeches,
                sent_until=sent_until,
                acknowledged_until=min(self._acknowledged_until, sent_until),
                unheard=self._unheard and self._acknowledged_until < sent_until,
            )
        )

    # ---- what the peer reports

    def acknowledge(self) -> None:
        """The peer has reported: find out up to which position it got our speech (RFC 3550 section 6.4.1).

        One that confirms nothing of the last second and a half does not hear us. It is believed once it has confirmed
        more from one report to another: some count wrongly, and some tell nothing of us at all.
        """
        sequence = self._session.acknowledged_sequence
        if sequence is None:
            return
        behind = self._session.next_sequence - sequence
        if behind <= _RING:
            self._acknowledged_until = max(self._acknowledged_until, self._positions[sequence % _RING])
        if self._confirmed is not None and sequence > self._confirmed:
            self._keeps_count = True
        self._confirmed = sequence
        self._unheard = self._keeps_count and behind > _ON_THE_WAY

    # ---- the tick

    def send(self, tick: int, owed: int) -> Sequence[bytes]:
        """Make the packets that are due: one, or up to three after a late wake-up.

        Past that the RTP timestamp moves over the gap and the speech waits: a longer burst would only be thrown away.
        """
        self.sent = b""
        settings = self.settings
        if settings is None:
            return ()
        if not settings.sends:
            self._rest(owed)
            return ()
        if self._comfort_type is not None and not (self._playout or self._relayed or self._keypad.is_busy):
            return self._be_silent(owed, self._comfort_type)
        if owed == 1:
            return (self._send_frame(tick, settings),)
        skipped = max(0, owed - MOST_AT_ONCE)
        if skipped:
            self.frames_skipped += skipped
            self._rest(skipped)
        self.frames_bunched += max(0, owed - skipped - 1)
        return [self._send_frame(tick - behind, settings) for behind in reversed(range(owed - skipped))]

    # ---- what leaves without it (media.convoy)

    @property
    def is_plain(self) -> bool:
        """Whether 20 ms of audio leave in every tick, as they are given: no keys, no pauses, no encoder."""
        settings = self.settings
        if settings is None or not settings.sends or settings.codec != self._encoding or self._encoder is not None:
            return False
        return self._comfort_type is None and not (self._keypad.is_busy or self._marker)

    @property
    def encoding(self) -> str:
        """What leaves is encoded in."""
        return self._encoding

    @property
    def next_header(self) -> Header:
        """The header of the packet that leaves next."""
        session = self._session
        return Header(self._payload_type, session.next_sequence & 0xFFFF, session.next_timestamp, session.ssrc)

    @property
    def has_speech(self) -> bool:
        """Whether a frame that leaves may have something to tell: speech, or a mark."""
        return bool(self._playout) or self._playout.next_mark is not None

    @property
    def relayed(self) -> bytes:
        """What waits of another leg's audio."""
        return self._relayed

    @relayed.setter
    def relayed(self, audio: bytes) -> None:
        self._relayed = audio

    def ahead(self, frames: int) -> bytes:
        """Look at the speech of the next frames, so many at most, that are all speech and not the end of it."""
        return self._playout.ahead(self._encoding, frames)

    def frames_to_mark(self) -> int | None:
        """How many frames of speech leave up to the one with which the next mark passes; None without marks."""
        mark = self._playout.next_mark
        return None if mark is None else max(1, -(-(mark - self._playout.sent_until) // FRAME))

    def follow(self, frames: int, *, are_speech: bool) -> None:
        """Take note that so many frames have left, one a tick, as `ahead` has shown them, or of no speech."""
        first, start = self._session.next_sequence, self._playout.sent_until
        self._session.follow_sent(frames, self._frame_samples, self._frame_size)
        if are_speech:
            self._playout.skip(frames)
        step = FRAME if are_speech else 0
        for number in range(1, frames + 1):
            self._positions[(first + number - 1) % _RING] = start + number * step
        self._tell_marks()

    def _rest(self, frames: int) -> None:
        """Let time pass without packets. The next one is marked, as after any silence (RFC 3551 section 4.1)."""
        self._session.advance(frames * self._frame_samples)
        self._marker = True

    def _be_silent(self, owed: int, payload_type: int) -> Sequence[bytes]:
        """Send comfort noise once a second, the first at once, and let time pass."""
        if not self._marker:
            self._silent = 0
        due = -self._silent % _COMFORT_EVERY < owed
        self._silent += owed
        packets = (self._session.send(_COMFORT, payload_type, 0, False),) if due else ()
        if due:
            self._positions[(self._session.next_sequence - 1) % _RING] = self._playout.sent_until
        self._rest(owed)
        return packets

    def _send_frame(self, tick: int, settings: StreamSettings) -> bytes:
        keys = self._press_on(settings) if self._keypad.is_busy else None
        relayed = self._take_relayed() if self._relayed else b""
        speech = self._playout.pop(self._encoding) if keys is None else b""
        audio = speech
        if len(audio) < self._frame_size:
            audio += (relayed or noise(tick, self._encoding))[len(audio) :]
        datagram = keys or self._number(audio)
        self._marker = False
        self.sent += audio
        self._positions[(self._session.next_sequence - 1) % _RING] = self._playout.sent_until
        self._tell_marks()
        if speech and not self._playout:
            self.events.append(Drained(leg=self._leg, speeches=self._speeches, position=self._playout.given))
        return datagram

    def _tell_marks(self) -> None:
        for mark in self._playout.passed():
            passed = MarkPassed(leg=self._leg, speech=mark.number, name=mark.name, position=mark.position)
            self.events.append(passed)

    def _press_on(self, settings: StreamSettings) -> bytes | None:
        return self._keypad.send(self._playout.sent_until, settings, self._number)

    def _take_relayed(self) -> bytes:
        frame, self._relayed = self._relayed[: self._frame_size], self._relayed[self._frame_size :]
        return frame

    def _number(self, audio: bytes) -> bytes:
        """Encode 20 ms, and number the packet of it."""
        payload = audio if self._encoder is None else self._encoder.encode(audio)
        return self._session.send(payload, self._payload_type, self._frame_samples, self._marker)


def _same_codec(one: StreamSettings, other: StreamSettings) -> bool:
    return (one.codec, one.codec_parameters) == (other.codec, other.codec_parameters)
