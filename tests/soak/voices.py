"""What the callers of the soak say: payloads of every codec, made once, said again and again."""

import struct
from collections.abc import Callable
from functools import cache

import numpy as np

from sipagent.audio import encoding as house
from sipagent.audio.codec import Encoder
from sipagent.audio.encoding import PCM
from sipagent.bench.caller import talk

Saying = Callable[[int, int], bytes]
"""Gives the payload of 20 ms, by call and the number of the frame in it."""

FRAMES = 100
"""Of a codec that costs time to encode: 2 s."""
CLOCK = {"pcmu": 8000, "pcma": 8000, "g722": 8000, "opus": 48000}
PAYLOAD_TYPE = {"pcmu": 0, "pcma": 8, "g722": 9, "opus": 96}
KEY_PAYLOAD_TYPE = {8000: 101, 48000: 102}
KEY_FRAMES = 8
"""Of one key press: 100 ms, and its end three times (RFC 4733 section 2.5.1.4)."""
_KEY = struct.Struct("!BBH")
_KEY_ENDS, _KEY_VOLUME = 0x80, 10


def saying(codec: str) -> Saying:
    """What callers with this codec say. By G.711 that is what those of the benchmark say, marks included."""
    if codec in ("pcmu", "pcma"):
        return talk
    payloads = _payloads(codec)
    return lambda call, number: payloads[(call + number) % FRAMES]


def key(number: int, clock: int) -> bytes:
    """Frame `number` of a press of 5, from 0 on."""
    lasted = min(number + 1, KEY_FRAMES - 3) * clock // 50
    return _KEY.pack(5, _KEY_VOLUME | (_KEY_ENDS if number >= KEY_FRAMES - 3 else 0), lasted)


@cache
def _payloads(codec: str) -> tuple[bytes, ...]:
    """Syllables of noise, four a second."""
    rate = house.rate(PCM)
    times = np.arange(FRAMES * rate // 50) / rate
    noise = np.random.default_rng(1).normal(0, 2500, len(times)) * np.clip(np.sin(2 * np.pi * 4 * times), 0, 1)
    audio, size = house.encode(noise.astype(np.int16), PCM), rate // 50 * 2
    encoder = Encoder(codec, {})
    return tuple(encoder.encode(audio[at : at + size]) for at in range(0, len(audio), size))
