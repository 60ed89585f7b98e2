"""SIP over UDP: one socket, and for each datagram the flow it came by, with the address the peer really sent to.

On a wildcard bind the kernel tells for each datagram which of our addresses it was sent to, and we answer from that one
(IP_PKTINFO): a peer that was called at 192.0.2.7 drops an answer from 192.0.2.8. It also keeps what ICMP says about
datagrams that did not arrive (IP_RECVERR): a registrar that is not running is known at once, not after 32 seconds.
"""

import asyncio
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Self

from sipagent.errors import ConfigurationError
from sipagent.net.routes import Routes
from sipagent.sip.flow import Address, Flow, Transport

IP_PKTINFO = 8
IP_RECVERR = 11
"""Of linux/in.h; Python 3.11 does not name them."""
PACKET_INFO = struct.Struct("=I4s4s")
"""struct in_pktinfo: interface, our address by the routing table, destination in the header."""
ANCILLARY_SIZE = 512
LARGEST_DATAGRAM = 65535
RECEIVE_BUFFER = 1 << 20
DATAGRAMS_PER_WAKE = 64
"""Read at most so many before other work gets its turn."""

Receive = Callable[[bytes, Flow], None]
Unreachable = Callable[[Flow, str], None]


def _ignore(flow: Flow, reason: str) -> None:
    """Whoever does not care about unreachable peers learns of them by timeouts."""


class UdpEndpoint:
    """A bound UDP socket. Made by `open`."""

    def __init__(self, bound: socket.socket, receive: Receive, unreachable: Unreachable) -> None:
        self._socket = bound
        self._receive = receive
        self._unreachable = unreachable
        self._loop = asyncio.get_running_loop()
        self.local = Address(*bound.getsockname()[:2])
        """What we are bound to; the port is the real one."""
        self._routes = Routes(self.local, self._loop.time)
        self._readiness = select.epoll()
        """Stands between socket and loop: uvloop no longer polls a socket that had an error, such as a word of ICMP."""
        self._readiness.register(bound, select.EPOLLIN)
        self._loop.add_reader(self._readiness, self._readable)

    @classmethod
    async def open(cls, bind: Address, receive: Receive, unreachable: Unreachable = _ignore) -> Self:
        """Bind, and call `receive` with every datagram, `unreachable` with every peer that ICMP says is not there.

        Raises ConfigurationError if the address cannot be had; its cause is the OSError.
        """
        bound = socket.socket(socket.AF_INET6 if ":" in bind.host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if bound.family == socket.AF_INET:
                bound.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
                bound.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            bound.bind((bind.host, bind.port))
        except OSError as error:
            bound.close()
            raise ConfigurationError(cannot_listen(bind, Transport.UDP, error)) from error
        return cls(bound, receive, unreachable)

    def flow_to(self, remote: Address) -> Flow:
        """Return the flow to a peer, with the address that our packets to it leave from."""
        return self._flow(remote, "")

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram from `flow.local` to `flow.remote`; what fails is told to `unreachable`."""
        try:
            self._transmit(data, flow)
        except OSError:
            self._read_icmp()
            self._send_again(data, flow)

    def close(self) -> None:
        """Give the port back; idempotent."""
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._readiness)
            self._readiness.close()
            self._socket.close()

    def _send_again(self, data: bytes, flow: Flow) -> None:
        """A send may report what became of an earlier datagram, to another peer, and then sends nothing itself."""
        try:
            self._transmit(data, flow)
        except BlockingIOError:
            return  # the send buffer is full: lost as on any other hop, and its transaction sends it again
        except OSError as error:
            self._unreachable(flow, error.strerror or str(error))

    def _transmit(self, data: bytes, flow: Flow) -> None:
        to = (flow.remote.host, flow.remote.port)
        if self._routes.is_wildcard and self._socket.family == socket.AF_INET:
            source = PACKET_INFO.pack(0, socket.inet_aton(flow.local.host), bytes(4))
            self._socket.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, to)
        else:
            self._socket.sendto(data, to)

    def _readable(self) -> None:
        for _ in range(DATAGRAMS_PER_WAKE):
            if self._socket.fileno() == -1:
                return
            try:
                data, ancillary, _, source = self._socket.recvmsg(LARGEST_DATAGRAM, ANCILLARY_SIZE)
            except BlockingIOError:
                return
            except OSError:
                self._read_icmp()
                continue
            self._receive(data, self._flow(Address(*source[:2]), _destination(ancillary)))

    def _read_icmp(self) -> None:
        """Read the kernel's queue of datagrams that were sent back to us, to its end."""
        while self._socket.fileno() != -1:
            try:
                _, ancillary, _, to = self._socket.recvmsg(0, ANCILLARY_SIZE, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self._unreachable(self.flow_to(Address(*to[:2])), _reason(ancillary))

    def _flow(self, remote: Address, called: str) -> Flow:
        """The flow of a peer that `called` this address of ours; empty where nobody has called."""
        told = called and self._routes.is_wildcard
        local = Address(called, self.local.port) if told else self._routes.local_towards(remote.host)
        return Flow(transport=Transport.UDP, local=local, remote=remote)


def _destination(ancillary: list[tuple[int, int, bytes]]) -> str:
    """Return which of our addresses a datagram was sent to, as the kernel tells it; empty if it does not."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return socket.inet_ntoa(PACKET_INFO.unpack_from(data)[1])
    return ""


def _reason(ancillary: list[tuple[int, int, bytes]]) -> str:
    """Return what ICMP said, in words: struct sock_extended_err begins with the error number."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_RECVERR:
            return os.strerror(struct.unpack_from("=I", data)[0])
    return "unreachable"


def cannot_listen(bind: Address, transport: Transport, error: OSError) -> str:
    """Return why an address cannot be had, and what to write instead."""
    if error.errno == errno.EADDRINUSE:
        cure = f"another program (a PBX, a softphone) has it; write bind = {bind.host}:{bind.port + 10} in [general]"
    elif error.errno == errno.EADDRNOTAVAIL:
        cure = "it is no address of this machine; write bind = 0.0.0.0:5060 in [general]"
    else:
        cure = "write another address as bind in [general]"
    return f"cannot listen on {bind} ({transport.value.lower()}): {os.strerror(error.errno or 0)}: {cure}"
