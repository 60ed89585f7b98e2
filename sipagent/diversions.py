"""Calls that lead elsewhere: transfers of ours, and far ends that send us on or give their place to somebody else."""

from collections.abc import Awaitable, Callable, Sequence

from sipagent.active import Active
from sipagent.call import Call
from sipagent.destinations import Destinations
from sipagent.errors import NotAcceptable
from sipagent.events import CallMoved
from sipagent.following import Following
from sipagent.line import Signalling
from sipagent.ringing import OutboundCall
from sipagent.sip import outputs as sip
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Flow
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Field
from sipagent.sip.transfer import TransferMode
from sipagent.sip.uri import Uri
from sipagent.transfer import Announcement, Means, Transfer

Route = Callable[[Uri, InviteSession], Awaitable[tuple[Identity, Sequence[Flow]]]]
"""Who we are to somebody that a call is to lead to, and the ways there; ConfigurationError where there is none."""


class Diversions:
    """What leads the calls of a switchboard elsewhere. `calls` are those of the switchboard, and `dial` is its own."""

    def __init__(
        self,
        calls: dict[InviteSession, Active],
        destinations: Destinations,
        *,
        user_agent: UserAgent,
        signalling: Signalling,
        route: Route,
        dial: Callable[[Uri, Identity, Sequence[Flow]], OutboundCall],
    ) -> None:
        self._calls = calls
        self._destinations = destinations
        self._user_agent = user_agent
        self._signalling = signalling
        self._route = route
        self._dial = dial
        self._followings: dict[InviteSession, Following] = {}

    def take(self, session: InviteSession, output: sip.Output) -> bool:
        """Take what became of a call, if it is one by which we follow a far end; tell whether so."""
        following = self._followings.get(session)
        if following is not None:
            following.take(output)
        return following is not None

    # ---- we send the far end elsewhere

    def transfer(self, call: Call, to: str, mode: TransferMode, announce: Announcement | None) -> Transfer:
        """As `Exchange.transfer`."""
        caller = self._active(call)
        session = caller.line.session
        target = self._destinations.named(to, session)

        def refer(consultation: Call | None) -> None:
            replaces = self._active(consultation).line.session if consultation is not None else None
            self._user_agent.refer(session, target, self._signalling.now(), replaces=replaces)
            self._signalling.transmit()

        async def dial() -> OutboundCall:
            identity, servers = await self._route(target, session)
            return self._dial(target, identity, servers)

        def join(other: Call) -> None:
            call.join(other)
            caller.media.bridge(self._active(other).media)

        means = Means(now=self._signalling.now, refer=refer, dial=dial, join=join)
        return Transfer(call, to, mode=mode, announce=announce, means=means)

    # ---- the far end sends us elsewhere

    def send_on(self, active: Active, asked: sip.ReferReceived) -> None:
        """The far end wants us to call somebody else: within our bounds, we do."""
        session, now = active.line.session, self._signalling.now()
        allowed = self._destinations.allows(asked.refer_to.target, session)
        if not allowed or active.call.is_put_through or active.following is not None:
            asked.referred.refuse(603, now)
            return
        asked.referred.accept(now)

        async def place(headers: Sequence[Field]) -> InviteSession:
            target = asked.refer_to.target.bare()
            identity, (flow, *others) = await self._route(target, session)
            placed = self._user_agent.invite(
                target=target,
                flow=flow,
                others=others,
                identity=identity,
                offer=active.line.describe_anew(),
                headers=headers,
                now=self._signalling.now(),
            )
            self._followings[placed] = following
            self._signalling.transmit()
            return placed

        def over(moved: bool) -> None:
            active.following = None
            if following.placed is not None:
                del self._followings[following.placed]
            if moved:
                self._moved(active, session)

        following = Following(active.call, active.line, self._signalling, asked, place=place, over=over)
        active.following = following

    def give_place_to(self, session: InviteSession, offer: bytes | None, replaced: InviteSession) -> None:
        """Let a call go on with who takes the far end's place in it (RFC 3891)."""
        active = self._calls.get(replaced)
        if active is None:
            session.reject(481, self._signalling.now())
            return
        try:
            active.line.give_place_to(session, offer)
        except NotAcceptable:
            session.reject(488, self._signalling.now())
            return
        replaced.bye(self._signalling.now(), reason="replaced")
        self._moved(active, replaced)

    def _moved(self, active: Active, before: InviteSession) -> None:
        self._calls[active.line.session] = self._calls.pop(before)
        active.call.publish(CallMoved(far_end=str(active.line.session.remote.uri)))

    def _active(self, call: Call) -> Active:
        return next(active for active in self._calls.values() if active.call is call)
