"""The system calls of the media thread, through ctypes, so that none of them gives the interpreter away.

Python's own socket calls release the GIL even where they cannot block. While the loop is busy every one of them would
then wait up to a switch interval to get it back, twenty packets one after the other; `ctypes.PyDLL` keeps it.
Linux only, as is the rest of the house.
"""

import ctypes
import os
import select
import socket
import struct
import sys
import time
from ctypes import c_char, c_int, c_long, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import NamedTuple

from sipagent.net.ports import SO_TIMESTAMPNS

HostPort = tuple[str, int]

BATCH = 64
"""Datagrams read from one socket at a time: a second of audio, and the most that a flood gets of us each tick."""
_LARGEST = 2048
_NAME = 28
"""sizeof(struct sockaddr_in6), the longest address that a UDP socket gives."""
_CONTROL = 64
_REMEMBERED = 4096
_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1

_TIMESTAMP = struct.Struct("@Niiqq")
"""struct cmsghdr with a struct timespec."""
_IPV4 = struct.Struct("!2xH4s")
_IPV6 = struct.Struct("!2xH4x16s")

_keeping = ctypes.PyDLL(None, use_errno=True)
_keeping.sendto.argtypes = (c_int, ctypes.c_char_p, c_size_t, c_int, ctypes.c_char_p, c_uint)
_keeping.recvmmsg.argtypes = (c_int, c_void_p, c_uint, c_int, c_void_p)
_keeping.epoll_wait.argtypes = (c_int, c_void_p, c_int, c_int)


class Received(NamedTuple):
    """One datagram. `wall_ns` is when the kernel got it, in nanoseconds since 1970; 0 where it did not say."""

    source: HostPort
    data: bytes
    wall_ns: int


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", c_void_p), ("length", c_size_t))


class _Message(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", c_void_p),
        ("name_length", c_uint32),
        ("vector", c_void_p),
        ("vector_length", c_size_t),
        ("control", c_void_p),
        ("control_length", c_size_t),
        ("flags", c_int),
    )


class _Slot(ctypes.Structure):
    """struct mmsghdr of recvmmsg(2)."""

    _fields_ = (("message", _Message), ("length", c_uint))


class _Event(ctypes.Structure):
    """struct epoll_event, which has no padding on x86-64 alone."""

    _pack_ = 1 if os.uname().machine == "x86_64" else 8
    _fields_ = (("events", c_uint32), ("data", c_uint64))


