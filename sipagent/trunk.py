"""A trunk: a carrier or PBX that we do not register with. Its name is kept resolved, for the calls that we place."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sipagent.config import Trunk
from sipagent.errors import ConfigurationError
from sipagent.events import Event, Notice
from sipagent.sip.digest import Credentials
from sipagent.sip.flow import Flow, Transport
from sipagent.sip.headers import NameAddr
from sipagent.sip.identity import Identity
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri

RESOLVE_AGAIN = 60.0
"""Seconds after which the name of a trunk's host is looked up anew: carriers move their edges."""


class TrunkLine:
    """Knows the way to one trunk's host. A trunk without `host` only calls us."""

    def __init__(
        self,
        trunk: Trunk,
        *,
        resolve: Callable[[Uri, Transport | None], Awaitable[list[Target]]],
        flow_to: Callable[[Target], Flow],
        publish: Callable[[Event], None],
    ) -> None:
        self.identity = identity_of(trunk)
        self.servers: list[Flow] = []
        """The ways to its host, the best first; empty until one is found."""
        self.found = asyncio.Event()
        """Its host has been found, once at least."""
        self._transport = trunk.transport
        self._server = Uri.parse(trunk.host) if trunk.host else None
        self._resolve = resolve
        self._flow_to = flow_to
        self._publish = publish
        self._search = asyncio.ensure_future(self._keep_resolved(self._server)) if self._server else None

    def uri_of(self, number: str) -> str:
        """The URI of a number at this trunk."""
        return str(replace(self._server, user=number)) if self._server else ""

    def close(self) -> None:
        """Look up no more."""
        if self._search is not None:
            self._search.cancel()

    async def _keep_resolved(self, server: Uri) -> None:
        known = True
        while True:
            try:
                targets = await self._resolve(server, self._transport)
                self.servers, known = [self._flow_to(target) for target in targets], True
                self.found.set()
            except ConfigurationError as error:
                if known:
                    self._publish(Notice(text=f"[trunk {self.identity.account}] cannot be called: {error}"))
                known = False
            await asyncio.sleep(RESOLVE_AGAIN)


def identity_of(trunk: Trunk) -> Identity:
    """Return who we are on a trunk: its caller id, in From and P-Asserted-Identity (RFC 3325 section 9.1).

    `caller_id` is a number, a URI or a name with a URI: `"Shop" <sip:+15551234@example.com>`. Raises
    ConfigurationError for anything else.
    """
    host = Uri.parse(trunk.host).host if trunk.host else "anonymous.invalid"
    written = trunk.caller_id
    is_address = written.startswith(("sip:", "sips:", "tel:")) or "<" in written
    try:
        caller = NameAddr.parse(written if is_address else f"<sip:{written or trunk.username or 'anonymous'}@{host}>")
    except ValueError as error:
        raise ConfigurationError(
            f'[trunk {trunk.name}] caller_id is a number or an address such as "Shop" <sip:+15551234@example.com>,'
            f" not {written}: {error}"
        ) from error
    sender = NameAddr(uri=caller.uri, display_name=caller.display_name)
    return Identity(
        uri=sender.uri,
        display_name=sender.display_name,
        credentials=Credentials(username=trunk.username, password=trunk.password) if trunk.username else None,
        account=trunk.name,
        headers=(("P-Asserted-Identity", str(sender)),) if written else (),
    )
