"""When a datagram came: the kernel's wall clock, told by the clock that everything here goes by."""

import time

OLDEST = 5.0
"""Seconds; an older time stamp is a wall clock that was set meanwhile."""


def wall_ahead() -> int:
    """Nanoseconds from the monotonic clock to the time since 1970."""
    return time.time_ns() - time.monotonic_ns()


def arrival_time(wall_ns: int, ahead: int, now: float) -> float:
    """The kernel's time of arrival on the monotonic clock; `now` where it cannot be."""
    came = (wall_ns - ahead) / 1e9
    return came if now - OLDEST < came < now else now
