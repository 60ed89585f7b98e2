"""The phone: registers its accounts, lets callers in, gives each call to its scenario, and cleans up behind it.

    SIP datagrams ─► UserAgent ─ Invited ─► Line + Call ─► scenario (one task a call)
    RTP           ─► media plane ─ events ─► Call ─► its hearers

Nothing that happens in one call ends another, or the phone.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from sipagent.agent.agent import Agent
from sipagent.agent.interfaces import Surroundings, surroundings
from sipagent.agent.tools import Tool
from sipagent.call import Call, InboundCall, OutboundCall
from sipagent.call_media import LegMedia
from sipagent.clips import as_note, shipped
from sipagent.config import Account, AgentSection, Configuration
from sipagent.enrolment import Enrolment
from sipagent.errors import ConfigurationError, NoPortFree, NotAcceptable
from sipagent.events import CallerRefused, CallReceived, DigitReceived, Event, Notice, Stamped
from sipagent.line import Line
from sipagent.media import (
    DigitHeard,
    LegClosed,
    LegFailed,
    MediaEvent,
    RtpTimeout,
    TickRecord,
    UplinkBlock,
)
from sipagent.net.driver import SipDriver
from sipagent.net.nat import advertised_host, unreachable_note
from sipagent.performance import Scenario, perform
from sipagent.pipelines import render_clips, scenario_of
from sipagent.sdp.offer_answer import LocalMedia, make_offer
from sipagent.sip import outputs as sip
from sipagent.sip.admission import Admission, Verdict
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import parse
from sipagent.sip.uri import Uri
from sipagent.tap import Tap, TappedIds, TappedSocket, Taps
from sipagent.world import World, provider_options, real_world

log = logging.getLogger("sipagent")

PRODUCT = f"sipagent/{version('sipagent')}"
SIP_PORT = 5060
ANONYMOUS = "sip:anonymous@anonymous.invalid"
"""Who calls when no account does (RFC 3261 section 8.1.1.3)."""
PATIENCE = 5.0
"""Seconds that calls have to say BYE, and registrars to confirm, when the phone is put away."""
PLAYABLE = ("PCMU", "PCMA")


@dataclass(slots=True, kw_only=True)
class Active:
    """One call, from its INVITE until it is over and nothing of it runs any more."""

    call: Call
    line: Line
    media: LegMedia
    outbound: OutboundCall | None = None
    life: "asyncio.Task[None] | None" = None


class Softphone:
    """A SIP telephone in a program:

        async with Softphone(Account("sip:6001@pbx.example.com", password="…")) as phone:
            await phone.serve(scenario)

    `configuration` is what sip.conf would say; the accounts given here come on top. `world` stands for sockets, ids
    and time. `tap` makes the tap that takes a call down, given its Call-ID; `trace` is a tap for everything at once;
    `recording` names the WAV file of a call, given its Call-ID, and so has every call recorded.
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
        self.clips = shipped()
        """What is said when a provider cannot: see `sipagent.clips`."""
        self._given_world = world
        self._taps = Taps(tap, trace)
        self._recording = recording
        self._calls: dict[InviteSession, Active] = {}
        self._watchers: list[Callable[[Stamped], None]] = []
        self._scenarios: Mapping[str, Scenario] = {}
        self._closing = False

    # ---- life

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._world = self._given_world or real_world(self.configuration)
        self._ids = TappedIds(self._world.ids, self._taps)
        self._admission = _admission_of(self.configuration)
        self._user_agent = UserAgent(
            ids=self._ids,
            admission=self._admission,
            user_agent=self.configuration.general.user_agent or PRODUCT,
        )
        self._endpoint = await self._world.open_endpoint(
            self.configuration.general.bind, self._datagram, self._unreachable
        )
        self._driver = SipDriver(self._user_agent, self, self._happened)
        self._world.media.start(self._loop)
        self._enrolments = [self._enrol(account) for account in self.configuration.accounts.values()]
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End every call with BYE, un-register, give every port back."""
        self.end_calls()
        await asyncio.gather(*(enrolment.close(PATIENCE) for enrolment in self._enrolments))
        if not await self.idle(PATIENCE):
            for life in self._lives():
                life.cancel()
        self._driver.close()
        self._endpoint.close()
        self._world.media.close()

    async def serve(self, agent: Agent | Scenario, *, accounts: Mapping[str, Agent | Scenario] | None = None) -> None:
        """Give calls to `agent` (those of an account to its own) until cancelled."""
        self.answer_with(agent, accounts=accounts)
        await self._loop.create_future()

    def answer_with(
        self, agent: Agent | Scenario | None = None, *, accounts: Mapping[str, Agent | Scenario] | None = None
    ) -> None:
        """As `serve`, but return at once. Before the first of either, callers hear that we are unavailable.

        An account that is not named has the agent of its `[agent NAME]`; without `agent` that is so for all.
        """
        sections = self.configuration.agents
        named = {
            name: sections[account.agent] for name, account in self.configuration.accounts.items() if account.agent
        }
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
        context.run(surroundings.set, self._surroundings_of(None))
        self.clips = await self._loop.create_task(render_clips(), context=context)

    def end_calls(self) -> None:
        """Hang up on everybody, and take no more calls."""
        self._closing = True
        for active in self._calls.values():
            self._note(active.call.call_id, "stopped", {})
            active.call.hang_up("the phone is put away")

    def stop_answering(self) -> None:
        """Take no more calls; those that stand go on."""
        self._closing = True

    async def idle(self, patience: float) -> bool:
        """Wait `patience` seconds at most until nothing of any call is left, recordings included; tell whether so."""
        if lives := self._lives():
            await asyncio.wait(lives, timeout=patience)
        return not self._calls

    def _lives(self) -> "list[asyncio.Task[None]]":
        return [active.life for active in self._calls.values() if active.life is not None]

    def watch(self, watcher: Callable[[Stamped], None]) -> None:
        """Call `watcher` with every event of the phone and of all its calls."""
        self._watchers.append(watcher)

    @property
    def address(self) -> Address:
        """Where SIP is bound, with the real port."""
        return self._endpoint.local

    def _enrol(self, account: Account) -> Enrolment:
        return Enrolment(
            account,
            self._user_agent,
            self._driver,
            admission=self._admission,
            resolve=self._world.resolve,
            flow_to=self._endpoint.flow_to,
            publish=lambda event: self._publish("", event),
        )

    # ---- calling

    def call(self, target: str, *, account: str = "") -> OutboundCall:
        """Ring `target`: a SIP URI, or a number at the registrar of `account` (of the first one, if not named).

        Raises ConfigurationError where the way to the target is not known, NoPortFree where no port is left.
        """
        for enrolment in self._enrolments:
            if enrolment.flow is not None and account in ("", enrolment.account.name):
                uri = _target(target if ":" in target else f"sip:{target}@{enrolment.registrar.host}")
                return self._dial(uri, enrolment.identity, enrolment.flow)
        raise ConfigurationError(f"cannot call {target}: no account is registered that could")

    async def call_directly(self, target: str, *, sender: str = ANONYMOUS) -> OutboundCall:
        """Ring a SIP URI at its own host, without any account: `sip:6001@192.0.2.1:5060`.

        Raises ConfigurationError for what is no such URI or has no address, NoPortFree where no port is left.
        """
        uri = _target(target)
        addresses = await self._world.resolve(uri.host, uri.port or SIP_PORT)
        return self._dial(uri, Identity(uri=Uri.parse(sender)), self._endpoint.flow_to(addresses[0]))

    def _dial(self, target: Uri, identity: Identity, flow: Flow) -> OutboundCall:
        media, description = self._open_media(flow, identity.account, "")
        offer = make_offer(description)
        session = self._user_agent.invite(
            target=target, flow=flow, identity=identity, offer=offer, now=self._driver.now()
        )
        active = self._begin(Line(session, media, self._driver, description, offer=offer), media)
        active.outbound = OutboundCall(active.call, active.line)
        active.life = self._loop.create_task(self._see_through(active))
        self._driver.transmit()
        return active.outbound

    # ---- what SIP tells

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram, for the driver."""
        self._keep_datagram(data, flow, sent=True)
        self._endpoint.send(data, flow)

    def _datagram(self, data: bytes, flow: Flow) -> None:
        self._keep_datagram(data, flow, sent=False)
        self._driver.receive(data, flow)
        self._taps.forget_strangers()

    def _unreachable(self, flow: Flow, reason: str) -> None:
        self._driver.unreachable(flow, reason)

    def _keep_datagram(self, data: bytes, flow: Flow, *, sent: bool) -> None:
        if not self._taps.wanted or (message := parse(data)) is None:
            return
        time = self._loop.time()
        self._taps.record(message.call_id, lambda tap: tap.datagram(sent=sent, flow=flow, data=data, time=time))

    def _note(self, call_id: str, kind: str, data: Mapping[str, object]) -> None:
        """Take down what a replay of the call needs to know."""
        time = self._loop.time()
        self._taps.record(call_id, lambda tap: tap.note(kind, data, time))

    def _happened(self, output: sip.Output) -> None:
        match output:
            case sip.Invited(session=session, offer=offer):
                self._invited(session, offer)
            case sip.RegistrationSucceeded() | sip.RegistrationRefused() | sip.RegistrationEnded():
                self._registration(output)
            case sip.CallerTurnedAway(source=source, cure=cure):
                self._publish("", CallerRefused(source=str(source), cure=cure))
            case sip.Send():
                raise AssertionError("the driver sends")
            case _ if active := self._calls.get(output.session):
                self._call_progressed(active, output)

    def _call_progressed(self, active: Active, output: sip.Output) -> None:
        match output:
            case sip.Acknowledged(answer=answer) | sip.ReAnswered(answer=answer):
                active.line.take_answer(answer)
            case sip.ReOffered(offer=offer):
                active.line.take_offer(offer)
            case sip.Answered(body=answer) if active.outbound:
                active.outbound.take_answer(answer)
            case sip.Refused(code=code, reason=reason) if active.outbound:
                active.outbound.take_refusal(code, reason)
                active.call.take_end(by="caller", reason=f"{code} {reason}")
            case sip.Cancelled() if active.outbound:
                active.outbound.take_refusal(487, "cancelled")
                active.call.take_end(by="us", reason="cancelled")
            case sip.Cancelled():
                active.call.take_end(by="caller", reason="the caller gave up")
            case sip.Ended(by=by, reason=reason):
                active.call.take_end(by=by, reason=reason)

    def _invited(self, session: InviteSession, offer: bytes | None) -> None:
        scenario = self._scenarios.get(session.account) or self._scenarios.get("")
        if scenario is None or self._closing:
            session.reject(480, self._driver.now())
        elif sum(not active.call.is_over for active in self._calls.values()) >= self.configuration.general.max_calls:
            session.reject(486, self._driver.now())
        else:
            self._taps.open(session.call_id)
            contact = str(self._user_agent.contact(session.flow))
            self._note(session.call_id, "account", {"name": session.account, "contact": contact})
            self._receive_call(session, offer, scenario)

    def _receive_call(self, session: InviteSession, offer: bytes | None, scenario: Scenario) -> None:
        try:
            media, description = self._open_media(session.flow, session.account, session.call_id)
        except NoPortFree as error:
            self._publish("", Notice(text=str(error)))
            session.reject(503, self._driver.now(), headers=(("Retry-After", "10"),))
            self._taps.close(session.call_id)
            return
        if self.clips != shipped():
            self._note(session.call_id, "clips", as_note(self.clips))
        line = Line(session, media, self._driver, description)
        active = self._begin(line, media)
        call = active.call
        call.publish(CallReceived(caller=call.caller, called=call.called, display_name=call.display_name))
        try:
            line.settle(offer)
        except NotAcceptable as error:
            line.reject(488)
            call.take_end(by="us", reason=str(error))
            active.life = self._loop.create_task(self._see_through(active))
        else:
            performance = perform(scenario, InboundCall(call, line), call, self.clips.apology)
            context = contextvars.copy_context()
            context.run(surroundings.set, self._surroundings_of(call))
            active.life = self._loop.create_task(self._see_through(active, performance), context=context)

    def _registration(
        self, output: sip.RegistrationSucceeded | sip.RegistrationRefused | sip.RegistrationEnded
    ) -> None:
        for enrolment in self._enrolments:
            if enrolment.registration is output.registration:
                enrolment.take(output)

    # ---- one call

    def _begin(self, line: Line, media: LegMedia) -> Active:
        call = Call(line)
        active = self._calls[line.session] = Active(call=call, line=line, media=media)
        call.on(Event, lambda event: self._publish(call.call_id, event))
        media.watch = lambda event: self._media_happened(active, event)
        if self._recording is not None:
            call.record(self._recording(call.call_id))
        return active

    async def _see_through(self, active: Active, performance: Coroutine[Any, Any, None] | None = None) -> None:
        """Wait for the end of all that a call has: scenario, media, recording."""
        try:
            if performance is not None:
                await performance
            await active.media.ended()
        finally:
            del self._calls[active.line.session]

    def _surroundings_of(self, call: Call | None) -> Surroundings:
        """Return what the units of a call may know; without a call, of those that the phone itself uses."""
        call_id = call.call_id if call is not None else ""
        opened: dict[str, int] = {}

        def open_socket(name: str) -> TappedSocket:
            opened[name] = opened.get(name, 0) + 1
            label = name if opened[name] == 1 else f"{name}#{opened[name]}"
            return TappedSocket(
                self._world.open_socket(name),
                name=label,
                record=lambda entry: self._taps.record(call_id, entry),
                now=self._loop.time,
            )

        return Surroundings(
            open_socket=open_socket,
            new_id=lambda kind: self._ids.token(kind, call_id),
            options=lambda name: provider_options(self.configuration, name),
            publish=call.publish if call is not None else lambda event: self._publish("", event),
            run_tool=self._run_tool,
        )

    async def _run_tool(self, tool: Tool, arguments: Mapping[str, Any], call: Call) -> str:
        output = await self._world.run_tool(tool, arguments, call)
        self._note(call.call_id, "tool", {"name": tool.name, "output": output})
        return output

    def _open_media(self, flow: Flow, account: str, call_id: str) -> tuple[LegMedia, LocalMedia]:
        general = self.configuration.general
        host = advertised_host(flow.local.host, flow.remote.host, general.external_address, general.local_net)
        media = LegMedia(self._world.make_recorder)
        leg = self._world.media.open_leg(
            host=host,
            ssrc=self._ids.number("ssrc", 32, call_id),
            sequence=self._ids.number("sequence", 15, call_id),
            timestamp=self._ids.number("timestamp", 32, call_id),
            cname=self._ids.token("cname", call_id),
            trace=self._taps.wanted,
            on_event=media.take,
        )
        media.leg = leg
        session_id = self._ids.number("sdp-session", 31, call_id)
        description = LocalMedia(
            host=host,
            port=leg.port,
            codecs=self._codecs(account),
            session_id=session_id,
            version=session_id,
        )
        self._note(call_id, "leg", {"host": host, "port": leg.port})
        if note := unreachable_note(host, flow.remote.host):
            self._publish(call_id, Notice(text=note))
        return media, description

    def _codecs(self, account: str) -> tuple[str, ...]:
        """Return what we may speak on an account's calls, best first."""
        own = self.configuration.accounts[account].codecs if account in self.configuration.accounts else ()
        wanted = own or self.configuration.general.codecs
        return tuple(codec.encoding for codec in wanted if codec.encoding in PLAYABLE)

    # ---- what RTP tells

    def _media_happened(self, active: Active, event: MediaEvent) -> None:
        call = active.call
        match event:
            case UplinkBlock(audio=audio, encoding=encoding, voiced=voiced):
                call.take_audio(audio, encoding, voiced=voiced)
            case DigitHeard(digit=digit, duration_ms=duration_ms):
                call.publish(DigitReceived(digit=digit, duration_ms=duration_ms))
            case TickRecord():
                time = self._loop.time()
                self._taps.record(call.call_id, lambda tap: tap.tick(event, time))
            case RtpTimeout():
                call.hang_up(f"no RTP for {self.configuration.general.rtp_timeout} s")
            case LegFailed(traceback=text):
                log.error("call %s: its media failed\n%s", call.call_id, text)
                call.hang_up("its media failed")
            case LegClosed():
                self._taps.close(call.call_id)

    def _publish(self, call_id: str, event: Event) -> None:
        stamped = Stamped(time=self._loop.time(), call_id=call_id, event=event)
        for watcher in self._watchers:
            watcher(stamped)


def _target(text: str) -> Uri:
    """Read whom to call. Raises ConfigurationError."""
    try:
        uri = Uri.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"nobody can be called at {text}: {error}") from error
    if not uri.is_sip:
        raise ConfigurationError(f"nobody can be called at {text}: write sip:6001@192.0.2.1")
    return uri


def _admission_of(configuration: Configuration) -> Admission:
    """Return who may ring (docs/security.md): trunk peers, and where nothing is configured, our own network."""
    return Admission(
        unknown=Verdict(configuration.general.unknown_callers.value),
        peers=[str(network) for trunk in configuration.trunks.values() for network in trunk.peers],
        local=not configuration.accounts and not configuration.trunks,
    )
