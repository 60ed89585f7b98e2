"""One transfer under way: what its table wants done, done; what becomes of it, told.

                 ┌─ REFER, and its NOTIFYs
TransferMachine ─┼─ a call to the target, and what is said to it first
                 └─ the caller: hears that it rings, and is with the agent again if it comes to nothing
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sipagent.errors import CallFailed, LocalProtocolError, SipagentError
from sipagent.events import Disconnected, TransferProgress
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.transfer import (
    RING_TIME,
    TransferAction,
    TransferInput,
    TransferMachine,
    TransferMode,
    TransferStep,
    answer_to_refer,
    outcome_of_refer,
)

if TYPE_CHECKING:
    from sipagent.call import Call
    from sipagent.ringing import OutboundCall

log = logging.getLogger("sipagent")

Announcement = str | Path | Callable[["Call"], Awaitable[object]]
"""What the target hears before the caller comes: a WAV file, or an async function of the call to the target.

A function that returns False has found that the target does not want the caller.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a transfer has done for it by whoever holds all calls."""

    now: Callable[[], float]
    refer: Callable[["Call | None"], None]
    """Send the caller's far end a REFER to the target, to take our place in a call of ours to it if one is given."""
    dial: Callable[[], Awaitable["OutboundCall"]]
    """Call the target."""
    join: Callable[["Call"], None]
    """Let the caller and the target hear each other."""