class _Time(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = (
        ("interval_seconds", c_long),
        ("interval_nanoseconds", c_long),
        ("first_seconds", c_long),
        ("first_nanoseconds", c_long),
    )


class Inbox:
    """Reads the datagrams waiting in a socket, up to a batch, in one system call."""

    def __init__(self) -> None:
        self._data = (c_char * (BATCH * _LARGEST))()
        self._names = (c_char * (BATCH * _NAME))()
        self._controls = (c_char * (BATCH * _CONTROL))()
        self._vectors = (_Vector * BATCH)()
        self._slots = (_Slot * BATCH)()
        self._view = memoryview(self._data).cast("B")
        self._name_view = memoryview(self._names).cast("B")
        self._sources: dict[bytes, HostPort] = {}
        for number in range(BATCH):
            self._prepare(number)

    def receive(self, descriptor: int) -> list[Received]:
        """Return what waits; nothing when nothing does, or the socket has failed."""
        count = _keeping.recvmmsg(descriptor, self._slots, BATCH, socket.MSG_DONTWAIT, None)
        return [self._take(number) for number in range(count)]

    def _prepare(self, number: int) -> None:
        vector, message = self._vectors[number], self._slots[number].message
        vector.base, vector.length = ctypes.addressof(self._data) + number * _LARGEST, _LARGEST
        message.vector, message.vector_length = ctypes.addressof(vector), 1
        message.name = ctypes.addressof(self._names) + number * _NAME
        message.control = ctypes.addressof(self._controls) + number * _CONTROL
        message.name_length, message.control_length = _NAME, _CONTROL

    def _take(self, number: int) -> Received:
        """Copy one datagram out of its slot, and make the slot ready for the next."""
        slot = self._slots[number]
        message = slot.message
        start = number * _LARGEST
        name = bytes(self._name_view[number * _NAME : number * _NAME + message.name_length])
        received = Received(
            self._source(name), bytes(self._view[start : start + slot.length]), self._time(number, message)
        )
        message.name_length, message.control_length = _NAME, _CONTROL
        return received

    def _time(self, number: int, message: _Message) -> int:
        if message.control_length < _TIMESTAMP.size:
            return 0
        _, level, kind, seconds, nanoseconds = _TIMESTAMP.unpack_from(self._controls, number * _CONTROL)
        known = level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS
        return int(seconds * 1_000_000_000 + nanoseconds) if known else 0

    def _source(self, name: bytes) -> HostPort:
        source = self._sources.get(name)
        if source is None:
            if len(self._sources) >= _REMEMBERED:
                self._sources.clear()
            source = self._sources[name] = _address(name)
        return source


class Outbox:
    """Sends datagrams without waiting: what a socket has no room for is lost, as on any network."""

    def __init__(self) -> None:
        self.failed = 0
        """Datagrams that the kernel did not take."""
        self._names: dict[HostPort, bytes] = {}

    def send(self, descriptor: int, data: bytes, destination: HostPort) -> None:
        """Send one datagram to an IP address literal and port."""
        name = self._name(destination)
        if _keeping.sendto(descriptor, data, len(data), socket.MSG_DONTWAIT, name, len(name)) < 0:
            self.failed += 1

    def _name(self, destination: HostPort) -> bytes:
        name = self._names.get(destination)
        if name is None:
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            name = self._names[destination] = _socket_name(destination)
        return name


class Readiness:
    """Knows which of many sockets have something to read."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._events = (_Event * 1024)()

    def add(self, descriptor: int) -> None:
        """Watch a socket."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Watch a socket no longer."""
        self._epoll.unregister(descriptor)

    def ready(self) -> list[int]:
        """Return the descriptors with something to read now."""
        count = _keeping.epoll_wait(self._epoll.fileno(), self._events, len(self._events), 0)
        return [self._events[number].data & 0xFFFFFFFF for number in range(count)]

    def close(self) -> None:
        """Give the descriptor back."""
        self._epoll.close()


class Grid:
    """Wakes its thread on an absolute grid of times: being late once makes nothing after it late.

    A timerfd, which `os` has from Python 3.13 on.
    """

    def __init__(self, interval: float) -> None:
        nanoseconds = round(interval * 1e9)
        self._descriptor = _keeping.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC)
        first = _Time(0, nanoseconds, *divmod(time.monotonic_ns() + nanoseconds, 1_000_000_000))
        if self._descriptor < 0 or _keeping.timerfd_settime(
            self._descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(first), None
        ):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def wait(self) -> int:
        """Sleep until the next point of the grid; returns how many have passed since the last call, mostly 1."""
        return int.from_bytes(os.read(self._descriptor, 8), sys.byteorder)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def _address(name: bytes) -> HostPort:
    """Read a struct sockaddr."""
    if len(name) == 16:
        port, host = _IPV4.unpack_from(name)
        return socket.inet_ntop(socket.AF_INET, host), port
    port, host = _IPV6.unpack_from(name)
    return socket.inet_ntop(socket.AF_INET6, host), port


def _socket_name(destination: HostPort) -> bytes:
    """Make a struct sockaddr; an empty one, which the kernel refuses, of what is no address."""
    host, port = destination
    try:
        if ":" in host:
            return (
                struct.pack("=H", socket.AF_INET6)
                + struct.pack("!HI", port, 0)
                + socket.inet_pton(socket.AF_INET6, host)
                + bytes(4)
            )
        return (
            struct.pack("=H", socket.AF_INET)
            + struct.pack("!H", port)
            + socket.inet_pton(socket.AF_INET, host)
            + bytes(8)
        )
    except (OSError, struct.error):
        return b""
