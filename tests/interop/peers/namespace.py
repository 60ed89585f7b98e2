"""A network of one's own: only loopback, every port free, nothing leaks in or out."""

import ctypes
import os
import subprocess

_CLONE_NEWNET = 0x40000000


def enter_private_network() -> None:
    """Move this process, and all that it starts from now on, into a new network namespace with loopback up.

    Raises OSError where this user may not. (`os.unshare` comes with Python 3.12.)
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "unshare(CLONE_NEWNET)")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
