"""Addresses below SIP: a transport address, and the flow that a message came over or leaves by (RFC 5626 section 2)."""

from dataclasses import dataclass
from enum import Enum


class Transport(Enum):
    """Values are the Via transport tokens (RFC 3261 section 20.42)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"

    @property
    def reliable(self) -> bool:
        return self is not Transport.UDP


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address literal (IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One path of messages to one peer. A response goes back on its request's flow.

    `local` is the address a peer can reach us at over this flow (what Via and Contact say), not a wildcard.
    `connection` tells the connections that peers opened to us apart; 0 for UDP, and for the one that we open ourselves.
    `name` is what the certificate of `remote` must say: the domain that was looked for (RFC 5922 section 7.2).
    """

    transport: Transport
    local: Address
    remote: Address
    connection: int = 0
    name: str = ""
