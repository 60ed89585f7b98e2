"""Packet loss concealment of the class of ITU-T G.711 Appendix I: lost speech goes on in its own pitch, and fades.

What was heard last is repeated by whole periods of its pitch: one for the first 10 ms, two for the next, then three, so
that a longer loss does not buzz. It loses a fifth of its strength every 10 ms after the first, gives way to comfort
noise, and overlaps with the first frame that comes again.

Unlike the Appendix this delays nothing: where it would overlap with speech that has already been played, the step to
the first repeated sample is bridged instead. Where the jitter buffer holds the frame after the loss already, the last
lost one goes over into what leads to it, that frame continued backwards, and it is played as it came. Without a loss no
frame is touched, nor even decoded.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import comfort
from sipagent.audio.encoding import ENCODINGS, FRAME, PCMU, UNITS, convert, decode, encode, rate, silence, width

Signal = NDArray[np.float64]

_SHORTEST, _LONGEST = 40, 120
"""Pitch periods: 200 Hz to 66 Hz (section I.2.2). Like all times here in units of 1/8000 s, whatever the encoding."""
_COMPARED = 160
"""Units over which two stretches of speech are compared to find the period."""
REMEMBERED = 3
"""Frames: three of the longest periods, and what they overlap with."""
_STEP = 80
"""10 ms, in which the Appendix counts."""
_FADED = 480
"""Units after which nothing is left of the speech."""
_MERGED = 80
"""The longest overlap with the frame that comes after the loss."""


class Concealer:
    """Remembers what was heard last, and makes up the frames that did not come."""

    __slots__ = ("_encoding", "_fade", "_heard", "_lost", "_made", "_period", "_scale")

    def __init__(self) -> None:
        self._heard: deque[bytes] = deque(maxlen=REMEMBERED)
        self._lost = 0
        self._period = _SHORTEST
        self._use(PCMU)

    def hear(self, frame: bytes, tick: int, encoding: str) -> bytes:
        """Take a frame of 20 ms that came; returns what to play of it: after a loss its beginning is blended in."""
        self._speak(encoding)
        if self._lost:
            frame = self._merge(frame, tick)
            self._lost = 0
        self._heard.append(frame)
        return frame

    def is_at_rest(self, encoding: str) -> bool:
        """Whether frames in this encoding would be played as they come."""
        return not self._lost and encoding == self._encoding

    def follow(self, frames: Sequence[bytes]) -> None:
        """Remember the last frames that came while it was at rest, which were played as they came."""
        self._heard.extend(frames)

    def conceal(self, tick: int, encoding: str, following: bytes = b"") -> bytes:
        """Make up the frame of a tick out of those before it, and of the `following` one if that has come already."""
        self._speak(encoding)
        if not self._heard:
            return comfort.noise(tick, encoding)
        if not self._lost:
            self._extrapolate()
        frame = self._bridge(following, tick) if following else self._go_on(tick)
        self._lost = 0 if following else self._lost + 1
        self._heard.append(frame)
        return frame

    def _speak(self, encoding: str) -> None:
        """Hear and make up in this encoding from now on."""
        if encoding != self._encoding:
            said = [convert(frame, self._encoding, encoding) for frame in self._heard]
            self._heard = deque(said, maxlen=REMEMBERED)
            self._use(encoding)
            if self._lost:
                self._extrapolate()

    def _use(self, encoding: str) -> None:
        self._encoding = encoding
        self._scale = rate(encoding) // UNITS
        self._fade = _FADES[self._scale]
        self._made: Signal = self._fade

    def _extrapolate(self) -> None:
        """Make all that a loss may need, as the first frame of it is missed."""
        missing = silence(self._encoding, FRAME) * (REMEMBERED - len(self._heard))
        past = decode(missing + b"".join(self._heard), self._encoding).astype(np.float64)
        self._period = find_period(past, self._scale)
        self._made = continue_speech(past, self._period, len(self._fade), self._scale)

    def _go_on(self, tick: int) -> bytes:
        start = self._lost * FRAME
        if start >= _FADED:
            return comfort.noise(tick, self._encoding)
        return _encode(self._faded(start, FRAME, tick), self._encoding)

    def _bridge(self, following: bytes, tick: int) -> bytes:
        """Go over from the made-up speech to what leads into the frame after the loss."""
        made = decode(self._go_on(tick), self._encoding)
        leading = lead_into(decode(following, self._encoding).astype(np.float64), self._scale)
        rising = _ramp(len(made))
        return _encode(made * (1.0 - rising) + leading * rising, self._encoding)

    def _faded(self, start: int, length: int, tick: int) -> Signal:
        """The made-up speech of so many units, as faded as it is by now, over comfort noise."""
        part = slice(start * self._scale, (start + length) * self._scale)
        gain = self._fade[part]
        noise = comfort.noise(tick, self._encoding)[: length * width(self._encoding)]
        return self._made[part] * gain + decode(noise, self._encoding) * (1.0 - gain)

    def _merge(self, frame: bytes, tick: int) -> bytes:
        """Go over from the made-up speech to the frame that came, the longer the loss the slower (section I.2.7)."""
        length = min(self._period // 4 // self._scale + 32 * (2 * self._lost - 1), _MERGED)
        made = self._faded(min(self._lost * FRAME, _FADED), length, tick)
        rising = _ramp(len(made))
        until = length * width(self._encoding)
        came = decode(frame[:until], self._encoding)
        return _encode(made * (1.0 - rising) + came * rising, self._encoding) + frame[until:]


def find_period(past: Signal, scale: int = 1) -> int:
    """Find the pitch period at the end of 280 units or more, in samples: where it is most like what was before (I.2.2).

    `scale` is how many samples a unit of 1/8000 s has.
    """
    shortest, longest, compared = _SHORTEST * scale, _LONGEST * scale, _COMPARED * scale
    recent = past[-compared:]
    earlier = past[-compared - longest : -shortest]
    products = np.correlate(earlier, recent)
    squares = np.concatenate(([0.0], np.cumsum(np.square(earlier))))
    energy = squares[compared:] - squares[:-compared]
    return longest - int(np.argmax(products / np.sqrt(energy + 1.0)))


def continue_speech(past: Signal, period: int, length: int, scale: int = 1) -> Signal:
    """Go on for `length` samples with the last one, two, then three periods of `past`, without a step anywhere."""
    overlap = period // 4
    at = np.arange(length)
    cycles = [_cycle(past, period, count, overlap) for count in (1, 2, 3)]
    made, *longer = [cycle[at % len(cycle)] for cycle in cycles]
    for step, following in enumerate(longer, 1):
        rising = np.clip((at - step * _STEP * scale) / overlap, 0.0, 1.0)
        made = made * (1.0 - rising) + following * rising
    made[:overlap] += (past[-1] - past[-period - 1]) * (1.0 - _ramp(overlap))
    return made


def lead_into(following: Signal, scale: int = 1) -> Signal:
    """Make what may have come before 20 ms, as long as they: their first period, repeated backwards."""
    back, period = following[::-1], _period_within(following, scale)
    overlap = period // 4
    made = _cycle(back, period, 1, overlap)[np.arange(len(back)) % period]
    made[:overlap] += (back[-1] - back[-period - 1]) * (1.0 - _ramp(overlap))
    return made[::-1]


def _period_within(frame: Signal, scale: int) -> int:
    """Find the period at which 20 ms are most like themselves."""
    lags = np.arange(_SHORTEST * scale, _LONGEST * scale + 1)
    products = np.correlate(frame, frame, "full")[len(frame) - 1 + lags]
    squares = np.concatenate(([0.0], np.cumsum(np.square(frame))))
    energies = squares[len(frame) - lags] * (squares[-1] - squares[lags])
    return int(lags[np.argmax(products / np.sqrt(energies + 1.0))])


def _cycle(past: Signal, period: int, count: int, overlap: int) -> Signal:
    """The last `count` periods, their end blended into what leads to their beginning, to be repeated (I.2.3)."""
    cycle = past[-count * period :].copy()
    rising = _ramp(overlap)
    before = past[-count * period - overlap : -count * period]
    cycle[-overlap:] = cycle[-overlap:] * (1.0 - rising) + before * rising
    return cycle


def _ramp(length: int) -> Signal:
    """From above 0 to 1."""
    return np.arange(1, length + 1) / length


def _encode(signal: Signal, encoding: str) -> bytes:
    return encode(np.clip(np.round(signal), -32768, 32767).astype(np.int16), encoding)


def _fading(scale: int) -> Signal:
    """How much is left of the speech at each sample of a loss."""
    fade = np.zeros((_FADED + _MERGED) * scale)
    step = _STEP * scale
    fade[: _FADED * scale] = np.minimum(1.0, 1.0 - 0.2 * (np.arange(_FADED * scale) - step) / step)
    return fade


_FADES = {scale: _fading(scale) for scale in {rate(encoding) // UNITS for encoding in ENCODINGS}}
