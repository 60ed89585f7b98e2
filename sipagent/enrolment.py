"""One account kept registered: its registrar found, the registration begun, its fortunes told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sipagent.config import Account
from sipagent.errors import ConfigurationError
from sipagent.events import Event, Notice, Registered, RegistrationFailed
from sipagent.line import Signalling
from sipagent.reach import Reach
from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.digest import Credentials
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.outputs import RegistrationEnded, RegistrationRefused, RegistrationSucceeded
from sipagent.sip.registration import Registration
from sipagent.sip.targets import Target
from sipagent.sip.uri import DEFAULT_PORTS, Uri

log = logging.getLogger("sipagent")

RESOLVE_AGAIN = 30.0
"""Seconds after which the name of a registrar that could not be found is tried again."""
LOOK_AGAIN = 10.0
"""Seconds between two looks at the address that we reach the registrar from: laptops move, leases end."""
RENAME_AGAIN = 30.0
"""Seconds between two changes of our Contact: a NAT that gives every packet another port is not run after."""
UNREACHED = {408, 503}
"""Codes of a registrar that was not there."""


class Enrolment:
    """Registers one account as soon as its registrar's name resolves, and never gives up; the core does the rest."""

    def __init__(
        self,
        account: Account,
        user_agent: UserAgent,
        signalling: Signalling,
        *,
        admission: Admission,
        reach: Reach,
        resolve: Callable[[Uri, Transport | None], Awaitable[list[Target]]],
        flow_to: Callable[[Target], Flow],
        publish: Callable[[Event], None],
    ) -> None:
        self.account = account
        self.identity = identity_of(account)
        self.registrar = Uri.parse(account.registrar)
        self.registration: Registration | None = None
        self._ended = asyncio.Event()
        self._reach = reach
        self._renamed_at = float("-inf")
        self._watch: asyncio.Future[None] | None = None
        self._user_agent = user_agent
        self._signalling = signalling
        self._admission = admission
        self._resolve = resolve
        self._flow_to = flow_to
        self._publish = publish
        self._search = asyncio.ensure_future(self._begin())

    def take(self, output: RegistrationSucceeded | RegistrationRefused | RegistrationEnded) -> None:
        """What became of the registration."""
        match output:
            case RegistrationSucceeded(registration=registration, expires=expires, observed=observed):
                self._publish(Registered(account=self.account.name, registrar=str(self.registrar), expires=expires))
                if observed is not None:
                    self._reach.learn(registration.flow, observed)
                self.check_contact()
            case RegistrationRefused():
                self._fail(output.code, output.reason, output.hint, output.retry_after)
                if output.code in UNREACHED:
                    self._search = asyncio.ensure_future(self._look_again(output.registration))
            case RegistrationEnded():
                self._ended.set()

    def uri_of(self, number: str) -> str:
        """The URI of a number at the registrar."""
        return f"sip:{number}@{self.registrar.host}"

    def check_contact(self) -> None:
        """Register anew if callers are told another address of ours than the registrar reaches us at.

        What cannot be mended so is told to the operator.
        """
        registration = self.registration
        if registration is None:
            return
        flow = registration.flow
        if self._reach.sip(flow) == _address_of(registration.contact):
            if warning := self._reach.warning(flow):
                self._publish(Notice(text=warning))
        elif self._signalling.now() - self._renamed_at >= RENAME_AGAIN:
            self._renamed_at = self._signalling.now()
            registration.rebind(self._renamed_at, contact=self._reach.sip(flow))
            self._signalling.transmit()

    async def close(self, patience: float) -> None:
        """Un-register; wait at most `patience` seconds for the registrar to confirm."""
        self._search.cancel()
        if self.registration is None:
            return
        if self._watch is not None:
            self._watch.cancel()
        self.registration.unregister(self._signalling.now())
        self._signalling.transmit()
        try:
            await asyncio.wait_for(self._ended.wait(), patience)
        except TimeoutError:
            log.warning("%s did not confirm that %s is gone", self.registrar.host, self.account.name)

    @property
    def servers(self) -> list[Flow]:
        """The ways to the registrar (or the outbound proxy), the one in use first; empty until one is found."""
        if self.registration is None:
            return []
        used = self.registration.flow
        return [used, *(server for server in self.registration.servers if server != used)]

    async def _begin(self) -> None:
        servers = await self._find_servers()
        while not servers:
            await asyncio.sleep(RESOLVE_AGAIN)
            servers = await self._find_servers()
        first, *others = servers
        self.registration = self._user_agent.register(
            identity=self.identity,
            registrar=self.registrar,
            flow=first,
            others=others,
            contact=self._reach.sip(first),
            expires=self.account.expires,
            now=self._signalling.now(),
        )
        self._signalling.transmit()
        self._watch = asyncio.ensure_future(self._watch_routes(self.registration))

    async def _watch_routes(self, registration: Registration) -> None:
        """Register anew at once when our packets leave from another address: the old one is nobody's now."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            servers = [self._flow_to(_target_of(server)) for server in registration.servers]
            if [server.local.host for server in servers] != [server.local.host for server in registration.servers]:
                for server in servers:
                    self._reach.forget(server)
                registration.servers = servers
                registration.rebind(self._signalling.now(), contact=self._reach.sip(servers[0]))
                self._signalling.transmit()

    async def _look_again(self, registration: Registration) -> None:
        """Ask where the registrar is: it may have moved since."""
        registration.servers = await self._find_servers() or registration.servers

    async def _find_servers(self) -> list[Flow]:
        """Return the ways to the next hop; none, and a word about it, where there are none."""
        next_hop = Uri.parse(self.account.outbound_proxy) if self.account.outbound_proxy else self.registrar
        try:
            servers = [self._flow_to(target) for target in await self._resolve(next_hop, self.account.transport)]
        except ConfigurationError as error:
            self._fail(0, str(error), "", RESOLVE_AGAIN)
            return []
        for server in servers:
            self._admission.trust_host(server.remote.host)
        return servers

    def _fail(self, code: int, reason: str, hint: str, retry_after: float) -> None:
        self._publish(
            RegistrationFailed(
                account=self.account.name,
                registrar=str(self.registrar),
                code=code,
                reason=reason,
                hint=hint,
                retry_after=retry_after,
            )
        )


def _address_of(contact: Uri) -> Address:
    return Address(contact.host, contact.port or DEFAULT_PORTS[contact.scheme])


def _target_of(server: Flow) -> Target:
    return Target(transport=server.transport, address=server.remote, name=server.name)


def identity_of(account: Account) -> Identity:
    """Return who an account is on the wire."""
    return Identity(
        uri=Uri.parse(account.address),
        display_name=account.display_name,
        credentials=Credentials(username=account.digest_username, password=account.password),
        routes=(_route(account.outbound_proxy),) if account.outbound_proxy else (),
        account=account.name,
    )


def _route(proxy: str) -> str:
    """Return the Route value of an outbound proxy: a loose router, as all are by now (RFC 3261 section 19.1.1)."""
    return f"<{proxy}>" if ";lr" in proxy.lower() else f"<{proxy};lr>"
