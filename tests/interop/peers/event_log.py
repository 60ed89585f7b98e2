"""What a peer told us, in order, and a way to wait for the next thing it says."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]


class EventLog:
    """Events (JSON objects) as another thread appends them; `wait` blocks until one fits."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._over = False

    def append(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def finish(self) -> None:
        """Nothing more will come: whoever waits is told at once."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._events)

    def all(self, kind: str, after: int = 0) -> list[Event]:
        """The events of one `type` so far, from index `after` on."""
        return [event for event in self._events[after:] if event["type"] == kind]

    def wait(
        self, kind: str, timeout: float = 10, *, after: int = 0, where: Callable[[Event], bool] = lambda event: True
    ) -> Event:
        """The first event of this type, from index `after` on, that fits. TimeoutError says what came instead."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for event in self.all(kind, after):
                    if where(event):
                        return event
                if self._over or not self._changed.wait(deadline - time.monotonic()):
                    why = "it has ended" if self._over else f"{timeout} s passed"
                    raise TimeoutError(f"{self._name}: no {kind}, {why}; came: {self._events[after:]}")
