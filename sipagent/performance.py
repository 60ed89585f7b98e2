"""One scenario performed on one call: from the first ring until both the scenario and the call are over."""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from sipagent.audio.encoding import PCMU, convert
from sipagent.call import Call
from sipagent.errors import CallFailed
from sipagent.playback import Playback
from sipagent.ringing import InboundCall

log = logging.getLogger("sipagent")

Scenario = Callable[[InboundCall], Awaitable[None]]
"""What answers a call: an async function of the ringing call."""

GRACE = 5.0
"""Seconds that a scenario has to finish once its call is over."""
APOLOGY = 8.0
"""Seconds that the caller is given to hear an apology."""


async def perform(scenario: Scenario, incoming: InboundCall, call: Call, apology: bytes) -> None:
    """Run `scenario` to its end, and end the call with it.

    What it, or a handler of its, raises is logged once, with the call; before the answer the caller gets 480, after it
    the apology (PCMU) and BYE. A scenario still running when the call is over has GRACE seconds, then it is cancelled;
    so have its handlers.
    """
    work = asyncio.create_task(_follow(scenario, incoming))
    over = asyncio.create_task(call.disconnected())
    try:
        waits: set[asyncio.Future[Any]] = {work, over, call.broken}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if call.is_over:
            await asyncio.wait({work}, timeout=GRACE)
        work.cancel()
        await asyncio.wait({work}, timeout=GRACE)
        error = _error_of(work, call)
        if error is None and call.is_put_through:  # a caller who is with somebody else does not need the scenario
            await call.put_through()
        if error is not None:
            _tell(error, call)
            await _apologise(call, apology)
    finally:
        work.cancel()
        over.cancel()
        if incoming.is_ringing:
            incoming.reject(480)
        call.hang_up()
    await call.handled(GRACE)
    if error is None and call.broken.done():
        _tell(call.broken.result(), call)


async def _follow(scenario: Scenario, incoming: InboundCall) -> None:
    """Run the scenario; one that is no coroutine function fails here, like any other mistake of its."""
    await scenario(incoming)


def _error_of(work: "asyncio.Task[None]", call: Call) -> BaseException | None:
    if call.broken.done():
        return call.broken.result()
    if not work.done() or work.cancelled():
        return None
    error = work.exception()
    return None if isinstance(error, CallFailed) and call.is_over else error  # the caller gave up: nobody's fault


def _tell(error: BaseException, call: Call) -> None:
    text = "".join(traceback.format_exception(error))
    log.error("call %s: the scenario failed\n%s", call.call_id, text)


async def _apologise(call: Call, apology: bytes) -> None:
    if not call.is_answered or call.is_over:
        return
    call.drop_speech()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(Playback(call, convert(apology, PCMU, call.encoding)), APOLOGY)
