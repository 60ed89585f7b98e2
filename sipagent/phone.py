"""The phone: registers its accounts, lets callers in, gives each call to its scenario, and cleans up behind it.

    SIP datagrams ─► UserAgent ─ Invited ─► Line + Call ─► scenario (one task a call)
    RTP           ─► media plane ─ events ─► Call ─► its hearers

Nothing that happens in one call ends another, or the phone.
"""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Self

from sipagent.agent.agent import Agent
from sipagent.agent.clips import Clips
from sipagent.agent.interfaces import surroundings
from sipagent.call import Call
from sipagent.config import Account, AgentSection, Configuration, Trunk
from sipagent.errors import ConfigurationError
from sipagent.events import CallerRefused, Event, Stamped
from sipagent.lines import Lines
from sipagent.net.driver import SipDriver
from sipagent.net.stun import is_stun
from sipagent.performance import Scenario
from sipagent.pipelines import render_clips, scenario_of
from sipagent.reach import Reach
from sipagent.ringing import OutboundCall
from sipagent.sip import outputs as sip
from sipagent.sip.admission import Admission, Peering, Verdict
from sipagent.sip.challenge import Challenger
from sipagent.sip.core import UserAgent
from sipagent.sip.digest import Credentials
from sipagent.sip.flood import RETRY_AFTER
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.ids import Ids
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import parse
from sipagent.sip.uri import Uri
from sipagent.switchboard import Switchboard
from sipagent.tap import Tap, TappedIds, Taps, without_keys
from sipagent.trunk import identity_of
from sipagent.world import World, real_world

log = logging.getLogger("sipagent")

PRODUCT = f"sipagent/{version('sipagent')}"
ANONYMOUS = "sip:anonymous@anonymous.invalid"
"""Who calls when no account does (RFC 3261 section 8.1.1.3)."""
REALM = "sip"
"""Of the passwords that we ask for: strangers need not know who asks."""
PATIENCE = 5.0
"""Seconds that calls have to say BYE, and registrars to confirm, when the phone is put away."""


