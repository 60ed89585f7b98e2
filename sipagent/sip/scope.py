"""How far an IP address can be meant."""

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_SITES = tuple(
    ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""RFC 1918, RFC 3927, RFC 4193, RFC 4291. Not `is_private`: that takes in documentation and shared address space."""


class Scope(IntEnum):
    """A wider scope compares greater."""

    NOWHERE = 0
    HOST = 1
    SITE = 2
    WORLD = 3


def plain_address(host: str) -> IPv4Address | IPv6Address:
    """Read an address literal; an IPv4 address mapped into IPv6 is the IPv4 address. ValueError for a name."""
    address = ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address


def scope_of(host: str) -> Scope:
    """The scope of an address literal; NOWHERE for a name, too."""
    try:
        address = plain_address(host)
    except ValueError:
        return Scope.NOWHERE
    if address.is_unspecified:
        return Scope.NOWHERE
    if address.is_loopback:
        return Scope.HOST
    in_site = any(network.version == address.version and address in network for network in _SITES)
    return Scope.SITE if in_site else Scope.WORLD
