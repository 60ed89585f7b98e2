"""Which address of ours a peer can reach: the one our packets to it leave from, or the one that a NAT shows it."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

CARRIER_GRADE_NAT = ip_network("100.64.0.0/10")
"""RFC 6598: neither private by name nor reachable from outside."""
DISCARD = 9
"""Any port will do for asking the routing table; no packet is sent."""


def local_address_towards(remote: str) -> str | None:
    """Return the address that packets to the IP literal `remote` leave from, or None where no route leads."""
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, DISCARD))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def is_private(host: str) -> bool:
    """Tell whether an IP literal is one that the public Internet cannot reach."""
    address = ip_address(host)
    behind_carrier = isinstance(address, IPv4Address) and address in CARRIER_GRADE_NAT
    return address.is_private or address.is_loopback or address.is_link_local or behind_carrier


def advertised_host(local: str, remote: str, external: str, local_net: Sequence[Network]) -> str:
    """Return the host that Via, Contact and SDP to `remote` say. All are IP literals, `external` may be empty.

    Peers in `local_net` and on this machine see us as we are, all others see `external`.
    """
    return local if not external or is_near(remote, local_net) else external


def is_near(remote: str, local_net: Sequence[Network]) -> bool:
    """Tell whether `remote` is this machine or in one of our own networks."""
    address = ip_address(remote)
    return address.is_loopback or any(address in network for network in local_net)


def unreachable_note(host: str, remote: str) -> str | None:
    """Return what to tell the operator if a public peer would be given a private address to send speech to."""
    if not is_private(host) or is_private(remote):
        return None
    return (
        f"{remote} is told to send speech to {host}, which it cannot reach:"
        " write your public address as external_address in [general] of sip.conf"
    )