class Transfer:
    """A transfer under way. Awaiting it gives its last `TransferProgress`: `answered` or `failed`."""

    def __init__(
        self, caller: "Call", to: str, *, mode: TransferMode, announce: Announcement | None, means: Means
    ) -> None:
        self.to = to
        """The name of the target in [transfer]."""
        self._caller = caller
        self._announce = announce
        self._means = means
        self._machine = TransferMachine(mode, consults=announce is not None)
        self._outbound: OutboundCall | None = None
        self._target: Call | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._outcome: asyncio.Future[TransferProgress] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Set out."""
        self._tell("started")
        self._machine.begin(self._means.now())
        self._carry_out()

    def cancel(self) -> None:
        """Have the caller back, unless the far end has been sent on its way already."""
        self._step(TransferInput.CANCELLED, reason="cancelled")

    @property
    def is_under_way(self) -> bool:
        """Neither answered nor failed yet."""
        return not self._outcome.done()

    def __await__(self) -> Generator[Any, None, TransferProgress]:
        return asyncio.shield(self._outcome).__await__()

    # ---- what the far ends do

    def take_answer_to_refer(self, code: int, reason: str) -> None:
        """The caller's far end has accepted our REFER, or not."""
        self._step(answer_to_refer(code), code, reason)

    def take_progress(self, code: int, reason: str, *, is_final: bool) -> None:
        """The caller's far end tells how its call to the target goes."""
        if is_final:
            self._step(outcome_of_refer(self._machine.state, code), code, reason)
        elif code > 100:
            self._step(TransferInput.RINGING, code, reason)

    def caller_gone(self, reason: str) -> None:
        """The caller's call is over."""
        self._step(TransferInput.CALLER_GONE, reason=reason)

    def _target_rings(self, code: int) -> None:
        self._step(TransferInput.RINGING, code, reason_phrase(code))

    def _target_gone(self, event: Disconnected) -> None:
        self._step(TransferInput.TARGET_GONE, reason=event.reason or "the target has hung up")

    # ---- the table

    def _step(self, what: TransferInput, code: int = 0, reason: str = "") -> None:
        self._machine.receive(what, self._means.now(), code=code, reason=reason)
        self._carry_out()

    def _carry_out(self) -> None:
        for step in self._machine.outputs():
            _ACTIONS[step.action](self, step)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._machine.next_timer()
        loop = asyncio.get_running_loop()
        self._timer = None if deadline is None else loop.call_at(deadline, self._wake, deadline)

    def _wake(self, deadline: float) -> None:
        self._machine.handle_timer(max(self._means.now(), deadline))
        self._carry_out()

    # ---- what is done

    def _keep_company(self, step: TransferStep) -> None:
        self._caller.put_aside()

    def _resume(self, step: TransferStep) -> None:
        self._caller.take_back()

    def _refer(self, step: TransferStep) -> None:
        self._send_refer(None)

    def _refer_replaces(self, step: TransferStep) -> None:
        self._send_refer(self._target)

    def _send_refer(self, consultation: "Call | None") -> None:
        try:
            self._means.refer(consultation)
        except LocalProtocolError as error:  # the far end has hung up in this moment
            self._step(TransferInput.REFUSED_FOR_GOOD, 481, str(error))

    def _call_target(self, step: TransferStep) -> None:
        self._start(self._ring_target())

    async def _ring_target(self) -> None:
        try:
            self._outbound = await self._means.dial()
            if self._machine.is_over:  # cancelled meanwhile
                self._outbound.cancel()
            self._outbound.rings = self._target_rings
            self._target = await self._outbound.answered(ring_time=2 * RING_TIME)  # the table gives up first
        except CallFailed as failure:
            self._step(TransferInput.UNREACHED, failure.code, failure.reason)
        except SipagentError as error:
            self._step(TransferInput.UNREACHED, reason=str(error))
        else:
            self._target.on(Disconnected, self._target_gone)
            self._step(TransferInput.ANSWERED, 200, reason_phrase(200))

    def _consult(self, step: TransferStep) -> None:
        if self._announce is None or self._target is None:
            self._step(TransferInput.AGREED, step.code, step.reason)
        else:
            self._start(self._ask(self._announce, self._target))

    async def _ask(self, announce: Announcement, target: "Call") -> None:
        """Announce the caller. A mistake in doing so keeps the caller with the agent."""
        try:
            agreed = await (target.play(announce) if isinstance(announce, str | Path) else announce(target))
        except Exception:  # the scenario's own: the caller goes back to it, rather than hang between two
            log.exception("call %s: the announcement to %s failed", self._caller.call_id, self.to)
            self._step(TransferInput.DECLINED, reason="the announcement failed")
            return
        if agreed is False:
            self._step(TransferInput.DECLINED, 603, "the target does not take the call")
        else:
            self._step(TransferInput.AGREED, 200, reason_phrase(200))

    def _join(self, step: TransferStep) -> None:
        if self._target is not None:
            self._means.join(self._target)

    def _release_caller(self, step: TransferStep) -> None:
        self._caller.hang_up(step.reason if self._caller.joined is not None else f"transferred to {self.to}")

    def _release_target(self, step: TransferStep) -> None:
        if self._target is not None:
            self._target.hang_up(step.reason)
        elif self._outbound is not None:
            self._outbound.cancel()

    def _report(self, step: TransferStep) -> None:
        progress = self._tell(step.action.value, step.code, step.reason)
        if step.action in (TransferAction.REPORT_ANSWERED, TransferAction.REPORT_FAILED) and self.is_under_way:
            self._outcome.set_result(progress)

    def _tell(self, state: str, code: int = 0, reason: str = "") -> TransferProgress:
        progress = TransferProgress(target=self.to, state=state, code=code, reason=reason)
        self._caller.publish(progress)
        return progress

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_ACTIONS: Mapping[TransferAction, Callable[[Transfer, TransferStep], None]] = {
    TransferAction.SEND_REFER: Transfer._refer,
    TransferAction.SEND_REFER_REPLACES: Transfer._refer_replaces,
    TransferAction.CALL_TARGET: Transfer._call_target,
    TransferAction.CONSULT: Transfer._consult,
    TransferAction.JOIN: Transfer._join,
    TransferAction.KEEP_COMPANY: Transfer._keep_company,
    TransferAction.RESUME: Transfer._resume,
    TransferAction.RELEASE_CALLER: Transfer._release_caller,
    TransferAction.RELEASE_TARGET: Transfer._release_target,
    TransferAction.REPORT_ACCEPTED: Transfer._report,
    TransferAction.REPORT_RINGING: Transfer._report,
    TransferAction.REPORT_ANSWERED: Transfer._report,
    TransferAction.REPORT_FAILED: Transfer._report,
}
