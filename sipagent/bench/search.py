"""The search for the most calls that are carried: doubling, then halving the distance to what failed."""

from dataclasses import dataclass

FIRST = 50
_PRECISION = 0.05
"""Of the result, and never finer than _FINEST calls."""
_FINEST = 5


@dataclass(slots=True, kw_only=True)
class Search:
    """How many calls to try next, given how it went with those before."""

    most: int = 5000
    """That this machine can try."""
    carried: int = 0
    _failed: int | None = None
    _next: int | None = FIRST

    @property
    def next(self) -> int | None:
        """How many to try; None when it is known."""
        return self._next

    def take(self, calls: int, *, is_carried: bool, room: float) -> None:
        """So many were tried. They could be `room` times as many until the processor is full."""
        if is_carried:
            self.carried = max(self.carried, calls)
        else:
            self._failed = min(calls, self._failed or calls)
        if self._failed is None:
            higher = min(2 * calls, int(calls * room), self.most)
        else:
            higher = (self.carried + self._failed) // 2
        self._next = higher if self._is_worth_a_try(higher) else None

    def _is_worth_a_try(self, calls: int) -> bool:
        """Whether the result would be another, as finely as it can be told."""
        if self._failed is None:
            return calls > self.carried * (1 + _PRECISION)
        return self._failed - self.carried > max(_FINEST, self.carried * _PRECISION)
