"""Somebody whom we talk to sends us on to somebody else (REFER): the call goes on there, if we get through.

REFER ─► INVITE to the target ─┬─ answered ─► the call moves, the old far end is told and hung up on
                               └─ failed ───► the old far end is told, and the call stays
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sipagent.call import Call
from sipagent.errors import ConfigurationError, NotAcceptable
from sipagent.line import Line, Signalling
from sipagent.sip import outputs as sip
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Field
from sipagent.sip.transfer import RING_TIME

LINGER = 2.0
"""Seconds that the one who sent us on has to hang up, once it knows that we got through (RFC 5589 section 6.1)."""


class Following:
    """One REFER that we follow. `over` is told whether the call has moved."""

    def __init__(
        self,
        call: Call,
        line: Line,
        signalling: Signalling,
        asked: sip.ReferReceived,
        *,
        place: Callable[[Sequence[Field]], Awaitable[InviteSession]],
        over: Callable[[bool], None],
    ) -> None:
        self.placed: InviteSession | None = None
        """Our call to the target."""
        self._call = call
        self._line = line
        self._signalling = signalling
        self._asked = asked
        self._place = place
        self._over = over
        self._early_answer = b""
        self._left: str | None = None
        self._is_cancelled = False
        self._timer: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._begin())

    async def _begin(self) -> None:
        try:
            self.placed = await self._place(self._headers())
        except ConfigurationError:
            self._fail(404)
            return
        self._timer = asyncio.get_running_loop().call_later(RING_TIME, self.cancel)
        if self._is_cancelled:
            self.cancel()

    def _headers(self) -> list[Field]:
        """What the target is told: whose wish it is (RFC 3892), and which call of its we take the place of."""
        replaces, by = self._asked.refer_to.replaces, self._asked.referred_by
        headers = [("Replaces", str(replaces))] if replaces is not None else []
        return [*headers, ("Referred-By", by)] if by else headers

    def left_alone(self, reason: str) -> None:
        """The one who sent us on has hung up: the call is over, unless we get through."""
        self._left = reason

    def cancel(self) -> None:
        """Give it up."""
        self._is_cancelled = True
        if self.placed is not None:
            self.placed.cancel(self._signalling.now())
            self._signalling.transmit()

    def take(self, output: object) -> None:
        """What becomes of our call to the target."""
        match output:
            case sip.Progress(code=code, body=answer):
                self._early_answer = answer or self._early_answer
                self._tell(code)
            case sip.Answered(session=session, body=answer):
                self._answered(session, answer or self._early_answer)  # a reliable 1xx may have had it (RFC 3262)
            case sip.Refused(code=code):
                self._fail(code)
            case sip.Cancelled():
                self._fail(487)

    def _answered(self, session: InviteSession, answer: bytes) -> None:
        before = self._line.session
        try:
            self._line.move(session, session.request.body, answer)
        except NotAcceptable:
            session.bye(self._signalling.now(), reason="nothing that we can speak")
            self._fail(488)
            return
        self._tell(200)
        self._finish(moved=True)
        asyncio.get_running_loop().call_later(LINGER, self._hang_up, before)

    def _hang_up(self, before: InviteSession) -> None:
        before.bye(self._signalling.now(), reason="transferred")
        self._signalling.transmit()

    def _fail(self, code: int) -> None:
        self._tell(code)
        self._finish(moved=False)
        if self._left is not None:
            self._call.take_end(by="caller", reason=self._left)

    def _finish(self, *, moved: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._over(moved)

    def _tell(self, code: int) -> None:
        self._asked.referred.tell(code, self._signalling.now())
        self._signalling.transmit()
