"""Where messages go: the rules of RFC 3263 section 4 that need no network.

The records themselves are asked for in `sipagent.net.resolve`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.headers import NameAddr, Via
from sipagent.sip.message import Request, Response, parse
from sipagent.sip.uri import Uri, is_ip

Draw = Callable[[int], int]
"""Draws a whole number from 0 to the given one, both included."""

PREFERENCE = (Transport.UDP, Transport.TCP, Transport.TLS)
"""In which order transports are asked for where the domain has no NAPTR records."""
_SERVICES = {Transport.UDP: "_sip._udp", Transport.TCP: "_sip._tcp", Transport.TLS: "_sips._tcp"}
_POINTERS = {"SIP+D2U": Transport.UDP, "SIP+D2T": Transport.TCP, "SIPS+D2T": Transport.TLS}
_HOLD = 300.0
"""Seconds that a server which failed comes last, if it did not say how long it will be away."""
_LONGEST_HOLD = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One address over one transport. `name` is what a TLS certificate must say: the domain that was looked for."""

    transport: Transport
    address: Address
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """A NAPTR record (RFC 3403 section 4.1); `service` is `SIP+D2U` or its like."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


def asked_transport(uri: Uri, preferred: Transport | None) -> Transport | None:
    """The transport that a URI, or else its user, asks for (RFC 3263 section 4.1); None where DNS may choose.

    ValueError for one that we do not speak.
    """
    if uri.scheme == "sips":  # also with transport=tcp: then TLS over TCP is meant (RFC 3261 section 26.2.2)
        return Transport.TLS
    named = uri.parameters.get("transport")
    return Transport(named.upper()) if named else preferred


def default_port(transport: Transport) -> int:
    return 5061 if transport is Transport.TLS else 5060


def service_name(transport: Transport, domain: str) -> str:
    """The name that the SRV records of a transport have (RFC 3263 section 4.1)."""
    return f"{_SERVICES[transport]}.{domain}"


def services_pointed_at(pointers: Iterable[Pointer], supported: Collection[Transport]) -> list[tuple[Transport, str]]:
    """The names of SRV records that a domain's NAPTR records lead to, as the domain prefers them."""
    chosen = sorted(pointers, key=lambda pointer: (pointer.order, pointer.preference))
    known = [
        (_POINTERS[pointer.service.upper()], pointer.replacement)
        for pointer in chosen
        if pointer.flags.lower() == "s" and pointer.service.upper() in _POINTERS
    ]
    return [(transport, name) for transport, name in known if transport in supported]


def by_weight(services: Iterable[Service], draw: Draw) -> list[Service]:
    """Put SRV records in the order to be tried: by priority, and by lot within one, heavier ones sooner (RFC 2782)."""
    ordered: list[Service] = []
    # Records of weight 0 stand first, so that they have a very small chance to be drawn first.
    left = sorted(services, key=lambda service: (service.priority, service.weight))
    while left:
        alike = [service for service in left if service.priority == left[0].priority]
        lot = draw(sum(service.weight for service in alike))
        for service in alike:
            lot -= service.weight
            if lot <= 0:
                break
        ordered.append(service)
        left.remove(service)
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A server, and the flow by which it is tried: its own, or TCP for what is too large for UDP."""

    server: Flow
    flow: Flow


class Holds:
    """Servers that failed a moment ago. They come last, but are never left out."""

    def __init__(self) -> None:
        self._until: dict[tuple[Transport, Address], float] = {}

    def put(self, flow: Flow, now: float, retry_after: int | None = None) -> None:
        """Note that a server failed; `retry_after` is what it said of how long (RFC 3261 section 21.5.4)."""
        self._until = {server: until for server, until in self._until.items() if until > now}
        wait = _HOLD if retry_after is None else min(float(retry_after), _LONGEST_HOLD)
        self._until[flow.transport, flow.remote] = now + wait

    def lift(self, flow: Flow) -> None:
        """Note that a server has answered."""
        self._until.pop((flow.transport, flow.remote), None)

    def held(self, flow: Flow, now: float) -> bool:
        return self._until.get((flow.transport, flow.remote), now) > now


def ways_to(servers: Sequence[Flow], *, large: bool, holds: Holds, now: float) -> list[Way]:
    """The ways that a request is tried by, in order. A large one goes by TCP first (RFC 3261 section 18.1.1)."""
    ways = []
    for server in servers:
        if large and server.transport is Transport.UDP:
            ways.append(Way(server=server, flow=replace(server, transport=Transport.TCP)))
        ways.append(Way(server=server, flow=server))
    return sorted(ways, key=lambda way: holds.held(way.flow, now))


def way_round(data: bytes) -> Address | None:
    """Where a message goes when the connection it belongs to is gone; None if nobody can tell.

    A response goes to the address its request came from, at the port of the Via (RFC 3261 section 18.2.2); a request
    to the first hop it names, if that is an address.
    """
    message = parse(data)
    try:
        if isinstance(message, Response):
            return _responder(message.via)
        return _first_hop(message) if message is not None else None
    except ValueError:
        return None


def _responder(via: Via) -> Address | None:
    host = via.parameters.get("received") or via.host
    port = via.port or default_port(Transport.TLS if via.transport == "TLS" else Transport.TCP)
    return Address(host.strip("[]"), port) if is_ip(host.strip("[]")) else None


def _first_hop(request: Request) -> Address | None:
    routes = request.headers.values("route")
    hop = NameAddr.parse(routes[0]).uri if routes else request.target
    return address_of(hop, asked_transport(hop, None) or Transport.TCP)


def address_of(uri: Uri, transport: Transport) -> Address | None:
    """The address that a URI names by itself, over a transport; None where DNS would have to be asked."""
    host = uri.parameters.get("maddr") or uri.host
    return Address(host, uri.port or default_port(transport)) if is_ip(host) else None
