"""The sockets of the legs in a convoy: a system call for each leg and direction, and the rest for all legs at once.

What a system call is given for a row is made when a leg takes the row, and `itertools` makes the calls. Of an argument,
what `from_param` returns is cheaper than what it was made of. Where the kernel writes is laid out once, and read as
arrays.
"""

import socket
from ctypes import c_size_t, c_void_p
from itertools import compress, starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sipagent.media import RTP, Arrival
from sipagent.media.convoy import DEPTH, PACKET
from sipagent.net.arrival_time import OLDEST, arrival_time, wall_ahead
from sipagent.net.datagrams import HostPort, Inbox, Received, Sources, socket_name
from sipagent.net.kernel import keeping

_LARGEST = 2048
_STRIDE = 2240
"""Octets from one datagram's room to the next: at 2048 all would begin in the same few sets of the cache."""
_NAME = 28
"""sizeof(struct sockaddr_in6), the longest address that a UDP socket gives."""
_CONTROL = 32
"""CMSG_SPACE(sizeof(struct timespec)): the only control message that is asked for."""
_SOURCE = np.dtype("V32")
"""Room for a name, as one value: that is quickly compared."""
_CONTROL_WORDS = 4
_HEADER = 64
"""sizeof(struct mmsghdr)."""

_SEND_NOTHING = -1, None, None, 0, None, 0
_FETCH_NOTHING = -1, None, 0, 0, None
"""Arguments of a row that was never taken: the kernel refuses them."""

_recvmmsg, _sendto = keeping.recvmmsg, keeping.sendto


class ConvoySockets:
    """Moves the datagrams of a convoy's legs, by row. It never waits, and never gives the interpreter away."""

    def __init__(self, outgoing: NDArray[np.uint8]) -> None:
        """`outgoing`: C-contiguous [capacity, 172], the packet that each row sends; it stays where it is."""
        self.failed = 0
        """Datagrams that the kernel did not take."""
        self._outgoing = outgoing
        self._slots = _Slots(len(outgoing))
        self._sends: list[tuple[object, ...]] = [_SEND_NOTHING] * len(outgoing)
        self._fetches: list[tuple[object, ...]] = [_FETCH_NOTHING] * len(outgoing)

    def seat(self, row: int, leg: int, descriptor: int, peer: HostPort) -> None:
        """Give a row to a leg: its RTP socket, and the address that it sends to and hears from.

        What the row fetched before is gone with it.
        """
        name = socket_name(peer)
        packet = c_void_p.from_param(self._outgoing.ctypes.data + PACKET * row)
        size = c_size_t.from_param(PACKET)
        self._sends[row] = descriptor, packet, size, socket.MSG_DONTWAIT, name, len(name)
        self._slots.seat(row, leg, descriptor, name)
        self._fetches[row] = descriptor, self._slots.headers_of(row), DEPTH, socket.MSG_DONTWAIT, None

    def send(self, aboard: bytes) -> None:
        """Send the packets of some rows. `aboard`: an octet for each row from the first on, 1 if it is one, else 0."""
        self.failed += list(starmap(_sendto, compress(self._sends, aboard))).count(-1)

    def fetch(self, aboard: bytes, now: float) -> "FetchedSlots":
        """Read up to DEPTH datagrams of each of some rows; `aboard` as in `send`, `now` on the monotonic clock."""
        ahead = wall_ahead()
        counts = np.zeros(len(aboard), np.int64)
        counts[np.frombuffer(aboard, np.bool_)] = list(starmap(_recvmmsg, compress(self._fetches, aboard)))
        np.maximum(counts, 0, out=counts)
        return FetchedSlots(self._slots, counts, ahead, now)


class FetchedSlots:
    """What one fetch read, good until the next. Of a row only the first `counts[row]` entries mean anything."""

    def __init__(self, slots: "_Slots", counts: NDArray[np.int64], ahead: int, now: float) -> None:
        rows, deepest = len(counts), int(counts.max(initial=0))
        walls = slots.stamps(deepest, rows)
        came = (walls - ahead) / 1e9
        self.counts = counts
        """Datagrams of each row: [rows]; 0 where it is not aboard."""
        self.packets = slots.data[:, :rows, :PACKET]
        """The first octets of each: [DEPTH, rows, 172]."""
        self.lengths = slots.lengths[:, :rows]
        """Octets of each: [DEPTH, rows]; 2048 where it was longer."""
        self.times = np.where((now - OLDEST < came) & (came < now), came, now)
        """When each came, as `arrival_time` has it, in seconds of the monotonic clock: [so many as came, rows].

        To the last bit, unless the machine has been up for more than 2**53 ns, which is 104 days.
        """
        self.familiar = slots.familiar(deepest, rows)
        """Whether the row's peer sent it: [so many as came, rows]."""
        self._slots = slots
        self._walls = walls
        self._ahead = ahead
        self._now = now

    def arrivals(self, row: int) -> list[Arrival]:
        """Take all that came to a row, whole, as `OwnSockets.receive` would give it, and once only.

        Where DEPTH came, more may wait in the socket: that is read now.
        """
        received = self._slots.take(row, self._walls[: self.counts[row], row].tolist())
        leg, ahead, now = self._slots.legs[row], self._ahead, self._now
        return [
            Arrival(leg, RTP, source, data, arrival_time(wall_ns, ahead, now)) for source, data, wall_ns in received
        ]


