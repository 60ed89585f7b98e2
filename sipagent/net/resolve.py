"""From a SIP URI to its servers (RFC 3263): the only resolver of the house. It never blocks the loop or waits for ever.

NAPTR and SRV records are asked for by dnspython. Addresses are asked of the system, in a thread: /etc/hosts, multicast
DNS and a container's own names are known to nobody else.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import dns.asyncresolver
import dns.exception
import dns.resolver

from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Address, Transport
from sipagent.sip.targets import (
    PREFERENCE,
    Draw,
    Pointer,
    Service,
    Target,
    address_of,
    asked_transport,
    by_weight,
    default_port,
    service_name,
    services_pointed_at,
)
from sipagent.sip.uri import Uri

TIMEOUT = 5.0
"""Seconds that a caller waits for the addresses of a name."""
SERVICE_TIMEOUT = 2.0
"""Seconds for NAPTR and SRV records: some routers answer no such question, and few PBXs have any."""
LIFETIME = 60.0
"""Seconds that an answer is good for; the system does not tell an address's own."""

Found = TypeVar("Found")


class Dns(Protocol):
    """What is asked of the network. OSError is no answer; an empty list is the answer that there is nothing."""

    async def addresses(self, host: str) -> list[str]:
        """IP literals of a name, best first."""

    async def services(self, name: str) -> list[Service]:
        """SRV records."""

    async def pointers(self, domain: str) -> list[Pointer]:
        """NAPTR records."""


class Resolver:
    """Finds the servers of a URI, and remembers answers: while DNS is down a known PBX stays reachable."""

    def __init__(
        self,
        source: Dns | None = None,
        *,
        transports: Sequence[Transport] = PREFERENCE,
        draw: Draw = lambda most: random.randint(0, most),
    ) -> None:
        source = source or SystemDns()
        self._transports = [transport for transport in PREFERENCE if transport in transports]
        self._draw = draw
        self._addresses = Memory(source.addresses, TIMEOUT)
        self._services = Memory(source.services, SERVICE_TIMEOUT)
        self._pointers = Memory(source.pointers, SERVICE_TIMEOUT)

    async def __call__(self, uri: Uri, preferred: Transport | None = None) -> list[Target]:
        """Return where requests to `uri` can go, the best first; over `preferred` unless the URI says otherwise.

        Raises ConfigurationError where there is nothing.
        """
        try:
            asked = asked_transport(uri, preferred)
        except ValueError:
            raise ConfigurationError(f"{uri}: transport is one of udp, tcp and tls") from None
        default = asked or self._transports[0]
        if (address := address_of(uri, default)) is not None:
            return [Target(transport=default, address=address, name=uri.host)]
        if uri.port is None and "." in uri.host and (found := await self._by_services(uri.host, asked)):
            return found
        literals = await self._literals(uri.host)
        return _targets(literals, uri.port or default_port(default), default, uri.host)

    async def _by_services(self, domain: str, asked: Transport | None) -> list[Target]:
        """The targets that the domain's NAPTR and SRV records name; none if it has no such records."""
        for transport, name in await self._service_names(domain, asked):
            services = [service for service in await self._recalled(self._services, name) if service.host != "."]
            if services:
                return await self._servers(by_weight(services, self._draw), transport, domain)
        return []

    async def _service_names(self, domain: str, asked: Transport | None) -> list[tuple[Transport, str]]:
        if asked is not None:
            return [(asked, service_name(asked, domain))]
        pointers = await self._recalled(self._pointers, domain)
        pointed_at = services_pointed_at(pointers, self._transports)
        return pointed_at or [(transport, service_name(transport, domain)) for transport in self._transports]

    async def _servers(self, services: Sequence[Service], transport: Transport, domain: str) -> list[Target]:
        """All addresses of all servers, in order. A server whose name has no address is left out, but not the last."""
        answers = await asyncio.gather(*(self._literals(item.host) for item in services), return_exceptions=True)
        targets: list[Target] = []
        for service, answer in zip(services, answers, strict=True):
            if isinstance(answer, list):
                targets += _targets(answer, service.port, transport, domain)
            elif not isinstance(answer, ConfigurationError):
                raise answer
        if not targets:
            raise next(answer for answer in answers if isinstance(answer, ConfigurationError))
        return targets

    async def _literals(self, host: str) -> list[str]:
        try:
            return await self._addresses(host)
        except OSError as error:  # TimeoutError is one
            reason = f"no answer within {TIMEOUT:g} s" if isinstance(error, TimeoutError) else error.strerror
            raise ConfigurationError(
                f'no address for the host "{host}": {reason or error}; is the name right, and does DNS work here?'
            ) from error

    async def _recalled(self, memory: "Memory[Found]", name: str) -> list[Found]:
        """What is known of a name; nothing where DNS does not answer, since its addresses may be known all the same."""
        try:
            return await memory(name)
        except OSError:
            return []


class Memory(Generic[Found]):
    """Answers of one kind, kept for a minute, and for as long as there is no newer one to be had."""

    def __init__(self, ask: Callable[[str], Awaitable[list[Found]]], timeout: float) -> None:
        self._ask = ask
        self._timeout = timeout
        self._known: dict[str, tuple[float, list[Found]]] = {}

    async def __call__(self, name: str) -> list[Found]:
        """Return the answer for a name. Raises OSError if there is none within the time, and never was."""
        now = asyncio.get_running_loop().time()
        expires, known = self._known.get(name, (0.0, None))
        if known is not None and now < expires:
            return known
        try:
            async with asyncio.timeout(self._timeout):
                known = await self._ask(name)
        except OSError:
            if known is None:
                raise
        self._known[name] = (now + LIFETIME, known)
        return known


def _targets(literals: Sequence[str], port: int, transport: Transport, name: str) -> list[Target]:
    return [Target(transport=transport, address=Address(literal, port), name=name) for literal in literals]


class SystemDns:
    """The resolver of this machine. `family` is that of the address we are bound to: others cannot be reached.

    `resolver` makes one that knows its name servers: those of /etc/resolv.conf, read anew as laptops move.
    """

    def __init__(
        self,
        family: socket.AddressFamily = socket.AF_INET,
        resolver: Callable[[], dns.asyncresolver.Resolver] = dns.asyncresolver.Resolver,
    ) -> None:
        self._family = family
        self._resolver = resolver

    async def addresses(self, host: str) -> list[str]:
        """As `Dns.addresses`."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, family=self._family, type=socket.SOCK_DGRAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def services(self, name: str) -> list[Service]:
        """As `Dns.services`."""
        return [
            Service(
                priority=record.priority,
                weight=record.weight,
                port=record.port,
                host=record.target.to_text(omit_final_dot=True),
            )
            for record in await self._records(name, "SRV")
        ]

    async def pointers(self, domain: str) -> list[Pointer]:
        """As `Dns.pointers`."""
        return [
            Pointer(
                order=record.order,
                preference=record.preference,
                flags=record.flags.decode("ascii", "replace"),
                service=record.service.decode("ascii", "replace"),
                replacement=record.replacement.to_text(omit_final_dot=True),
            )
            for record in await self._records(domain, "NAPTR")
        ]

    async def _records(self, name: str, kind: str) -> list[Any]:
        try:
            return [*await self._resolver().resolve(name, kind, lifetime=SERVICE_TIMEOUT)]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise OSError(f"{kind} of {name}: {error}") from error
