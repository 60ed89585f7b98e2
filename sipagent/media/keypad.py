"""Key presses on their way out: telephone events (RFC 4733), or tones in the audio where the peer takes no events."""

from collections import deque
from collections.abc import Callable, Iterator

from sipagent.audio import tones
from sipagent.audio.codec import clock_rate
from sipagent.audio.encoding import FRAME, encode, rate, width
from sipagent.media.commands import SendDigit, StreamSettings
from sipagent.rtp.digits import DigitSender
from sipagent.rtp.session import RtpSession

_PAUSE = 5
"""Frames (100 ms) between two presses: with less, some exchanges hear only one (ITU-T Q.24)."""


class Keypad:
    """Presses keys one after the other, each when the speech before it has left.

    `send_audio` numbers the packet of 20 ms of audio.
    """

    def __init__(self, session: RtpSession, send_audio: Callable[[bytes], bytes]) -> None:
        self._session = session
        self._send_audio = send_audio
        self._waiting: deque[tuple[int, SendDigit]] = deque()
        self._packets: Iterator[bytes] = iter(())
        self._pause = 0
        self.is_busy = False
        """Whether a press waits or is under way; `send` has nothing to send unless."""

    def press(self, command: SendDigit, position: int) -> None:
        """Queue a press behind the speech that ends at `position`."""
        self._waiting.append((position, command))
        self.is_busy = True

    def send(self, sent_until: int, settings: StreamSettings) -> bytes | None:
        """Number the packet that takes the place of this frame's audio; None when no key is down."""
        packet = next(self._packets, None)
        if packet is not None:
            self._pause = _PAUSE
            return packet
        if self._pause:
            self._pause -= 1
        elif self._waiting and self._waiting[0][0] <= sent_until:
            self._packets = self._press(self._waiting.popleft()[1], settings)
            return next(self._packets, None)
        else:
            self.is_busy = bool(self._waiting)
        return None

    def _press(self, command: SendDigit, settings: StreamSettings) -> Iterator[bytes]:
        if settings.event_payload_type is None:
            return self._tones(command, settings.encoding)
        sender = DigitSender(
            command.digit,
            duration_ms=command.duration_ms,
            payload_type=settings.event_payload_type,
            clock_rate=settings.event_clock,
        )
        samples = clock_rate(settings.codec) // 50
        return iter(lambda: sender.send(self._session, samples), None)

    def _tones(self, command: SendDigit, encoding: str) -> Iterator[bytes]:
        hertz, size = rate(encoding), FRAME * width(encoding)
        frames = -(-command.duration_ms // 20)
        audio = encode(tones.dtmf(command.digit.upper(), frames * hertz // 50, rate=hertz), encoding)
        for start in range(0, len(audio), size):
            yield self._send_audio(audio[start : start + size])
