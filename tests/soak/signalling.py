"""The signalling of all callers: our own user agent on one socket, whose messages go by a bad network, too."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sipagent.net.ids import RandomIds
from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.outputs import Answered, Cancelled, Ended, OfferDue, Refused, ReofferAnswered, ReofferRefused, Send
from sipagent.sip.uri import Uri
from sipagent.testing.path import Path
from tests.soak.caller import Caller
from tests.soak.plan import Deed
from tests.soak.wire import Wire

NAMES = 500
"""Who calls more often than once in two seconds is taken for a mad dialler."""
_CALL_ID = re.compile(rb"^(?:Call-ID|i) *: *([^\r\n]+)", re.MULTILINE | re.IGNORECASE)
_DIRECTIONS = {Deed.HOLD: "inactive", Deed.HOLD_WITH_MUSIC: "sendonly", Deed.RESUME: "sendrecv"}


@dataclass(slots=True, kw_only=True)
class News:
    """What became of calls since the last look, by their numbers."""

    answered: list[int] = field(default_factory=list)
    ended: list[tuple[int, str]] = field(default_factory=list)
    """With how: `200 by caller`, or a refusal."""
    changed: int = 0
    """Holds and their ends that the phone agreed to."""
    unchanged: int = 0


class Signalling:
    """Calls `target` for callers. `there` and `back` are what messages go by; None loses none."""

    def __init__(self, host: str, target: Address, wire: Wire, there: Path | None, back: Path | None) -> None:
        self._target = target
        self._wire = wire
        self._paths = there, back
        self._agent = UserAgent(ids=RandomIds(), admission=Admission(local=True))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self._flow = Flow(transport=Transport.UDP, local=Address(*self.socket.getsockname()), remote=target)
        self._sessions: dict[int, InviteSession] = {}
        self._callers: dict[InviteSession, Caller] = {}
        self._wanted: dict[InviteSession, str] = {}
        self._vanished: set[bytes] = set()
        self._news = News()

    # ---- what callers do

    def place(self, caller: Caller, now: float) -> None:
        """Call."""
        session = self._agent.invite(
            target=Uri(user="agent", host=self._target.host, port=self._target.port),
            flow=self._flow,
            identity=Identity(uri=Uri(user=f"caller{caller.number % NAMES}", host=caller.host)),
            offer=caller.offer(),
            headers=[("X-Soak", caller.plan.order)],
            now=now,
        )
        self._sessions[caller.number], self._callers[session] = session, caller
        self._drain(now)

    def hang_up(self, call: int, now: float) -> None:
        self._ask(call, lambda session: session.bye(now), now)

    def give_up(self, call: int, now: float) -> None:
        self._ask(call, lambda session: session.cancel(now), now)

    def press(self, call: int, now: float) -> None:
        """Press 5 by INFO."""
        self._ask(call, lambda session: session.press("5", now), now)

    def change(self, call: int, deed: Deed, now: float) -> None:
        """Hold, or go on."""

        def want(session: InviteSession) -> None:
            self._wanted[session] = _DIRECTIONS[deed]
            session.renegotiate(now)

        self._ask(call, want, now)

    def vanish(self, call: int) -> None:
        """Say nothing any more, and hear nothing, of this call."""
        if (session := self._sessions.pop(call, None)) is not None:
            del self._callers[session]
            self._vanished.add(session.call_id.encode())

    def _ask(self, call: int, verb: Callable[[InviteSession], None], now: float) -> None:
        """Do it, unless the phone has ended the call in this moment."""
        if (session := self._sessions.get(call)) is not None:
            verb(session)
            self._drain(now)

    # ---- the driver

    def receive(self, now: float) -> None:
        """Take what has come."""
        while True:
            try:
                data = self.socket.recv(65535)
            except BlockingIOError:
                return
            self._wire.carry(self._paths[1], now, partial(self._arrived, data, now))

    def handle_timer(self, now: float) -> None:
        """Send again what was not answered."""
        if (due := self._agent.next_timer()) is not None and due <= now:
            self._agent.handle_timer(now)
            self._drain(now)

    def take(self) -> News:
        """What happened since the last look."""
        news, self._news = self._news, News()
        return news

    def _arrived(self, data: bytes, now: float) -> None:
        if not self._is_lost(data):
            self._agent.receive(data, self._flow, now)
            self._drain(now)

    def _is_lost(self, data: bytes) -> bool:
        """Whether a message is of a caller who has vanished."""
        found = _CALL_ID.search(data)
        return found is not None and found[1] in self._vanished

    def _drain(self, now: float) -> None:
        while outputs := self._agent.outputs():
            for output in outputs:
                match output:
                    case Send(data=data) if not self._is_lost(data):
                        self._wire.carry(self._paths[0], now, partial(self._send, data))
                    case Answered(session=session, body=body):
                        caller = self._callers[session]
                        caller.take_answer(body or b"", self._target.host)
                        self._news.answered.append(caller.number)
                    case OfferDue(session=session) if session in self._wanted:
                        caller = self._callers[session]
                        session.reoffer(partial(caller.offer, self._wanted[session]), now)
                    case ReofferAnswered(session=session, answer=answer) if session in self._callers:
                        self._callers[session].take_answer(answer, self._target.host)
                        self._news.changed += 1
                    case ReofferRefused():
                        self._news.unchanged += 1
                    case Ended(session=session, by=by, reason=reason):
                        self._over(session, f"ended by {by}: {reason}")
                    case Refused(session=session, code=code, reason=reason):
                        self._over(session, f"refused: {code} {reason}")
                    case Cancelled(session=session):
                        self._over(session, "cancelled")

    def _send(self, data: bytes) -> None:
        self.socket.sendto(data, (self._target.host, self._target.port))

    def _over(self, session: InviteSession, how: str) -> None:
        self._wanted.pop(session, None)
        if (caller := self._callers.pop(session, None)) is not None:
            del self._sessions[caller.number]
            self._news.ended.append((caller.number, how))
