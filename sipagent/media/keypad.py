"""Key presses on their way out: telephone events (RFC 4733), or tones in the audio where the peer takes no events."""

from collections import deque
from collections.abc import Callable

from sipagent.audio import tones
from sipagent.audio.codec import clock_rate
from sipagent.audio.encoding import encode, rate
from sipagent.media.commands import SendDigit, StreamSettings
from sipagent.rtp.digits import DigitSender
from sipagent.rtp.session import RtpSession

_PAUSE = 5
"""Frames (100 ms) between two presses: with less, some exchanges hear only one (ITU-T Q.24)."""

SendAudio = Callable[[bytes], bytes]
"""Numbers the packet of 20 ms of audio in the encoding of the leg."""


class Keypad:
    """Presses keys one after the other, each when the speech before it has left."""

    def __init__(self, session: RtpSession) -> None:
        self._session = session
        self._waiting: deque[tuple[int, SendDigit]] = deque()
        self._event: DigitSender | None = None
        self._tones: _Tones | None = None
        self._pause = 0
        self.is_busy = False
        """Whether a press waits or is under way; `send` has nothing to send unless."""

    def press(self, command: SendDigit, position: int) -> None:
        """Queue a press behind the speech that ends at `position`."""
        self._waiting.append((position, command))
        self.is_busy = True

    def send(self, sent_until: int, settings: StreamSettings, send_audio: SendAudio) -> bytes | None:
        """Number the packet that takes the place of this frame's audio; None when no key is down."""
        packet = self._hold(settings, send_audio)
        if packet is not None:
            self._pause = _PAUSE
            return packet
        if self._pause:
            self._pause -= 1
        elif self._waiting and self._waiting[0][0] <= sent_until:
            self._begin(self._waiting.popleft()[1], settings)
            return self._hold(settings, send_audio)
        else:
            self.is_busy = bool(self._waiting)
        return None

    def _begin(self, command: SendDigit, settings: StreamSettings) -> None:
        self._event = self._tones = None
        if settings.event_payload_type is None:
            self._tones = _Tones(command)
        else:
            self._event = DigitSender(
                command.digit,
                duration_ms=command.duration_ms,
                payload_type=settings.event_payload_type,
                clock_rate=settings.event_clock,
            )

    def _hold(self, settings: StreamSettings, send_audio: SendAudio) -> bytes | None:
        """Go on with the key that is down."""
        if self._event is not None:
            return self._event.send(self._session, clock_rate(settings.codec) // 50)
        audio = self._tones.take(settings.encoding) if self._tones is not None else None
        return send_audio(audio) if audio is not None else None


class _Tones:
    """One key as tones, a frame at a time, in whatever encoding the leg has then."""

    def __init__(self, command: SendDigit) -> None:
        self._digit = command.digit.upper()
        self._frames = -(-command.duration_ms // 20)
        self._taken = 0

    def take(self, encoding: str) -> bytes | None:
        """Return the next 20 ms; None at the end."""
        if self._taken == self._frames:
            return None
        self._taken += 1
        samples = rate(encoding) // 50
        heard = tones.dtmf(self._digit, self._taken * samples, rate=rate(encoding))
        return encode(heard[-samples:], encoding)
