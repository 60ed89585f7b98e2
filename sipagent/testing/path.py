"""What a way through a network does to datagrams: how late each one comes, and which never do. Pure, and from a seed.

path = Path(delay=0.03, jitter=0.04, losses=in_bursts(0.05, 3, seed=7), seed=7)
path.carry(sent)      # when it arrives; None if it is lost
"""

import itertools
import random
from collections.abc import Iterator, Sequence


def at_random(share: float, seed: int) -> Iterator[bool]:
    """Tell of each datagram whether it is lost: this share of them, none because of another."""
    chance = random.Random(seed)
    while True:
        yield chance.random() < share


def in_bursts(share: float, length: float, seed: int) -> Iterator[bool]:
    """Lose this share of all datagrams in bursts of `length` on average (the model of Gilbert, 1960)."""
    chance = random.Random(seed)
    begins = share / (length * (1 - share))
    is_lost = False
    while True:
        is_lost = chance.random() < (1 - 1 / length if is_lost else begins)
        yield is_lost


def by_pattern(losses: Sequence[bool]) -> Iterator[bool]:
    """Lose as a recorded pattern says, again and again."""
    return itertools.cycle(losses)


class Path:
    """Carries datagrams one way: each takes `delay` and up to `jitter` more, all in seconds, unless it is lost.

    With `overtakes` one that was slow does not hold back those behind it, so that neighbours change places; without, a
    slow one holds them up as the queue of a router does.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        jitter: float = 0.0,
        losses: Iterator[bool] | None = None,
        overtakes: bool = True,
        seed: int = 0,
    ) -> None:
        self._delay = delay
        self._jitter = jitter
        self._losses = losses if losses is not None else itertools.repeat(False)
        self._overtakes = overtakes
        self._chance = random.Random(seed)
        self._latest = 0.0

    def carry(self, sent: float) -> float | None:
        """Tell when a datagram that was sent now arrives; None if it never does."""
        arrival = sent + self._delay + self._chance.random() * self._jitter
        if next(self._losses):
            return None
        if not self._overtakes:
            arrival = max(arrival, self._latest)
        self._latest = max(arrival, self._latest)
        return arrival
