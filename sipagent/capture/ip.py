"""UDP over IP inside a link-layer frame: found in frames of the usual kinds, and built with correct checksums.

RFC 768, RFC 791, RFC 8200; link types as registered at https://www.tcpdump.org/linktypes.html.
"""

import ipaddress
import struct
from functools import lru_cache

from sipagent.sip.flow import Address

UDP = 17
HOP_LIMIT = 64
LINKTYPE_RAW = 101

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_EXTENSIONS = frozenset({0, 43, 60})
"""Hop-by-hop options, routing and destination options: each begins with (next header, length in 8 bytes less one)."""

_LINK_HEADERS = {
    0: (4, None),  # NULL: BSD loopback
    1: (14, 12),  # Ethernet
    12: (0, None),  # RAW, as some BSDs number it
    14: (0, None),
    101: (0, None),  # RAW
    108: (4, None),  # LOOP
    113: (16, 14),  # Linux cooked
    228: (0, None),  # IPv4
    229: (0, None),  # IPv6
    276: (20, 0),  # Linux cooked, version 2
}
"""Link type: length of its header, and where in it the EtherType stands (nowhere: the IP version tells)."""


def udp_in_frame(link_type: int, frame: bytes) -> tuple[Address, Address, bytes] | None:
    """Return (source, destination, payload) of the UDP datagram in `frame`; None for all else, fragments included."""
    packet = _ip_packet(link_type, frame)
    if not packet:
        return None
    if packet[0] >> 4 == 4:
        return _udp_in_ipv4(packet)
    return _udp_in_ipv6(packet) if packet[0] >> 4 == 6 else None


def ip_packet(source: Address, destination: Address, payload: bytes) -> bytes:
    """Build the IP packet that carries `payload` by UDP. Both addresses are of one IP version."""
    sender, receiver = _packed(source.host), _packed(destination.host)
    length = 8 + len(payload)
    ports = struct.pack("!HHH", source.port, destination.port, length)
    checksum = _checksum(sender + receiver + struct.pack("!HH", UDP, length) + ports + payload)
    datagram = ports + struct.pack("!H", checksum) + payload
    if len(sender) == 16:
        return struct.pack("!IHBB", 6 << 28, length, UDP, HOP_LIMIT) + sender + receiver + datagram
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, HOP_LIMIT, UDP)
    return head + struct.pack("!H", _checksum(head + sender + receiver)) + sender + receiver + datagram


def _ip_packet(link_type: int, frame: bytes) -> bytes:
    """Strip the link-layer header; empty for what is not IP or not known."""
    if link_type not in _LINK_HEADERS:
        return b""
    length, type_at = _LINK_HEADERS[link_type]
    if type_at is None:
        return frame[length:]
    while _number(frame, type_at) in _VLAN_TAGS:
        length, type_at = length + 4, type_at + 4
    return frame[length:] if _number(frame, type_at) in (_IPV4, _IPV6) else b""


def _udp_in_ipv4(packet: bytes) -> tuple[Address, Address, bytes] | None:
    header = (packet[0] & 0x0F) * 4
    fragmented = _number(packet, 6) & 0x3FFF
    if header < 20 or len(packet) < header or packet[9] != UDP or fragmented:
        return None
    # The frame may be padded to Ethernet's minimum: the packet's own length counts.
    return _udp(packet[12:16], packet[16:20], packet[header : _number(packet, 2)])


def _udp_in_ipv6(packet: bytes) -> tuple[Address, Address, bytes] | None:
    if len(packet) < 40:
        return None
    following, at = packet[6], 40
    while following in _EXTENSIONS and len(packet) >= at + 8:
        following, at = packet[at], at + 8 + packet[at + 1] * 8
    if following != UDP:
        return None
    return _udp(packet[8:24], packet[24:40], packet[at : 40 + _number(packet, 4)])


def _udp(sender: bytes, receiver: bytes, datagram: bytes) -> tuple[Address, Address, bytes] | None:
    if len(datagram) < 8:
        return None
    source_port, destination_port, length = struct.unpack_from("!HHH", datagram)
    if not 8 <= length <= len(datagram):
        return None
    source = Address(str(ipaddress.ip_address(sender)), source_port)
    destination = Address(str(ipaddress.ip_address(receiver)), destination_port)
    return source, destination, datagram[8:length]


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


@lru_cache(maxsize=1024)
def _packed(host: str) -> bytes:
    return ipaddress.ip_address(host.partition("%")[0]).packed


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071). 2**16 is 1 modulo 0xFFFF, so the sum of the words is one remainder.

    Never 0, which UDP reserves for "no checksum"; 0xFFFF is the same number in ones' complement.
    """
    return 0xFFFF - int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
