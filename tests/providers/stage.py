"""One provider's client against its scripted double, on virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sipagent.agent.interfaces import FrameSocket
from sipagent.events import ProviderEvent
from sipagent.testing.call import ScriptedCall, surround
from sipagent.testing.clock import run

Script = Callable[[ScriptedCall], Coroutine[Any, Any, None]]


def on_a_call(script: Script, *, encoding: str = "pcmu", **sockets: Callable[[], FrameSocket]) -> ScriptedCall:
    """Run a scenario on a call whose providers are these sockets; two seconds later return the call."""
    call = ScriptedCall(encoding)

    async def play() -> None:
        surround(call, sockets)
        await script(call)
        await asyncio.sleep(2)

    run(play())
    assert call.errors == []
    return call


def frames(call: ScriptedCall, provider: str) -> list[dict[str, Any]]:
    """All that a provider sent, in order."""
    return [dict(event.data) for event in call.of(ProviderEvent) if event.provider == provider]
