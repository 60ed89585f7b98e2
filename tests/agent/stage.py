"""A call on virtual time with both providers scripted: what an agent needs to be told a story."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

from sipagent.agent.agent import Agent
from sipagent.agent.clips import Clips
from sipagent.audio import g711
from sipagent.events import AgentSaid
from sipagent.providers.cartesia_tts import CartesiaTTS
from sipagent.providers.openai_realtime import OpenAIRealtime
from sipagent.testing.call import SCRIPTED_KEYS, ScriptedCall, surround
from sipagent.testing.clock import run
from sipagent.testing.providers import ScriptedCartesia, ScriptedOpenAI

CLIPS = Clips(apology=b"\x01" * 8000, one_moment=b"\x02" * 4000, goodbye=b"\x03" * 8000)

Script = Callable[["Stage"], Coroutine[Any, Any, None]]


class Stage:
    """One agent on one call. `play` answers the call, lets the script happen, and hangs up when it is over."""

    def __init__(
        self,
        agent: Agent,
        *,
        openai: ScriptedOpenAI | None = None,
        cartesia: ScriptedCartesia | None = None,
        encoding: str = g711.PCMU,
        keys: dict[str, str] | None = None,
        transfer_to: tuple[str, ...] = (),
    ) -> None:
        self.agent = agent
        self.openai = openai or ScriptedOpenAI()
        self.cartesia = cartesia or ScriptedCartesia()
        self.encoding = encoding
        self.keys = SCRIPTED_KEYS if keys is None else keys
        self.transfer_to = transfer_to
        self.call: ScriptedCall
        self.notes: dict[str, float] = {}
        """Times that a script wants to remember."""

    def play(self, script: Script, *, seconds: float = 20.0) -> "Stage":
        """Run `script` against the call, then wait for the call's end or for so many seconds in all."""
        run(self._play(script, seconds))
        assert self.call.errors == []
        return self

    async def _play(self, script: Script, seconds: float) -> None:
        self.call = ScriptedCall(self.encoding)
        sockets = {"openai": self.openai.open_socket, "cartesia": self.cartesia.open_socket}
        surround(self.call, sockets, self.keys)
        prepared = self.agent.prepare(OpenAIRealtime, CartesiaTTS, clips=CLIPS, transfer_to=self.transfer_to)
        async with asyncio.timeout(seconds), prepared as talk:
            await talk.ready()
            talking = asyncio.create_task(talk.converse(self.call))
            await script(self)
            await asyncio.wait([talking], timeout=seconds - asyncio.get_running_loop().time() - 1)
            if not talking.done():
                self.call.caller_hangs_up()
            await talking

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def said(self) -> list[AgentSaid]:
        return self.call.of(AgentSaid)

    @property
    def hung_up_at(self) -> float:
        """When we hung up."""
        assert self.call.hung_up_at is not None
        return self.call.hung_up_at

    def clip_times(self, clip: bytes) -> list[float]:
        """When frames of a clip left."""
        return [frame.time for frame in self.call.sent if clip[:1] * 8 in frame.audio]


MakeStage = type[Stage]


def longest_silence(played: Stage, *, since: float, until: float | None = None) -> float:
    """The longest time between two frames of ours, from `since` to the last one, or to `until`."""
    times = [since, *(frame.time for frame in played.call.sent if frame.time >= since)]
    if until is not None:
        times.append(until)
    return max(later - earlier for earlier, later in pairwise(times))
