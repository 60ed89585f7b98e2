"""Let the media thread run when its time has come, though others are busy (Linux).

Without this a thread that wakes on a busy processor waits for the next scheduler tick: up to 4 ms at 250 Hz.
"""

import ctypes
import os
import threading
from ctypes import c_int32, c_uint32, c_uint64
from enum import Enum

_SLICE_NS = 100_000
"""The shortest that the kernel grants."""
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Of asm/unistd.h: older C libraries have no function for it."""

_libc = ctypes.CDLL(None, use_errno=True)


class Urgency(Enum):
    """How the present thread is scheduled."""

    REAL_TIME = "real time"
    SHORT_SLICE = "short slice"
    ORDINARY = "ordinary"


class _Attributes(ctypes.Structure):
    """struct sched_attr, first version."""

    _fields_ = (
        ("size", c_uint32),
        ("policy", c_uint32),
        ("flags", c_uint64),
        ("nice", c_int32),
        ("priority", c_uint32),
        ("runtime", c_uint64),
        ("deadline", c_uint64),
        ("period", c_uint64),
    )


def make_urgent() -> Urgency:
    """Give the present thread the best scheduling that we may have, and say which.

    Real time, at its lowest priority, needs CAP_SYS_NICE or an `rtprio` limit. Anybody may ask for a short slice
    (Linux 6.12): who asks for little at a time gets it at once.
    """
    thread = threading.get_native_id()
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return Urgency.SHORT_SLICE if _shorten_slice(thread) else Urgency.ORDINARY
    return Urgency.REAL_TIME


def _shorten_slice(thread: int) -> bool:
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None:
        return False
    attributes = _Attributes(size=ctypes.sizeof(_Attributes), policy=os.SCHED_OTHER, runtime=_SLICE_NS)
    return bool(_libc.syscall(number, thread, ctypes.byref(attributes), 0) == 0)
