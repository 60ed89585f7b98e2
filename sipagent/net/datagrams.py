"""Datagrams in and out of UDP sockets, through ctypes, so that no call gives the interpreter away.

The kernel writes into memory that is laid out once, and it is read by offsets: the fields of a `ctypes.Structure` cost
more than the system call. A function without `argtypes` is called a fifth faster; so every argument is bytes, a
pointer made before, or an int that fits a C int.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from ctypes import c_char, c_size_t, c_uint64

from sipagent.net.kernel import keeping
from sipagent.net.port_pair import SO_TIMESTAMPNS

HostPort = tuple[str, int]
Received = tuple[HostPort, bytes, int]
"""Source, datagram, and when the kernel got it in nanoseconds since 1970; 0 where it did not say."""

BATCH = 64
"""Datagrams that one system call moves at most: of one call's port all that a flood gets of us."""
_LARGEST = 2048
_NAME = 28
"""sizeof(struct sockaddr_in6), the longest address that a UDP socket gives."""
_CONTROL = 32
"""CMSG_SPACE(sizeof(struct timespec)): the only control message that is asked for."""
_HEADER = 64
"""sizeof(struct mmsghdr)."""
_REFUSED = b"", b""
"""What the kernel does not take: it has no address."""
_REMEMBERED = 4096

_FAMILY = struct.Struct("=H")
_IPV4 = struct.Struct("!2xH4s")
_IPV6 = struct.Struct("!2xH4x16s")
(_STAMP,) = struct.unpack("@q", struct.pack("@ii", socket.SOL_SOCKET, SO_TIMESTAMPNS))
"""cmsg_level and cmsg_type of a time stamp."""
_SIZES = tuple(c_size_t(length) for length in range(_LARGEST + 1))

_recvmmsg, _sendto, _sendmmsg = keeping.recvmmsg, keeping.sendto, keeping.sendmmsg


class Inbox:
    """Reads all that waits in a socket, up to a batch, in one system call."""

    def __init__(self) -> None:
        self._slots = _Slots(BATCH)
        self._sources = Sources()

    def receive(self, descriptor: int) -> list[Received]:
        """Return what waits; nothing when nothing does, or the socket has failed."""
        count = _recvmmsg(descriptor, self._slots.first, BATCH, socket.MSG_DONTWAIT, None)
        take, lengths, sources = self._slots.take, self._slots.lengths, self._sources
        return [take(number, lengths[number], sources) for number in range(count)]


class Outbox:
    """Sends datagrams without waiting: what a socket has no room for is lost, as on any network."""

    def __init__(self) -> None:
        self.failed = 0
        """Datagrams that the kernel did not take."""
        self._names = _Names()

    def send(self, descriptor: int, data: bytes, destination: HostPort) -> None:
        """Send one datagram to an IP address literal and port; one of more than 2048 octets fails."""
        name, length = self._names[destination], len(data)
        if length > _LARGEST or _sendto(descriptor, data, _SIZES[length], socket.MSG_DONTWAIT, name, len(name)) < 0:
            self.failed += 1


