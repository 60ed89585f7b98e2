"""Each press of a key once, though it may be told in more than one way: gateways send events and leave the tones in."""

from collections import deque
from dataclasses import dataclass

_WINDOW = 1.0
"""Seconds by which one way may tell of a press later than another."""


@dataclass(slots=True)
class _Press:
    digit: str
    told_at: float
    methods: set[str]


class Presses:
    """Pairs what each way tells with what the others told, in order: two quick presses told twice stay two."""

    def __init__(self) -> None:
        self._recent: deque[_Press] = deque()

    def is_new(self, digit: str, method: str, now: float) -> bool:
        """Take one press told by `method`; False if another way has told of it already."""
        while self._recent and now - self._recent[0].told_at > _WINDOW:
            self._recent.popleft()
        for press in self._recent:
            if press.digit == digit and method not in press.methods:
                press.methods.add(method)
                return False
        self._recent.append(_Press(digit, now, {method}))
        return True
