"""The lines of a phone: accounts kept registered, trunks kept resolved, and at what address the world finds us.

Account ─► Enrolment ─┐
Trunk   ─► TrunkLine ─┼─► Lines ─► way(account)     who we are and where to, for a call out
STUN    ─► Reach ─────┘        └─► close            un-register
"""

import asyncio
from collections.abc import Callable

from sipagent.config import Configuration
from sipagent.enrolment import Enrolment
from sipagent.errors import ConfigurationError
from sipagent.events import Event, Notice
from sipagent.line import Signalling
from sipagent.net.stun import DEFAULT_PORT, StunClient
from sipagent.reach import Reach
from sipagent.sip import outputs as sip
from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.ids import Ids
from sipagent.sip.uri import Uri, split_host_port
from sipagent.trunk import TrunkLine
from sipagent.world import Endpoint, World

STUN_INTERVAL = 25.0
"""Seconds between questions: NATs forget a UDP port after 30."""

RegistrationOutput = sip.RegistrationSucceeded | sip.RegistrationRefused | sip.RegistrationEnded


class Lines:
    """All lines that a configuration names. `publish` takes what happens on them."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        world: World,
        endpoint: Endpoint,
        ids: Ids,
        user_agent: UserAgent,
        signalling: Signalling,
        admission: Admission,
        reach: Reach,
        publish: Callable[[Event], None],
    ) -> None:
        self._endpoint = endpoint
        self._world = world
        self._reach = reach
        self._publish = publish
        self._enrolments = [
            Enrolment(
                account,
                user_agent,
                signalling,
                admission=admission,
                reach=reach,
                resolve=world.resolve,
                flow_to=endpoint.flow_to,
                publish=publish,
            )
            for account in configuration.accounts.values()
        ]
        self._trunks = [
            TrunkLine(trunk, resolve=world.resolve, flow_to=endpoint.flow_to, publish=publish)
            for trunk in configuration.trunks.values()
        ]
        self._ids = ids
        self._stun: StunClient | None = None
        server = configuration.general.stun_server
        self._asking = asyncio.ensure_future(self._keep_asking(server)) if server else None
        self._departing: asyncio.Future[list[None]] | None = None

    def way(self, account: str) -> Enrolment | TrunkLine | None:
        """The line of this name, or the first one, if it can be called over now."""
        lines: list[Enrolment | TrunkLine] = [*self._enrolments, *self._trunks]
        return next((line for line in lines if line.servers and account in ("", line.identity.account)), None)

    async def found(self, trunk: str) -> None:
        """Wait until the host of a trunk is found."""
        for line in self._trunks:
            if line.identity.account == trunk:
                await line.found.wait()

    def take(self, output: RegistrationOutput) -> None:
        """What became of a registration."""
        for enrolment in self._enrolments:
            if enrolment.registration is output.registration:
                enrolment.take(output)

    def take_stun(self, data: bytes) -> None:
        """Take a STUN message."""
        if self._stun is not None:
            self._stun.receive(data)

    async def close(self, patience: float) -> None:
        """Un-register everywhere; wait at most `patience` seconds for the confirmations. May be called twice."""
        if self._asking is not None:
            self._asking.cancel()
        for trunk in self._trunks:
            trunk.close()
        if self._departing is None:
            self._departing = asyncio.gather(*(enrolment.close(patience) for enrolment in self._enrolments))
        await asyncio.shield(self._departing)

    async def _keep_asking(self, server: str) -> None:
        """Ask STUN again and again: our address may change, and each answer keeps the NAT's memory fresh."""
        host, port = split_host_port(server)
        heard = True
        while True:
            seen = None
            try:
                targets = await self._world.resolve(Uri(host=host, port=port or DEFAULT_PORT), Transport.UDP)
                seen = await self._ask(self._endpoint.flow_to(targets[0]))
            except ConfigurationError:
                pass  # said below: a name without address is as silent as a server without answer
            if seen is not None and self._reach.learn_public(seen):
                for enrolment in self._enrolments:
                    enrolment.check_contact()
            if seen is None and heard:
                self._publish(Notice(text=f"stun_server = {server} does not answer: is it right, and is UDP let out?"))
            heard = seen is not None
            await asyncio.sleep(STUN_INTERVAL)

    async def _ask(self, flow: Flow) -> Address | None:
        self._stun = StunClient(lambda data: self._endpoint.send(data, flow), lambda: self._ids.number("stun", 96))
        return await self._stun.ask()