class Softphone:
    """A SIP telephone in a program:

        async with Softphone(Account("sip:6001@pbx.example.com", password="…")) as phone:
            await phone.serve(scenario)

    `configuration` is what sip.conf would say; the accounts given here come on top. `world` stands for sockets, ids
    and time. `tap` makes the tap that takes a call down, given its Call-ID; `trace` is a tap for everything at once;
    `recording` names the file of a call, given its Call-ID, and so has every call recorded.
    """

    def __init__(
        self,
        *accounts: Account,
        configuration: Configuration | None = None,
        world: World | None = None,
        tap: Callable[[str], Tap] | None = None,
        trace: Tap | None = None,
        recording: Callable[[str], Path] | None = None,
    ) -> None:
        self.configuration = (configuration or Configuration()).with_accounts(accounts)
        self._given_world = world
        self._taps = Taps(tap, trace)
        self._recording = recording
        self._watchers: list[Callable[[Stamped], None]] = []
        self._scenarios: Mapping[str, Scenario] = {}
        self._closing = False
        self._received = asyncio.Event()

    # ---- life

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._world = self._given_world or real_world(self.configuration)
        self._ids = TappedIds(self._world.ids, self._taps)
        self._reach = Reach(self.configuration.general)
        admission = _admission_of(self.configuration, self._ids)
        self._user_agent = UserAgent(
            ids=self._ids,
            admission=admission,
            user_agent=self.configuration.general.user_agent or PRODUCT,
            reachable=self._reach.sip,
            trunks={name: identity_of(trunk) for name, trunk in self.configuration.trunks.items()},
            has_tcp=Transport.TCP in self.configuration.general.transports,
        )
        self._endpoint = await self._world.open_endpoint(
            self.configuration.general.bind, self._datagram, self._unreachable
        )
        self._driver = SipDriver(self._user_agent, self, self._happened)
        self._switchboard = Switchboard(
            self.configuration,
            world=self._world,
            ids=self._ids,
            taps=self._taps,
            user_agent=self._user_agent,
            driver=self._driver,
            reach=self._reach,
            publish=self._publish,
            recording=self._recording,
            route=self._route,
        )
        self._world.media.start(self._loop)
        self._lines = Lines(
            self.configuration,
            world=self._world,
            endpoint=self._endpoint,
            ids=self._ids,
            user_agent=self._user_agent,
            signalling=self._driver,
            admission=admission,
            reach=self._reach,
            publish=lambda event: self._publish("", event),
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End every call with BYE, un-register, give every port back."""
        self.end_calls()
        await asyncio.gather(self._confirmed(), self._lines.close(PATIENCE))
        if not await self.idle(PATIENCE):
            self._switchboard.abandon()
        self._driver.close()
        self._endpoint.close()
        self._world.media.close()

    async def _confirmed(self) -> None:
        """Wait until the far ends have confirmed that their calls are over: a BYE that was lost is sent again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._user_agent.has_calls:
                    self._received.clear()
                    await self._received.wait()

    async def serve(self, agent: Agent | Scenario, *, accounts: Mapping[str, Agent | Scenario] | None = None) -> None:
        """Give calls to `agent` (those of an account to its own) until cancelled."""
        self.answer_with(agent, accounts=accounts)
        await self._loop.create_future()

    def answer_with(
        self, agent: Agent | Scenario | None = None, *, accounts: Mapping[str, Agent | Scenario] | None = None
    ) -> None:
        """As `serve`, but return at once. Before the first of either, callers hear that we are unavailable.

        An account or trunk that is not named has the agent of its `[agent NAME]`; without `agent` that is so for all.
        """
        sections = self.configuration.agents
        lines: dict[str, Account | Trunk] = {**self.configuration.accounts, **self.configuration.trunks}
        named = {name: sections[line.agent] for name, line in lines.items() if line.agent}
        self._scenarios = {
            **{name: self._scenario(agent, section) for name, section in named.items()},
            **{name: self._scenario(own, sections[""]) for name, own in (accounts or {}).items()},
            "": self._scenario(agent, sections[""]),
        }

    def _scenario(self, agent: Agent | Scenario | None, section: AgentSection) -> Scenario:
        if agent is None or isinstance(agent, Agent):
            return scenario_of(section, lambda: self.clips, agent)
        if not callable(agent):
            raise TypeError(f"calls are answered by an Agent or by an async function of the call, not by {agent!r}")
        return agent

    async def render_clips(self) -> None:
        """Have the configured voice say what must be heard even when it is dead (see `sipagent.clips`)."""
        context = contextvars.copy_context()
        context.run(surroundings.set, self._switchboard.surroundings_of(None))
        self.clips = await self._loop.create_task(render_clips(), context=context)

    @property
    def clips(self) -> Clips:
        """What is said when a provider cannot: see `sipagent.clips`."""
        return self._switchboard.clips

    @clips.setter
    def clips(self, clips: Clips) -> None:
        self._switchboard.clips = clips

    def end_calls(self) -> None:
        """Hang up on everybody, and take no more calls."""
        self._closing = True
        self._switchboard.end_calls()

    async def drain(self, patience: float) -> bool:
        """Take no more calls and un-register; wait `patience` seconds at most for calls to end; tell whether all did.

        Callers that still find us are sent elsewhere (503).
        """
        self._closing = True
        _, ended = await asyncio.gather(self._lines.close(PATIENCE), self.idle(patience))
        return ended

    async def idle(self, patience: float) -> bool:
        """Wait `patience` seconds at most until nothing of any call is left, recordings included; tell whether so."""
        return await self._switchboard.idle(patience)

    def watch(self, watcher: Callable[[Stamped], None]) -> None:
        """Call `watcher` with every event of the phone and of all its calls."""
        self._watchers.append(watcher)

    @property
    def address(self) -> Address:
        """Where SIP is bound, with the real port."""
        return self._endpoint.local

    # ---- calling

    def call(self, target: str, *, account: str = "") -> OutboundCall:
        """Ring `target`: a SIP URI, or a number at the registrar of `account`, or at the host of the trunk so named.

        Without a name the first account is meant, or if there is none, the first trunk. Raises ConfigurationError
        where the way to the target is not known, NoPortFree where no port is left.
        """
        line = self._lines.way(account)
        if line is None:
            raise ConfigurationError(f"cannot call {target}: no account is registered that could")
        uri = _target(target if ":" in target else line.uri_of(target))
        return self._switchboard.dial(uri, line.identity, line.servers)

    async def trunk_found(self, name: str) -> None:
        """Wait until the way to a trunk is known; without that `call` raises."""
        await self._lines.found(name)

    async def call_directly(self, target: str, *, sender: str = ANONYMOUS) -> OutboundCall:
        """Ring a SIP URI at its own host, without any account: `sip:6001@192.0.2.1:5060`.

        Raises ConfigurationError for what is no such URI or has no address, NoPortFree where no port is left.
        """
        uri = _target(target)
        targets = await self._world.resolve(uri, None)
        servers = [self._endpoint.flow_to(target) for target in targets]
        return self._switchboard.dial(uri, Identity(uri=Uri.parse(sender)), servers)

    async def _route(self, target: Uri, session: InviteSession) -> tuple[Identity, Sequence[Flow]]:
        """Who calls `target` on behalf of a call, and by which ways: its account, or whoever was called, directly."""
        line = self._lines.way(session.account) if session.account else None
        if line is not None:
            return line.identity, line.servers
        found = await self._world.resolve(target, None)
        return Identity(uri=session.local.uri.bare()), [self._endpoint.flow_to(one) for one in found]

    async def converse(self, call: Call, agent: Agent | Scenario | None = None, *, account: str = "") -> None:
        """Let `agent` have a call that we placed and that was taken, until it is over.

        Without an `agent` it is that of the account's (or trunk's) section of sip.conf.
        """
        lines: dict[str, Account | Trunk] = {**self.configuration.accounts, **self.configuration.trunks}
        name = lines[account].agent if account else ""
        await self._switchboard.converse(call, self._scenario(agent, self.configuration.agents[name]))

    # ---- what SIP tells

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram, for the driver."""
        self._keep_datagram(data, flow, sent=True)
        self._endpoint.send(data, flow)

    def _datagram(self, data: bytes, flow: Flow) -> None:
        if not self._user_agent.admits(flow, self._driver.now()):
            return
        if is_stun(data):
            self._lines.take_stun(data)
            return
        self._keep_datagram(data, flow, sent=False)
        self._driver.receive(data, flow)
        self._taps.forget_strangers()
        self._received.set()

    def _unreachable(self, flow: Flow, reason: str) -> None:
        self._driver.unreachable(flow, reason)

    def _keep_datagram(self, data: bytes, flow: Flow, *, sent: bool) -> None:
        if not self._taps.wanted or (message := parse(data)) is None:
            return
        shown, time = without_keys(data), self._loop.time()
        self._taps.record(message.call_id, lambda tap: tap.datagram(sent=sent, flow=flow, data=shown, time=time))

    def _happened(self, output: sip.Output) -> None:
        match output:
            case sip.Invited(session=session, offer=offer, replaces=replaced) if replaced is not None:
                self._switchboard.give_place_to(session, offer, replaced)
            case sip.Invited(session=session, offer=offer):
                self._invited(session, offer)
            case sip.RegistrationSucceeded() | sip.RegistrationRefused() | sip.RegistrationEnded():
                self._lines.take(output)
            case sip.CallerTurnedAway(source=source, cure=cure):
                self._publish("", CallerRefused(source=str(source), cure=cure))
            case sip.Send():
                raise AssertionError("the driver sends")
            case _:
                self._switchboard.progressed(output)

    def _invited(self, session: InviteSession, offer: bytes | None) -> None:
        scenario = self._scenarios.get(session.account) or self._scenarios.get("")
        if self._closing:
            session.reject(503, self._driver.now(), headers=(("Retry-After", str(RETRY_AFTER)),))
        elif scenario is None:
            session.reject(480, self._driver.now())
        else:
            self._switchboard.invited(session, offer, scenario)

    def _publish(self, call_id: str, event: Event) -> None:
        stamped = Stamped(time=self._loop.time(), call_id=call_id, event=event)
        for watcher in self._watchers:
            try:
                watcher(stamped)
            except Exception:  # whoever looks on is no part of the call: what they raise is told, and ends nothing
                log.exception("call %s: a watcher failed at %s", call_id or "(none)", type(event).__name__)


def _target(text: str) -> Uri:
    """Read whom to call. Raises ConfigurationError."""
    try:
        uri = Uri.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"nobody can be called at {text}: {error}") from error
    if not uri.is_sip:
        raise ConfigurationError(f"nobody can be called at {text}: write sip:6001@192.0.2.1")
    return uri


def _admission_of(configuration: Configuration, ids: Ids) -> Admission:
    """Return who may ring (docs/security.md): trunk peers, and where nothing is configured, our own network."""
    unknown = Verdict(configuration.general.unknown_callers.value)
    return Admission(
        unknown=unknown,
        trunks=[
            Peering(name=name, peers=tuple(map(str, trunk.peers)), called=trunk.called)
            for name, trunk in configuration.trunks.items()
        ],
        local=not configuration.accounts and not configuration.trunks,
        challenger=_challenger_of(configuration, ids) if unknown is Verdict.DIGEST else None,
    )


def _challenger_of(configuration: Configuration, ids: Ids) -> Challenger:
    """Return who asks unknown callers for the password of an account or trunk."""
    accounts = {
        name: Credentials(username=account.digest_username, password=account.password)
        for name, account in configuration.accounts.items()
        if account.password
    }
    trunks = {
        name: Credentials(username=trunk.username, password=trunk.password)
        for name, trunk in configuration.trunks.items()
        if trunk.password
    }
    secret = ids.number("digest-secret", 128).to_bytes(16, "big")
    return Challenger(realm=REALM, secret=secret, credentials={**accounts, **trunks})
