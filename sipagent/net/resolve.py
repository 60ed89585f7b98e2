"""Host names to addresses: the only resolver of the house. It never blocks the loop and never waits for ever."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Address

TIMEOUT = 5.0
"""Seconds that a caller waits for an answer."""
LIFETIME = 60.0
"""Seconds that an answer is good for; getaddrinfo does not tell the record's own."""

LookUp = Callable[[str], Awaitable[list[str]]]


class Resolver:
    """Looks up host names, and remembers answers: while DNS is down a known PBX stays reachable.

    `look_up` returns the IP literals of a name, best first, and raises OSError for a name without any.
    """

    def __init__(self, look_up: LookUp | None = None, *, timeout: float = TIMEOUT) -> None:
        self._look_up = look_up or _ask_system
        self._timeout = timeout
        self._known: dict[str, tuple[float, list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[Address]:
        """Return the addresses of `host`, the best first. Raises ConfigurationError where none is to be had."""
        return [Address(literal, port) for literal in await self._literals(host)]

    async def _literals(self, host: str) -> list[str]:
        if is_ip_literal(host):
            return [host]
        now = asyncio.get_running_loop().time()
        expires, known = self._known.get(host, (0.0, []))
        if known and now < expires:
            return known
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._look_up(host)
        except OSError as error:  # TimeoutError is one
            if known:
                return known
            reason = f"no answer within {self._timeout:g} s" if isinstance(error, TimeoutError) else error.strerror
            raise ConfigurationError(
                f'no address for the host "{host}": {reason or error}; is the name right, and does DNS work here?'
            ) from error
        self._known[host] = (now + LIFETIME, found)
        return found


def is_ip_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _ask_system(host: str) -> list[str]:
    """Ask /etc/hosts and DNS. IPv4 alone, as that is what we bind."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
