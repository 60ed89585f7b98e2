"""Key presses on their way out: telephone events (RFC 4733), or tones in the audio where the peer takes no events."""

from collections import deque
from collections.abc import Iterator

from sipagent.audio import g711, tones
from sipagent.media.commands import SendDigit, StreamSettings
from sipagent.rtp.digits import DigitSender
from sipagent.rtp.session import RtpSession

_PAUSE = 5
"""Frames (100 ms) between two presses: with less, some exchanges hear only one (ITU-T Q.24)."""


class Keypad:
    """Presses keys one after the other, each when the speech before it has left."""

    def __init__(self, session: RtpSession) -> None:
        self._session = session
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
            return self._tones(command, settings)
        sender = DigitSender(command.digit, duration_ms=command.duration_ms, payload_type=settings.event_payload_type)
        return iter(lambda: sender.send(self._session), None)

    def _tones(self, command: SendDigit, settings: StreamSettings) -> Iterator[bytes]:
        frames = -(-command.duration_ms // 20)
        audio = g711.encode(tones.dtmf(command.digit.upper(), frames * g711.FRAME), settings.encoding)
        for start in range(0, len(audio), g711.FRAME):
            yield self._session.send(audio[start : start + g711.FRAME], settings.payload_type, g711.FRAME)
