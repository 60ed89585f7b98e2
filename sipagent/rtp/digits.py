"""Telephone events: the keys 0-9 * # A-D in RTP (RFC 4733)."""

import struct
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from sipagent.rtp.packet import RtpPacket
from sipagent.rtp.session import RtpSession

KEYS = "0123456789*#ABCD"
"""The key of each event code from 0 to 15 (section 3.2)."""

CLOCK_RATE = 8000
SILENCE = 0.1
"""Seconds without an update after which a press whose end packets were lost is over (section 2.5.2.2)."""
END_PACKETS = 3
"""How often the end of a press is sent (section 2.5.1.4)."""
LONGEST_PRESS_MS = 8000
"""Nobody holds a key for longer on purpose."""

_EVENT = struct.Struct("!BBH")
_END_BIT = 0x80
_VOLUME = 10
"""Power of our digits in -dBm0 (section 2.3.4)."""
_LONGEST_SEGMENT = 0xFFFF
"""A duration has 16 bits: 8.19 s at 8000 Hz, 1.36 s at 48,000 Hz (section 2.5.1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPress:
    """One press of one key, however long it was held."""

    digit: str
    duration_ms: int


class _Press(NamedTuple):
    """The event being received. Only the timestamp tells two presses of one key apart (section 2.5.1.2)."""

    ssrc: int
    timestamp: int
    event: int

    def continues(self, earlier: "_Press") -> bool:
        """Whether this is the next segment of a press too long for one 16-bit duration (section 2.5.1.3)."""
        elapsed = (self.timestamp - earlier.timestamp) % 0x100000000
        return (self.ssrc, self.event) == (earlier.ssrc, earlier.event) and 0x8000 <= elapsed <= 0xFFFF


class DigitReceiver:
    """Makes one `KeyPress` of every press, at its end, whichever of its packets were lost, doubled or marked.

    Events above 15 (flash, fax and modem tones) are counted in `others` and passed over.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self.others = 0
        self.is_busy = False
        """Whether a key is down or a press waits to be taken; `handle_timer` and `take` do nothing unless."""
        self._presses: list[KeyPress] = []
        self._present: _Press | None = None
        self._earlier_segments = 0
        self._duration = 0
        self._clock_rate = CLOCK_RATE
        self._updated_at = 0.0
        self._over: deque[_Press] = deque(maxlen=32)

    def receive(self, packet: RtpPacket, now: float, clock_rate: int = CLOCK_RATE) -> None:
        """Take one packet of a negotiated telephone-event payload type; `clock_rate` is what it was negotiated with."""
        self.handle_timer(now)
        if len(packet.payload) < _EVENT.size:
            self.malformed += 1
            return
        event, flags, duration = _EVENT.unpack_from(packet.payload)
        if event >= len(KEYS):
            self.others += 1
            return
        press = _Press(packet.ssrc, packet.timestamp, event)
        if press in self._over:
            return
        if press != self._present:
            self._begin(press)
        self._duration = max(self._duration, duration)
        self._clock_rate = clock_rate
        self._updated_at = now
        if flags & _END_BIT:
            self._finish()

    def handle_timer(self, now: float) -> None:
        """End a press of which nothing has come for too long."""
        due = self.next_timer()
        if due is not None and now >= due:
            self._finish()

    def next_timer(self) -> float | None:
        """When the present press is over for want of packets; None when no key is down."""
        return self._updated_at + SILENCE if self._present else None

    def take(self) -> list[KeyPress]:
        """Take out the presses that are over since the last time."""
        presses, self._presses = self._presses, []
        self.is_busy = self._present is not None
        return presses

    def _begin(self, press: _Press) -> None:
        present = self._present
        if present is not None and press.continues(present):
            self._earlier_segments += self._duration
            self._over.append(present)
        else:
            self._finish()
        self._present, self._duration = press, 0
        self.is_busy = True

    def _finish(self) -> None:
        if self._present is None:
            return
        samples = self._earlier_segments + self._duration
        self._presses.append(KeyPress(digit=KEYS[self._present.event], duration_ms=samples * 1000 // self._clock_rate))
        self._over.append(self._present)
        self._present, self._earlier_segments = None, 0


class DigitSender:
    """One press of one key, sent as a packet every 20 ms in place of the audio (section 2.5.1).

    A press too long for one duration goes on in another segment, whose timestamp is where the one before ended.
    `clock_rate` counts durations (section 2.1); it may be that of Opus. Raises ValueError for what is no key, and for a
    press of less than 40 ms or more than 8 s.
    """

    def __init__(
        self, digit: str, *, duration_ms: int = 160, payload_type: int = 101, clock_rate: int = CLOCK_RATE
    ) -> None:
        if len(digit) != 1 or digit.upper() not in KEYS:
            raise ValueError(f"{digit!r} is no key of a telephone: one of {KEYS} is")
        if not 40 <= duration_ms <= LONGEST_PRESS_MS:
            raise ValueError(f"a key press lasts 40 to {LONGEST_PRESS_MS} ms, not {duration_ms}")
        self._event = KEYS.index(digit.upper())
        self._left = duration_ms * clock_rate // 1000
        self._step = clock_rate // 50
        self._payload_type = payload_type
        self._segment = 0
        self._begun = False
        self._ends_sent = 0

    def send(self, session: RtpSession, samples: int = 160) -> bytes | None:
        """Number the next packet of 20 ms, or `samples` of the session's clock; None when the press is over."""
        if self._ends_sent == END_PACKETS:
            return None
        is_first = not self._begun
        step = min(self._step, self._left)
        if is_first or self._segment + step > _LONGEST_SEGMENT:
            session.begin_event()
            self._begun, self._segment = True, 0
        self._segment += step
        self._left -= step
        is_end = self._left == 0
        self._ends_sent += is_end
        payload = _EVENT.pack(self._event, _END_BIT | _VOLUME if is_end else _VOLUME, self._segment)
        return session.send_event(payload, self._payload_type, samples, marker=is_first)
