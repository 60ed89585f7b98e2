"""Each press of a key once, though it may be told in more than one way: by events in RTP, as tones, by SIP INFO."""

from collections import deque
from dataclasses import dataclass

WINDOW = 1.0
"""Seconds by which one way may tell of a press later than another."""


@dataclass(slots=True)
class _Press:
    digit: str
    told_at: float
    methods: set[str]


class Presses:
    """Pairs what each way tells with what the others told, in order: two quick presses told twice stay two."""

    def __init__(self) -> None:
        self._recent: deque[_Press] = deque(maxlen=16)

    def is_new(self, digit: str, method: str, now: float, duration: float = 0.0) -> bool:
        """Take one press of so many seconds that `method` tells of; False if another way has told of it already.

        Some ways tell when the key goes down, others when it comes up: a long press is compared from its beginning.
        """
        began = now - duration
        for press in self._recent:
            if press.digit == digit and method not in press.methods and began - press.told_at <= WINDOW:
                press.methods.add(method)
                return False
        self._recent.append(_Press(digit, now, {method}))
        return True