class _Slots:
    """Room for DEPTH datagrams of each row, their sources and time stamps, behind arrays of struct mmsghdr.

    The kernel wants the headers of a row side by side. All else lies by slot, first slots first: that is how it is
    read, and mostly nothing but the first is used. The eight words of a header are told in `datagrams`.
    """

    def __init__(self, capacity: int) -> None:
        shape = DEPTH, capacity
        self.legs = [-1] * capacity
        self.data = np.zeros((*shape, _STRIDE), np.uint8)
        self._names = np.zeros(shape, _SOURCE)
        self._control = np.zeros((*shape, _CONTROL_WORDS), np.int64)
        self._vectors = np.zeros((*shape, 2), np.uint64)
        self._vectors[..., 0] = _addresses(self.data)
        self._vectors[..., 1] = _LARGEST
        self._headers = np.zeros((capacity, DEPTH, _HEADER // 8), np.uint64)
        fields = self._headers.transpose(1, 0, 2)
        fields[..., 0] = _addresses(self._names)
        fields[..., 2] = _addresses(self._vectors)
        fields[..., 3] = 1
        fields[..., 4] = _addresses(self._control)
        self._name_lengths = fields[..., 1]
        self._control_lengths = fields[..., 5]
        self.lengths: NDArray[np.uint32] = self._headers.view(np.uint32).transpose(1, 0, 2)[..., 14]
        self._peers = np.zeros(capacity, _SOURCE)
        self._descriptors = [-1] * capacity
        self._inbox = Inbox()
        self._sources = Sources()

    def seat(self, row: int, leg: int, descriptor: int, peer: bytes) -> None:
        """Give a row to a leg, with its peer's struct sockaddr.

        The kernel leaves in `msg_namelen` how long the source was. A socket's sources are all of one length, so it
        needs to be told anew of another socket only.
        """
        self.legs[row] = leg
        self._descriptors[row] = descriptor
        self._peers[row] = np.void(peer.ljust(_SOURCE.itemsize, b"\0"))
        self._names[:, row] = np.void(bytes(_SOURCE.itemsize))
        self._name_lengths[:, row] = _NAME
        self._control_lengths[:, row] = _CONTROL

    def headers_of(self, row: int) -> Any:
        """The headers of a row, as an argument of a system call."""
        return c_void_p.from_param(self._headers.ctypes.data + DEPTH * _HEADER * row)

    def stamps(self, deepest: int, rows: int) -> NDArray[np.int64]:
        """Take when the kernel got what is in the first slots, in ns since 1970; 0 where it did not say."""
        control = self._control[:deepest, :rows]
        stamps = control[..., 2] * 1_000_000_000 + control[..., 3]
        control[..., 2:] = 0  # and so they stay where nothing is said
        # The kernel reads there how much it may write, and leaves there how much it has written.
        self._control_lengths[:deepest, :rows] = _CONTROL
        return stamps

    def familiar(self, deepest: int, rows: int) -> NDArray[np.bool_]:
        """Tell whether what is in the first slots has come from the rows' peers."""
        same: NDArray[np.bool_] = self._names[:deepest, :rows] == self._peers[:rows]
        return same

    def take(self, row: int, stamps: list[int]) -> list[Received]:
        """Copy the datagrams that a row has, so many as there are stamps, and read what waits behind the last slot."""
        received = [
            (self._sources[name.tobytes()], data[:length].tobytes(), wall_ns)
            for name, data, length, wall_ns in zip(
                self._names[:, row], self.data[:, row], self.lengths[:, row], stamps, strict=False
            )
        ]
        return received if len(received) < DEPTH else received + self._inbox.receive(self._descriptors[row])


def _addresses(slots: NDArray[Any]) -> NDArray[np.uint64]:
    """Where each slot of an array begins in memory: [DEPTH, capacity]."""
    depth, row = np.ogrid[: slots.shape[0], : slots.shape[1]]
    depth_stride, row_stride = slots.strides[:2]
    addresses: NDArray[np.uint64] = (slots.ctypes.data + depth * depth_stride + row * row_stride).astype(np.uint64)
    return addresses
