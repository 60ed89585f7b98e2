"""Timer values of SIP (RFC 3261 section 17.1.1.1, table 4), and the schedule that tells whose time has come."""

import heapq
import itertools
from typing import Protocol

T1 = 0.5
"""Estimated round trip, seconds."""
T2 = 4.0
"""The longest interval between retransmissions of a request other than INVITE, and of a 2xx."""
T4 = 5.0
"""How long a message stays in the network."""
PATIENCE = 64 * T1
"""After which a transaction gives up: timers B, F, H, J, L, M, and the wait for an ACK."""


_OUTDATED = 8
"""Entries that may wait for their time in vain, beside one for each that does not: a call that is over would otherwise
be kept until its session timer, half an hour later."""


class Machine(Protocol):
    """A protocol machine, as far as time concerns it."""

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""

    def next_timer(self) -> float | None:
        """When something will be due; None for never."""


class Schedule:
    """Which machine is due when. Thousands of transactions linger at any time, so it is a heap, not a scan."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Machine]] = []
        self._deadlines: dict[Machine, float] = {}
        self._serial = itertools.count()

    def update(self, machine: Machine) -> None:
        """Take note of a machine's deadline; to be called whenever it may have changed."""
        deadline = machine.next_timer()
        if deadline is None:
            self._deadlines.pop(machine, None)
        elif self._deadlines.get(machine) != deadline:
            self._deadlines[machine] = deadline
            heapq.heappush(self._heap, (deadline, next(self._serial), machine))
        if len(self._heap) > 2 * len(self._deadlines) + _OUTDATED:
            self._heap = [entry for entry in self._heap if self._deadlines.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The earliest deadline of all."""
        self._drop_outdated()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Machine | None:
        """Take out one machine whose time has come."""
        self._drop_outdated()
        if not self._heap or self._heap[0][0] > now:
            return None
        machine = heapq.heappop(self._heap)[2]
        del self._deadlines[machine]
        return machine

    def _drop_outdated(self) -> None:
        while self._heap and self._deadlines.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    def __bool__(self) -> bool:
        return bool(self._deadlines)
