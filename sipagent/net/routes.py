"""Which address of ours our packets to a peer leave from, as the routing table says: what the peer can reach us at."""

from collections.abc import Callable
from ipaddress import ip_address

from sipagent.net.nat import local_address_towards
from sipagent.sip.flow import Address

ROUTE_LIFETIME = 10.0
"""Seconds after which the routing table is asked anew: laptops move."""
ROUTES_KEPT = 1024


class Routes:
    """The ways out of a bound address; `now` tells the time in monotonic seconds."""

    def __init__(self, bound: Address, now: Callable[[], float]) -> None:
        self._bound = bound
        self._now = now
        self._known: dict[str, tuple[float, str | None]] = {}
        self.is_wildcard = ip_address(bound.host).is_unspecified

    def local_towards(self, host: str) -> Address:
        """The address that a peer at the IP literal `host` sees us at; the bound one where no route leads there."""
        if not self.is_wildcard:
            return self._bound
        now = self._now()
        expires, local = self._known.get(host, (0.0, None))
        if now >= expires:
            if len(self._known) >= ROUTES_KEPT:
                self._known.clear()
            local = local_address_towards(host)
            self._known[host] = (now + ROUTE_LIFETIME, local)
        return Address(local, self._bound.port) if local else self._bound
