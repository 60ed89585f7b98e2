"""The bad network of the soak, in the callers' process: what they send goes by a `Path`, and comes late or never."""

import heapq
import itertools
from collections.abc import Callable

from sipagent.testing.path import Path, in_bursts

DELAY, JITTER = 0.01, 0.03
LOSS, BURST = 0.02, 2.0


def bad_path(seed: int) -> Path:
    """A path that loses 2 %, two in a row mostly, and is up to 40 ms long; packets overtake each other."""
    return Path(delay=DELAY, jitter=JITTER, losses=in_bursts(LOSS, BURST, seed), seed=seed)


class Wire:
    """Holds what is under way."""

    def __init__(self) -> None:
        self.carried = 0
        self.lost = 0
        self._under_way: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def carry(self, path: Path | None, now: float, deliver: Callable[[], object]) -> None:
        """Have something delivered when the path has brought it there: at once without one."""
        due = now if path is None else path.carry(now)
        self.carried += 1
        if due is None:
            self.lost += 1
        else:
            heapq.heappush(self._under_way, (due, next(self._order), deliver))

    def deliver(self, now: float) -> None:
        """Deliver what has arrived by now."""
        while self._under_way and self._under_way[0][0] <= now:
            heapq.heappop(self._under_way)[2]()
