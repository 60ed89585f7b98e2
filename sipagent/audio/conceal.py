"""Packet loss concealment, first form: the last good frame again, fading out over 60 ms, then comfort noise.

The fade is that of G.711 Appendix I: full for 10 ms, then a fifth less every 10 ms. It does not search for the pitch.
"""

import numpy as np

from sipagent.audio import comfort, g711

_FADED_AFTER = 3
_TIME = np.arange(_FADED_AFTER * g711.FRAME) / g711.RATE
_FADE = np.clip(1.0 - 0.2 * (_TIME - 0.010) / 0.010, 0.0, 1.0).reshape(_FADED_AFTER, g711.FRAME)


class Concealer:
    """Remembers the last frame that came, and makes up those that did not."""

    __slots__ = ("_encoding", "_last", "_lost")

    def __init__(self) -> None:
        self._last = b""
        self._encoding = g711.PCMU
        self._lost = 0

    def hear(self, frame: bytes, encoding: str) -> None:
        """Take a frame of 160 bytes that came."""
        self._last, self._encoding, self._lost = frame, encoding, 0

    def conceal(self, tick: int, encoding: str) -> bytes:
        """Make up the frame of a tick, 160 bytes; how far it has faded follows from how many were lost in a row."""
        if not self._last or self._lost >= _FADED_AFTER:
            return comfort.noise(tick, encoding)
        samples = g711.decode(self._last, self._encoding) * _FADE[self._lost]
        self._lost += 1
        return g711.encode(samples.astype(np.int16), encoding)
