"""How long to hold packets back, from how unevenly they came."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, islice

MINIMUM = 0.04
MAXIMUM = 0.4
"""Bounds of the target in seconds."""

BATCH = 50
"""Packets, a second of them, after which the target is worked out anew."""
_BATCHES = 10
_OUTLIERS = 5
"""Of 500 packets (10 s of 20 ms packets) the five slowest may be late: the 99th percentile."""
_LATELY = 2
"""Batches (2 s) that tell how long the path is now: a clock that differs, and a new path, move it."""
_FORGIVEN = 2
"""Of these, or of fewer, so many packets may be late: a stall holds up some packets once, and together."""


class DelayEstimate:
    """The target delay between a sample's earliest possible arrival and its playing.

    A packet's lag is its arrival less its media time. The smallest lag seen lately is the path itself, what others have
    above it is jitter. The target covers the jitter of 99 packets of a hundred, and one `frame` for the phase between
    the packets and the clock that plays them. It is worked out anew once a second, by `settle`, and grows as soon as
    too many packets are slower than it bears. Of each second only what can still matter is kept. All times are seconds.
    """

    __slots__ = ("_batch", "_fastest", "_frame", "_shortest", "_slowest", "target")

    def __init__(self, frame: float) -> None:
        self.target = MINIMUM
        self._frame = frame
        self._shortest = 0.0
        self._batch: list[float] = []
        self._fastest: deque[float] = deque(maxlen=_LATELY)
        self._slowest: deque[list[float]] = deque(maxlen=_BATCHES)

    def add(self, media_time: float, arrival: float) -> None:
        """Take the lag of one packet."""
        lag = arrival - media_time
        batch = self._batch
        if lag < self._shortest or not (batch or self._slowest):
            self._shortest = lag
        batch.append(lag)
        if lag - self._shortest + self._frame > self.target < MAXIMUM:
            self.target = max(self.target, self._needed())

    @property
    def shortest(self) -> float:
        """The lag of the fastest packet that is remembered."""
        return self._shortest

    @property
    def is_known(self) -> bool:
        """Whether any packet has come."""
        return bool(self._batch or self._slowest)

    @property
    def count(self) -> int:
        """Packets since `settle` worked out the target."""
        return len(self._batch)

    def follow(self, lags: Sequence[float]) -> None:
        """Take the lags of packets that the target bears."""
        self._batch += lags
        self._shortest = min(self._shortest, *lags)

    def settle(self) -> None:
        """Work out the target anew, if as many packets as a second has are there to do it by."""
        if len(self._batch) < BATCH:
            return
        ordered = sorted(self._batch)
        self._batch.clear()
        self._fastest.append(ordered[0])
        self._slowest.append(ordered[-1 - _OUTLIERS :])
        self._shortest = min(self._fastest)
        self.target = self._needed()

    def of(self, media_time: float, now: float) -> float:
        """The delay that a sample of `media_time` has when it is played at `now`."""
        return now - media_time - self._shortest

    def raise_to(self, delay: float) -> None:
        """Grow at once, because a packet came too late; within a second it is worked out again."""
        self.target = min(MAXIMUM, max(self.target, delay + self._frame))

    def forget(self) -> None:
        """Begin a new stream, whose media time has nothing to do with the old one's. The target stays."""
        self._batch.clear()
        self._fastest.clear()
        self._slowest.clear()

    def _needed(self) -> float:
        count = len(self._batch) + BATCH * len(self._slowest)
        few = max(_FORGIVEN, _OUTLIERS * count // (BATCH * _BATCHES))
        lately = islice(reversed(self._slowest), _LATELY)
        slowest = max(
            _all_but(few, chain(self._batch, *self._slowest)), _all_but(_FORGIVEN, chain(self._batch, *lately))
        )
        return min(MAXIMUM, max(MINIMUM, slowest - self._shortest + self._frame))


def _all_but(few: int, lags: Iterable[float]) -> float:
    """The longest of these lags if so many that are longer do not count."""
    ordered = sorted(lags)
    return ordered[-1 - min(few, len(ordered) - 1)]
