"""Calls that do not stand yet: one that rings here, one that we place. Being answered makes each a `Call`."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sipagent import events
from sipagent.agent.interfaces import Hearer
from sipagent.call import Call
from sipagent.errors import CallFailed, LocalProtocolError, Outcome
from sipagent.line import Line
from sipagent.stream import Handler

E = TypeVar("E", bound=events.Event)


class InboundCall:
    """A call that rings. It ends by `answer`, by `reject`, or by the caller's giving up.

    One that we placed, and that was taken, is given to a scenario in this form, too: it rings no more, and `answer` is
    what has happened already.
    """

    def __init__(self, call: Call, line: Line) -> None:
        self.caller = call.caller
        self.called = call.called
        self.display_name = call.display_name
        self.headers = call.headers
        self.asserted_identity = call.asserted_identity
        self.diverted_by = call.diverted_by
        self.call_id = call.call_id
        self._call = call
        self._line = line
        self._placed = line.session.outgoing
        self._settled = "answered" if self._placed else ""

    def ring(self) -> None:
        """Let the caller hear that it rings (180)."""
        if self._placed:
            return
        self._still("ring")
        self._line.ring()

    def early_media(self) -> Call:
        """Let the caller hear us before we answer (183), and return the call to be spoken into."""
        self._still("speak early on")
        self._line.ring_with_media()
        return self._call

    async def answer(self) -> Call:
        """Take the call (200) and return it; speech may be queued at once. Raises CallFailed if the caller gave up."""
        if self._placed:
            return self._call
        self._still("answer")
        if self._call.is_over:
            raise CallFailed(487, (await self._call.disconnected()).reason, Outcome.CANCELLED)
        self._settled = "answered"
        self._call.is_answered = True
        self._line.accept()
        return self._call

    def reject(self, code: int = 486, reason: str = "") -> None:
        """Refuse the call with a SIP status: 486 busy, 480 unavailable, 603 declined, …"""
        if not 300 <= code <= 699:
            raise ValueError(f"a call is refused with 300 to 699, not {code}")
        self._still("reject")
        self._settled = "rejected"
        self._line.reject(code, reason)
        self._call.take_end(by="us", reason=f"rejected with {code}")

    @property
    def is_ringing(self) -> bool:
        """Neither answered nor rejected by us, nor given up by the caller."""
        return not self._settled and not self._call.is_over

    def _still(self, step: str) -> None:
        if self._settled:
            raise LocalProtocolError(f"cannot {step} a call that is already {self._settled}")


class OutboundCall:
    """A call that we place. It ends by being answered, by being refused, or by `cancel`."""

    def __init__(self, call: Call, line: Line) -> None:
        self.call_id = call.call_id
        self.rings: Callable[[int], None] = _nobody
        """Who is told of provisional responses, until it rings no more."""
        self._call = call
        self._line = line
        self._outcome: asyncio.Future[Call | CallFailed] = asyncio.get_running_loop().create_future()

    async def answered(self, *, ring_time: float = 60.0) -> Call:
        """Wait for the far end to answer. Raises CallFailed with its status, or 408 after `ring_time` seconds."""
        try:
            outcome = await asyncio.wait_for(asyncio.shield(self._outcome), ring_time)
        except TimeoutError:
            self.cancel()
            raise CallFailed(408, f"nobody answered within {ring_time:g} s", Outcome.NO_ANSWER) from None
        if isinstance(outcome, CallFailed):  # told anew: one that was raised knows who waited, and the call with it
            raise CallFailed(outcome.code, outcome.reason, outcome.outcome)
        return outcome

    def cancel(self) -> None:
        """Stop ringing (CANCEL)."""
        if not self._outcome.done():
            self._line.cancel()

    def send_media_to(self, unit: Hearer) -> None:
        """Let `unit` hear what there is to be heard before the answer, and after it."""
        self._call.send_media_to(unit)

    def listen_for_progress(self) -> Hearer:
        """As `Call.listen_for_progress`, from the first sound there is: some lines tell before the answer."""
        return self._call.listen_for_progress()

    def on(self, kind: type[E], handler: Handler[E]) -> None:
        """As `Call.on`: of what happens before the answer, and after it."""
        self._call.on(kind, handler)

    def take_progress(self, code: int, reason: str, answer: bytes | None) -> None:
        """1xx came, perhaps with something to be heard."""
        media = answer is not None and self._line.take_early_answer(answer)
        self.rings(code)
        self._call.publish(events.CallProgressed(code=code, reason=reason, media=media))

    def take_answer(self, answer: bytes | None) -> None:
        """2xx came: the call stands, if we can speak what it says."""
        self._call.is_answered = True
        self._line.take_answer(answer)
        if self._line.speaks:
            self.rings = _nobody
            self._outcome.set_result(self._call)
        else:
            self._call.is_answered = False
            self.take_refusal(488, "the answer has nothing that we can speak", Outcome.INCOMPATIBLE_MEDIA)

    def take_refusal(self, code: int, reason: str, outcome: Outcome) -> None:
        """A final failure came, or we took the call back."""
        self.rings = _nobody
        self._outcome.set_result(CallFailed(code, reason, outcome))
        self._call.publish(events.CallFailed(code=code, reason=reason, outcome=outcome))


def _nobody(code: int) -> None:
    """Who is told that it rings, where nobody asked."""
