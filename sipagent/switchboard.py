"""The switchboard: every call in progress, joined to its SIP session, its media leg and its scenario.

    Invited ─► ring, or refuse ─┐                           ┌─► a task: the scenario, then the last of its media
    dial ──────────────────────►├─► Active(call, line, leg) ┤
    outputs, media events ─────►┘                           └─► events of the call

What one call does or suffers concerns no other.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sipagent.active import Active
from sipagent.agent.clips import Clips
from sipagent.agent.interfaces import FrameSocket, Surroundings, surroundings
from sipagent.agent.tools import Tool
from sipagent.call import Call
from sipagent.call_media import LegMedia
from sipagent.clips import as_note, shipped
from sipagent.config import Configuration
from sipagent.destinations import Destinations
from sipagent.diversions import Diversions, Route
from sipagent.errors import ConfigurationError, NoPortFree, NotAcceptable, Outcome
from sipagent.events import CallMeasured, CallReceived, DigitReceived, Event, MessageReceived, Notice
from sipagent.line import Line
from sipagent.measured import measured
from sipagent.media import (
    DigitHeard,
    LegClosed,
    LegFailed,
    MediaEvent,
    RtpTimeout,
    TickRecord,
    Unauthentic,
)
from sipagent.net.driver import SipDriver
from sipagent.performance import Scenario, perform
from sipagent.reach import Reach
from sipagent.ringing import InboundCall, OutboundCall
from sipagent.sdp.offer_answer import LocalMedia, make_offer
from sipagent.sip import outputs as sip
from sipagent.sip.core import UserAgent
from sipagent.sip.flood import RETRY_AFTER
from sipagent.sip.flow import Flow
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.transfer import TransferMode
from sipagent.sip.uri import Uri
from sipagent.tap import TappedIds, Taps
from sipagent.terms import Terms
from sipagent.transfer import Announcement, Transfer
from sipagent.world import World, provider_options

log = logging.getLogger("sipagent")

SessionOutput = (
    sip.Acknowledged
    | sip.ReOffered
    | sip.ReAnswered
    | sip.OfferDue
    | sip.ReofferAnswered
    | sip.ReofferRefused
    | sip.KeyPressed
    | sip.TextReceived
    | sip.Progress
    | sip.Answered
    | sip.Refused
    | sip.Cancelled
    | sip.Ended
    | sip.ReferAnswered
    | sip.ReferProgressed
    | sip.ReferReceived
)
"""What the SIP core says of a call that is known already."""
UNAUTHENTIC = "the peer's packets fail authentication: it encrypts with another key than its SDP says, or not at all"
QUARANTINE = 10
"""Seconds after which a port that a call has left is given to another (see `net.ports`)."""


class Switchboard:
    """Holds the calls of a phone. `publish` takes the events of a call, and those of none, with their Call-ID."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        world: World,
        ids: TappedIds,
        taps: Taps,
        user_agent: UserAgent,
        driver: SipDriver,
        reach: Reach,
        publish: Callable[[str, Event], None],
        recording: Callable[[str], Path] | None,
        route: Route,
    ) -> None:
        self.clips: Clips = shipped()
        """What is said when a provider cannot: see `sipagent.clips`."""
        self._configuration = configuration
        self._world = world
        self._ids = ids
        self._taps = taps
        self._user_agent = user_agent
        self._driver = driver
        self._reach = reach
        self._publish = publish
        self._recording = recording
        self._loop = asyncio.get_running_loop()
        self._calls: dict[InviteSession, Active] = {}
        self._terms = Terms(configuration, ids)
        self._destinations = Destinations(configuration)
        self._diversions = Diversions(
            self._calls, self._destinations, user_agent=user_agent, signalling=driver, route=route, dial=self.dial
        )

    # ---- calls come and go

    def invited(self, session: InviteSession, offer: bytes | None, scenario: Scenario) -> None:
        """Let a caller ring, and `scenario` answer; refuse who comes when all lines, or ports, are taken."""
        if sum(not active.call.is_over for active in self._calls.values()) >= self._configuration.general.max_calls:
            session.reject(503, self._driver.now(), headers=(("Retry-After", str(RETRY_AFTER)),))
            return
        self._taps.open(session.call_id)
        contact = str(self._user_agent.contact(session.flow))
        self._note(session.call_id, "account", {"name": session.account, "contact": contact})
        self._receive_call(session, offer, scenario)

    def give_place_to(self, session: InviteSession, offer: bytes | None, replaced: InviteSession) -> None:
        """Let a call go on with who takes the far end's place in it (RFC 3891)."""
        self._diversions.give_place_to(session, offer, replaced)

    def transfer(self, call: Call, to: str, mode: TransferMode, announce: Announcement | None) -> Transfer:
        """As `Exchange.transfer`."""
        return self._diversions.transfer(call, to, mode, announce)

    def dial(self, target: Uri, identity: Identity, servers: Sequence[Flow]) -> OutboundCall:
        """Ring `target` over the first of `servers` that works. Raises NoPortFree."""
        flow, *others = servers
        media, description = self._open_media(flow, identity.account, "")
        offer = make_offer(description)
        session = self._user_agent.invite(
            target=target,
            flow=flow,
            others=others,
            identity=identity,
            offer=offer,
            follow=lambda uri: self._follow(uri, session),
            now=self._driver.now(),
        )
        line = self._line(session, media, description, offer)
        active = self._begin(line, media)
        active.outbound = OutboundCall(active.call, active.line)
        active.life = self._loop.create_task(self._see_through(active))
        self._driver.transmit()
        return active.outbound

    def _follow(self, target: Uri, session: InviteSession) -> Flow | None:
        """The way to where a 3xx would send a call of ours; None for where it may not go (docs/security.md)."""
        if not target.is_sip:
            return None
        if target.host != session.request.target.host and not self._destinations.allows(target, session):
            return None
        if session.account or target.address is None:  # the registrar of an account knows its way
            return session.flow
        return replace(session.flow, remote=target.address)

    def progressed(self, output: SessionOutput) -> None:
        """Take what became of a call on the SIP side."""
        if output.session is None:  # a text from somebody who has no call with us
            self._publish("", MessageReceived(sender=output.sender, text=output.text))
        elif self._diversions.take(output.session, output):
            return
        elif (active := self._calls.get(output.session)) is not None:
            self._progress(active, output)

    def _progress(self, active: Active, output: SessionOutput) -> None:
        match output:
            case sip.Acknowledged(answer=answer) | sip.ReAnswered(answer=answer):
                active.line.take_answer(answer)
            case sip.OfferDue():
                active.line.reoffer()
            case sip.ReofferAnswered(answer=answer):
                active.line.take_reanswer(answer)
            case sip.ReofferRefused():
                active.line.take_refusal()
            case sip.KeyPressed(key=key, duration_ms=duration_ms):
                active.call.take_digit(DigitReceived(digit=key, method="info", duration_ms=duration_ms))
            case sip.TextReceived(sender=sender, text=text):
                active.call.publish(MessageReceived(sender=sender, text=text))
            case sip.Progress(code=code, reason=reason, body=body) if active.outbound:
                active.outbound.take_progress(code, reason, body)
            case sip.ReOffered(offer=offer):
                active.line.take_offer(offer)
            case sip.Answered(body=answer) if active.outbound:
                active.outbound.take_answer(answer)
            case sip.Refused(code=code, reason=reason, outcome=outcome) if active.outbound:
                active.outbound.take_refusal(code, reason, outcome)
                active.call.take_end(by="caller", reason=f"{code} {reason}")
            case sip.Cancelled() if active.outbound:
                active.outbound.take_refusal(487, "cancelled", Outcome.CANCELLED)
                active.call.take_end(by="us", reason="cancelled")
            case sip.Cancelled():
                active.call.take_end(by="caller", reason="the caller gave up")
            case sip.Ended(by="caller", reason=reason) if active.following is not None:
                active.following.left_alone(reason)
            case sip.Ended(by=by, reason=reason):
                active.call.take_end(by=by, reason=reason)
                if active.following is not None:
                    active.following.cancel()
            case sip.ReferAnswered(code=code, reason=reason):
                active.call.take_answer_to_refer(code, reason)
            case sip.ReferProgressed(code=code, reason=reason, is_final=is_final):
                active.call.take_progress_of_refer(code, reason, is_final=is_final)
            case sip.ReferReceived():
                self._diversions.send_on(active, output)

    def end_calls(self) -> None:
        """Hang up on everybody."""
        for active in self._calls.values():
            self._note(active.call.call_id, "stopped", {})
            active.call.hang_up("the phone is put away")

    async def converse(self, call: Call, scenario: Scenario) -> None:
        """Let `scenario` have a call that we placed and that was taken, until both are over."""
        line = next((active.line for active in self._calls.values() if active.call is call), None)
        if line is not None and not call.is_over:
            context = contextvars.copy_context()
            context.run(surroundings.set, self.surroundings_of(call))
            performance = perform(scenario, InboundCall(call, line), call, self.clips.apology)
            await self._loop.create_task(performance, context=context)

    async def idle(self, patience: float) -> bool:
        """Wait `patience` seconds at most until nothing of any call is left, recordings included; tell whether so."""
        if lives := self._lives():
            await asyncio.wait(lives, timeout=patience)
        return not self._calls

    def abandon(self) -> None:
        """Cancel whatever still runs of any call."""
        for life in self._lives():
            life.cancel()

    def _lives(self) -> "list[asyncio.Task[None]]":
        return [active.life for active in self._calls.values() if active.life is not None]

    def _receive_call(self, session: InviteSession, offer: bytes | None, scenario: Scenario) -> None:
        try:
            media, description = self._open_media(session.flow, session.account, session.call_id)
        except (NoPortFree, ConfigurationError) as error:
            self._publish("", Notice(text=str(error)))
            session.reject(503, self._driver.now(), headers=(("Retry-After", str(QUARANTINE)),))
            self._taps.close(session.call_id)
            return
        if self.clips != shipped():
            self._note(session.call_id, "clips", as_note(self.clips))
        line = self._line(session, media, description)
        active = self._begin(line, media)
        call = active.call
        call.publish(
            CallReceived(
                caller=call.caller, called=call.called, display_name=call.display_name, line=line.session.account
            )
        )
        try:
            line.settle(offer)
        except NotAcceptable as error:
            line.reject(488)
            call.take_end(by="us", reason=str(error))
            active.life = self._loop.create_task(self._see_through(active))
        else:
            performance = perform(scenario, InboundCall(call, line), call, self.clips.apology)
            context = contextvars.copy_context()
            context.run(surroundings.set, self.surroundings_of(call))
            active.life = self._loop.create_task(self._see_through(active, performance), context=context)

    def _begin(self, line: Line, media: LegMedia) -> Active:
        call = Call(line, self)
        active = self._calls[line.session] = Active(call=call, line=line, media=media)
        call.on(Event, lambda event: self._publish(call.call_id, event))
        media.watch = lambda event: self._media_happened(active, event)
        media.leg.ear = call.take_audio
        if self._recording is not None:
            self._record(call, self._recording(call.call_id))
        return active

    def _line(self, session: InviteSession, media: LegMedia, description: LocalMedia, offer: bytes = b"") -> Line:
        return Line(
            session,
            media,
            self._driver,
            description,
            offer=offer,
            keys_by_info=self._terms.keys_by_info(session.account),
            new_keys=lambda: self._terms.draw_keys(session.account, session.call_id),
        )

    def _record(self, call: Call, path: Path) -> None:
        """Record; a disk that will not have it is no reason to refuse a caller."""
        try:
            call.record(path)
        except OSError as error:
            log.error("call %s is not recorded: %s: %s", call.call_id, path, error.strerror)

    async def _see_through(self, active: Active, performance: Coroutine[Any, Any, None] | None = None) -> None:
        """Wait for the end of all that a call has: scenario, media, recording."""
        try:
            if performance is not None:
                await performance
            await active.media.ended()
        finally:
            del self._calls[active.line.session]

    def surroundings_of(self, call: Call | None) -> Surroundings:
        """Return what the units of a call may know; without a call, of those that the phone itself uses."""
        call_id = call.call_id if call is not None else ""
        opened: dict[str, int] = {}

        def open_socket(name: str) -> FrameSocket:
            opened[name] = opened.get(name, 0) + 1
            label = name if opened[name] == 1 else f"{name}#{opened[name]}"
            return self._taps.tapped(self._world.open_socket(name), call_id, name=label, now=self._loop.time)

        return Surroundings(
            open_socket=open_socket,
            new_id=lambda kind: self._ids.token(kind, call_id),
            options=lambda name: provider_options(self._configuration, name),
            publish=call.publish if call is not None else lambda event: self._publish("", event),
            run_tool=self._run_tool,
            transfer_to=self._destinations.names,
        )

    async def _run_tool(self, tool: Tool, arguments: Mapping[str, Any], call: Call) -> str:
        output = await self._world.run_tool(tool, arguments, call)
        self._note(call.call_id, "tool", {"name": tool.name, "output": output})
        return output

    def _open_media(self, flow: Flow, account: str, call_id: str) -> tuple[LegMedia, LocalMedia]:
        host = self._reach.media(flow)
        if self._reach.refuses_obstacles and (obstacle := self._reach.obstacle(flow)):
            raise ConfigurationError(f"a call is refused (nat = strict): {obstacle}")
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
        description = self._terms.describe(account, call_id, host=host, port=leg.port)
        self._note(call_id, "leg", {"host": host, "port": leg.port})
        if warning := self._reach.warning(flow):
            self._publish(call_id, Notice(text=warning))
        return media, description

    # ---- what RTP tells

    def _media_happened(self, active: Active, event: MediaEvent) -> None:
        call = active.call
        match event:
            case DigitHeard(digit=digit, method=method, duration_ms=duration_ms):
                call.take_digit(DigitReceived(digit=digit, method=method, duration_ms=duration_ms))
            case TickRecord():
                time = self._loop.time()
                self._taps.record(call.call_id, lambda tap: tap.tick(event, time))
            case Unauthentic():
                call.publish(Notice(text=UNAUTHENTIC))
            case RtpTimeout():
                call.hang_up(f"no RTP for {self._configuration.general.rtp_timeout} s")
            case LegFailed(traceback=text):
                log.error("call %s: its media failed\n%s", call.call_id, text)
                call.hang_up("its media failed")
            case LegClosed(statistics=statistics):
                self._taps.close(call.call_id)
                self._publish(call.call_id, measured(statistics) if statistics is not None else CallMeasured())

    def _note(self, call_id: str, kind: str, data: Mapping[str, object]) -> None:
        """Take down what a replay of the call needs to know."""
        time = self._loop.time()
        self._taps.record(call_id, lambda tap: tap.note(kind, data, time))
