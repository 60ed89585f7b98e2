"""The RTP ports: an even one for RTP and the next for RTCP (RFC 3550 section 11), as bound sockets.

A port that a call gave back rests for ten seconds: packets of the old call that are still under way must not be
heard in a new one. When no other is left, the one that has rested longest is taken rather than refuse a call.
"""

import errno
import socket
from collections import deque
from dataclasses import dataclass

from sipagent.errors import ConfigurationError, NoPortFree

QUARANTINE = 10.0
"""Seconds that a port rests after a call."""
SO_TIMESTAMPNS = 35
"""Of asm-generic/socket.h; Python does not name it. The kernel then says when each datagram came."""
_EXPEDITED_FORWARDING = 46 << 2
"""DSCP for voice, as the TOS octet (RFC 4594 section 4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPair:
    """Two bound, non-blocking UDP sockets."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket


class PortPool:
    """Leases the port pairs in `low`-`high` on `host`, the longest unused first. `now` is monotonic seconds."""

    def __init__(self, low: int, high: int, host: str = "0.0.0.0") -> None:
        self._range = f"{low}-{high}"
        self._host = host
        self._free = deque(range(low + low % 2, high, 2))
        self._resting: deque[tuple[float, int]] = deque()
        self.capacity = len(self._free)
        """How many calls the range carries at a time."""
        if not self.capacity:
            raise ConfigurationError(f"rtp_ports = {self._range} holds no even port with the next one free for RTCP")

    def lease(self, now: float) -> PortPair:
        """Bind a pair. Raises NoPortFree when calls, or other programs, hold all of them."""
        while self._resting and self._resting[0][0] + QUARANTINE <= now:
            self._free.append(self._resting.popleft()[1])
        for _ in range(len(self._free)):
            port = self._free.popleft()
            if (pair := self._bind(port)) is not None:
                return pair
            self._free.append(port)
        while self._resting:
            if (pair := self._bind(self._resting.popleft()[1])) is not None:
                return pair
        raise NoPortFree(f"all RTP ports of {self._range} are taken: widen rtp_ports in [general]")

    def release(self, pair: PortPair, now: float) -> None:
        """Close a pair and let its port rest."""
        pair.rtp.close()
        pair.rtcp.close()
        self._resting.append((now, pair.port))

    def _bind(self, port: int) -> PortPair | None:
        """Bind both ports; None when another program holds one of them."""
        rtp = _bound(self._host, port)
        if rtp is None:
            return None
        rtcp = _bound(self._host, port + 1)
        if rtcp is None:
            rtp.close()
            return None
        return PortPair(port=port, rtp=rtp, rtcp=rtcp)


def _bound(host: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if family == socket.AF_INET:
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return bound
