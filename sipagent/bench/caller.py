"""What a caller of the benchmark says: a second of speech in four, marked where it begins and in its middle.

A caller of an echo speaks all the time, and each frame is marked: so what comes back is known.
"""

import random
from collections.abc import Callable

from sipagent.bench.marks import FRAME, Kind, frame

PERIOD = 200
"""Frames between one beginning to speak and the next: 4 s."""
SPEECH = 50
"""Frames of each that are speech; the rest is the quiet of a room."""
MARKED = (0, SPEECH // 2)
"""Which frames of a period are marked. The first ends a silence: what was held back must go with it at once."""

_random = random.Random(1)
_ROOM = [bytes(_random.choice(b"\xfe\xfd\x7e\x7d\xff") for _ in range(FRAME)) for _ in range(8)]
"""Some 75 dB under full scale."""
_VOICE = [
    bytes(_random.choice(range(0x18, 0x38)) | _random.choice((0, 0x80)) for _ in range(FRAME)) for _ in range(SPEECH)
]
"""Some 20 dB under it."""

Saying = Callable[[int, int], bytes]
"""Gives 20 ms of audio, by call and the number of the frame in it."""


def is_marked(number: int) -> bool:
    """Whether a frame of `talk` carries a mark."""
    return number % PERIOD in MARKED


def talk(call: int, number: int) -> bytes:
    """Frame `number` of a caller who talks with an agent."""
    place = number % PERIOD
    if place in MARKED:
        return frame(Kind.CALLER, call, number)
    return _VOICE[place] if place < SPEECH else _ROOM[place % len(_ROOM)]


def count(call: int, number: int) -> bytes:
    """Frame `number` of a caller who talks with an echo."""
    return frame(Kind.VOICE, call, number)
