"""What the media thread asks of the kernel beside its datagrams: which sockets have something, and to be woken in time.

Python's own calls release the GIL even where they cannot block. While the loop is busy every one of them would then
wait up to a switch interval to get it back, one after the other; `ctypes.PyDLL` keeps it. 64-bit Linux only.
"""

import ctypes
import os
import select
import struct
import time
from ctypes import c_char

keeping = ctypes.PyDLL(None)
"""The C library, in calls that keep the interpreter. `errno` is lost with it: a failure is a number below 0."""
_timers = ctypes.PyDLL(None, use_errno=True)

_MOST_EVENTS = 1024
_EVENT, _DESCRIPTOR = (12, 1) if os.uname().machine == "x86_64" else (16, 2)
"""sizeof(struct epoll_event), which x86-64 alone packs, and which of its 32-bit words is the descriptor."""
_TIMER = struct.Struct("@4q")
"""struct itimerspec."""
_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1

_epoll_wait, _timerfd_settime = keeping.epoll_wait, keeping.timerfd_settime


class Readiness:
    """Knows which of many sockets have something to read. Its descriptor is given back with it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._number = self._epoll.fileno()
        events = (c_char * (_EVENT * _MOST_EVENTS))()
        self._events = ctypes.byref(events)
        self._words = memoryview(events).cast("B").cast("I")

    def add(self, descriptor: int) -> None:
        """Watch a socket."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Watch a socket no longer."""
        self._epoll.unregister(descriptor)

    def ready(self) -> list[int]:
        """Return the descriptors with something to read now."""
        count = _epoll_wait(self._number, self._events, _MOST_EVENTS, 0)
        return self._words[_DESCRIPTOR : count * _EVENT // 4 : _EVENT // 4].tolist() if count > 0 else []


class Grid:
    """Wakes its thread on an absolute grid of times: being late once makes nothing after it late.

    A timerfd, which `os` has from Python 3.13 on.
    """

    def __init__(self, interval: float) -> None:
        self._interval = round(interval * 1e9)
        self._begin = self._due = time.monotonic_ns()
        self._descriptor = _timers.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def wait(self, point: int) -> int:
        """Sleep until a point, counted from when the grid began; returns the last that has come, mostly this one."""
        self._due = self._begin + point * self._interval
        timer = _TIMER.pack(0, 0, *divmod(self._due, 1_000_000_000))
        _timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, timer, None)
        os.read(self._descriptor, 8)
        return (time.monotonic_ns() - self._begin) // self._interval

    def lateness(self, now: float) -> float:
        """Seconds from the point that the last wait was for to `now`, of the monotonic clock."""
        return now - self._due / 1e9

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
