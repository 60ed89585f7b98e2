"""A phone on a network in memory, and a handset that rings it: where the phone's stories happen."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from sipagent.agent.agent import Agent
from sipagent.agent.interfaces import FrameSocket
from sipagent.config import Account, Configuration
from sipagent.events import Event, Stamped
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.sip.flow import Transport
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri
from sipagent.tap import Tap
from sipagent.testing.clock import run
from sipagent.testing.media import TickedMedia
from sipagent.testing.network import Network
from sipagent.testing.world import world_in_memory
from tests.handset import PHONE, Handset

TRANSACTIONS_END = 40.0
"""Seconds after which no SIP timer is left (RFC 3261 section 17: 64*T1 and some)."""

E = TypeVar("E", bound=Event)
Resolve = Callable[[Uri, Transport | None], Awaitable[list[Target]]]


class Exchange:
    """One phone and one handset. `tell` lets a story happen, and then looks that nothing of it is left.

    Without `scenario` the phone does not answer, but with `serves` it does so by its configuration.
    """

    def __init__(
        self,
        scenario: Agent | Scenario | None,
        *,
        configuration: Configuration | None = None,
        accounts: tuple[Account, ...] = (),
        sockets: Mapping[str, Callable[[], FrameSocket]] | None = None,
        ports: int = 10,
        rtp_timeout: float = 60.0,
        handset_type: type[Handset] = Handset,
        serves: bool | None = None,
        tap: Callable[[str], Tap] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self.network = Network()
        self.put_away_at = 0.0
        self.events: list[Stamped] = []
        self.phone: Softphone
        self.handset: Handset
        self._scenario = scenario
        self._serves = scenario is not None if serves is None else serves
        self._handset_type = handset_type
        self._tap = tap
        self._resolve = resolve
        self._accounts = accounts
        self._configuration = configuration
        self._sockets = sockets
        self._ports = range(40000, 40000 + 2 * ports, 2)
        self._rtp_timeout = rtp_timeout

    def tell(self, story: "Callable[[Exchange], Awaitable[None]]") -> "Exchange":
        """Let `story` happen on virtual time; then the phone is put away."""
        run(self._tell(story))
        return self

    async def _tell(self, story: "Callable[[Exchange], Awaitable[None]]") -> None:
        self.handset = self._handset_type(self.network)
        media = TickedMedia(self.network, ports=self._ports, rtp_timeout=self._rtp_timeout)
        world = replace(world_in_memory(self.network, PHONE, sockets=self._sockets), media=media)
        world = replace(world, resolve=self._resolve or world.resolve)
        async with Softphone(
            *self._accounts, configuration=self._configuration, world=world, tap=self._tap
        ) as self.phone:
            self.phone.watch(self.events.append)
            if self._serves:
                self.phone.answer_with(self._scenario)
            await story(self)
        self.put_away_at = self.now
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing runs on"
        silent_since = len(self.network.sent)
        await asyncio.sleep(TRANSACTIONS_END)
        assert self.network.sent[silent_since:] == [], "the phone is put away, and says nothing more"

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type, in order."""
        return [stamped.event for stamped in self.events if isinstance(stamped.event, kind)]

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()
