"""What a description says of its writer's own sockets: where it hears RTP and RTCP, and which way its audio flows."""

import ipaddress

from sipagent.errors import NotAcceptable
from sipagent.sdp.description import MediaDescription, SessionDescription
from sipagent.sdp.direction import Direction


def host(remote: SessionDescription, stream: MediaDescription) -> str:
    """Where the peer receives. Raises NotAcceptable for what is no address of one peer."""
    address = remote.host_of(stream)
    if address is None:
        raise NotAcceptable("the description has no c= line")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise NotAcceptable(f"c= names {address!r}, which is no IP address") from None
    if parsed.is_multicast:
        raise NotAcceptable(f"c= names the multicast group {address}; we speak with one peer")
    return address


def direction(remote: SessionDescription, stream: MediaDescription, host: str) -> Direction:
    """The peer's direction. The address 0.0.0.0 is the old way not to receive (RFC 3264 section 8.4)."""
    if not stream.port:
        return Direction.INACTIVE
    names = [attribute.name for attribute in (*stream.attributes, *remote.attributes)]
    stated = next((Direction(name) for name in names if name in {item.value for item in Direction}), Direction.SENDRECV)
    receives = stated.receives and not ipaddress.ip_address(host).is_unspecified
    return Direction.of(sends=stated.sends, receives=receives)


def rtcp(stream: MediaDescription, host: str, *, mux: bool) -> tuple[str, int]:
    """Where the peer receives RTCP; port 0 where it receives none.

    With `mux` that is where it receives RTP (RFC 5761), else the next port, or what `a=rtcp` says (RFC 3605).
    """
    if not stream.port or ipaddress.ip_address(host).is_unspecified:
        return host, 0
    if mux:
        return host, stream.port
    fields = (stream.attribute("rtcp") or "").split()
    port = _port(fields[0]) if fields else None
    if port is None:
        return host, stream.port + 1
    try:
        return str(ipaddress.ip_address(fields[3])), port
    except (IndexError, ValueError):
        return host, port


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        return None
    return int(text) if 0 < int(text) < 65536 else None
