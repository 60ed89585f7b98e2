"""Two bound UDP sockets: an even port for RTP and the next for RTCP (RFC 3550 section 11)."""

import errno
import socket
from dataclasses import dataclass

SO_TIMESTAMPNS = 35
"""Of asm-generic/socket.h; Python does not name it. The kernel then says when each datagram came."""
_EXPEDITED_FORWARDING = 46 << 2
"""DSCP for voice, as the TOS or traffic class octet (RFC 4594 section 4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPair:
    """Two bound, non-blocking UDP sockets."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket


def bind_pair(host: str, port: int) -> PortPair | None:
    """Bind both ports; None when another program holds one of them. Raises OSError if it is no address of ours."""
    rtp = _bound(host, port)
    if rtp is None:
        return None
    rtcp = _bound(host, port + 1)
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
        else:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return bound