class BatchOutbox:
    """Sends many datagrams from one socket at a time, and waits as little as `Outbox`."""

    def __init__(self) -> None:
        self.failed = 0
        """Datagrams that the kernel did not take."""
        self._slots = _Slots(BATCH, control=0)
        self._names = _Names()

    def send(self, descriptor: int, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        """Send datagrams to IP address literals and ports; one of more than 2048 octets fails."""
        for start in range(0, len(datagrams), BATCH):
            self._send_batch(descriptor, datagrams[start : start + BATCH])

    def _send_batch(self, descriptor: int, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        put, names = self._slots.put, self._names
        for number, (data, destination) in enumerate(datagrams):
            put(number, *((data, names[destination]) if len(data) <= _LARGEST else _REFUSED))
        done = 0
        while done < len(datagrams):  # the kernel stops at the first that it does not take
            sent = _sendmmsg(descriptor, self._slots.at(done), len(datagrams) - done, socket.MSG_DONTWAIT)
            done += max(sent, 0)
            if done < len(datagrams):
                self.failed += 1
                done += 1


class _Slots:
    """Room for datagrams, their addresses and time stamps, behind an array of struct mmsghdr.

    On 64-bit Linux a struct mmsghdr has eight words: address, its length, vector, its length, control messages, their
    length, flags, length of the datagram. The first seven are a struct msghdr.
    """

    def __init__(self, count: int, *, control: int = _CONTROL) -> None:
        headers, vectors = (c_uint64 * (8 * count))(), (c_uint64 * (2 * count))()
        names, controls = (c_char * (_NAME * count))(), (c_char * (_CONTROL * count))()
        data = (c_char * (_LARGEST * count))()
        for number in range(count):
            vectors[2 * number : 2 * number + 2] = [ctypes.addressof(data) + _LARGEST * number, _LARGEST]
            headers[8 * number : 8 * number + 6] = [
                ctypes.addressof(names) + _NAME * number,
                _NAME,
                ctypes.addressof(vectors) + 16 * number,
                1,
                ctypes.addressof(controls) + _CONTROL * number,
                control,
            ]
        self._headers = headers
        self.first = ctypes.byref(headers)
        self.lengths = memoryview(headers).cast("B").cast("I")[14::16]
        self._name_lengths = memoryview(headers).cast("B").cast("I")[2::16]
        self._control_lengths = memoryview(headers).cast("B").cast("Q")[5::8]
        self._data_lengths = memoryview(vectors).cast("B").cast("Q")[1::2]
        self._data = memoryview(data).cast("B")
        self._names = [memoryview(names).cast("B")[_NAME * number :][:_NAME] for number in range(count)]
        self._stamps = memoryview(controls).cast("B").cast("q")

    def take(self, number: int, length: int, sources: "Sources") -> Received:
        """Copy a datagram of so many octets out of its slot, and make the slot ready for the next."""
        self._name_lengths[number] = _NAME
        start, stamp = _LARGEST * number, 4 * number
        data, stamps = self._data[start : start + length].tobytes(), self._stamps
        source = sources[self._names[number].tobytes()]
        if self._control_lengths[number] == _CONTROL and stamps[stamp + 1] == _STAMP:
            return source, data, stamps[stamp + 2] * 1_000_000_000 + stamps[stamp + 3]
        self._control_lengths[number] = _CONTROL
        return source, data, 0

    def put(self, number: int, data: bytes, name: bytes) -> None:
        """Fill a slot with what is to be sent."""
        start = _LARGEST * number
        self._data[start : start + len(data)] = data
        self._data_lengths[number] = len(data)
        self._names[number][: len(name)] = name
        self._name_lengths[number] = len(name)

    def at(self, number: int) -> object:
        """The header of a slot, for a system call."""
        return ctypes.byref(self._headers, _HEADER * number)


class Sources(dict[bytes, HostPort]):
    """The addresses that struct sockaddrs stand for, of those that were met."""

    def __missing__(self, name: bytes) -> HostPort:
        if len(self) >= _REMEMBERED:
            self.clear()
        source = self[name] = _address(name)
        return source


class _Names(dict[HostPort, bytes]):
    """The struct sockaddr of each address that was sent to."""

    def __missing__(self, destination: HostPort) -> bytes:
        if len(self) >= _REMEMBERED:
            self.clear()
        name = self[destination] = socket_name(destination)
        return name


def _address(name: bytes) -> HostPort:
    """Read a struct sockaddr."""
    (family,) = _FAMILY.unpack_from(name)
    layout = _IPV6 if family == socket.AF_INET6 else _IPV4
    port, host = layout.unpack_from(name)
    return socket.inet_ntop(family, host), port


def socket_name(destination: HostPort) -> bytes:
    """Make a struct sockaddr; an empty one, which the kernel refuses, of what is no address."""
    host, port = destination
    try:
        if ":" in host:
            address = socket.inet_pton(socket.AF_INET6, host)
            return _FAMILY.pack(socket.AF_INET6) + struct.pack("!HI", port, 0) + address + bytes(4)
        address = socket.inet_pton(socket.AF_INET, host)
        return _FAMILY.pack(socket.AF_INET) + struct.pack("!H", port) + address + bytes(8)
    except (OSError, struct.error):
        return b""
