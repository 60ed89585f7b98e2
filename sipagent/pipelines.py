"""The pipelines of sip.conf as scenarios: which units are joined, and when the call is answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from sipagent.agent.agent import Agent
from sipagent.agent.clips import Clips
from sipagent.agent.interfaces import surroundings
from sipagent.audio.encoding import PCMU, convert
from sipagent.call import Call
from sipagent.clips import rendered
from sipagent.config import AgentSection
from sipagent.config.values import Answer, Pipeline, TurnDetection
from sipagent.performance import Scenario
from sipagent.playback import Playback
from sipagent.providers.cartesia_tts import CartesiaTTS
from sipagent.providers.openai_realtime import OpenAIRealtime
from sipagent.ringing import InboundCall

INSTRUCTIONS = "You are a helpful phone assistant. Keep your answers short and fit for the telephone."
RING_AT_MOST = 1.5
"""Seconds that a caller hears the ringing tone while the providers connect; then we answer without them."""


def scenario_of(section: AgentSection, clips: Callable[[], Clips], agent: Agent | None = None) -> Scenario:
    """Return what answers calls as `section` says; what `agent`, made by code, says comes first."""
    if section.pipeline is Pipeline.ECHO and agent is None:
        return echo(section, clips)
    return half_cascade(completed(agent or Agent(), section), section, clips)


def completed(agent: Agent, section: AgentSection) -> Agent:
    """Return the agent with what it leaves open taken from a section of sip.conf, then from the defaults."""
    speaks_first = agent.greeting or agent.greeting_instructions
    turns = "semantic_vad" if section.turn_detection is TurnDetection.SEMANTIC_VAD else "server_vad"
    return replace(
        agent,
        instructions=agent.instructions or section.instructions or INSTRUCTIONS,
        greeting=agent.greeting if speaks_first else section.greeting,
        greeting_instructions=agent.greeting_instructions if speaks_first else section.greeting_instructions,
        language=agent.language or section.language or None,
        turn_detection=agent.turn_detection or turns,
        silence_ms=agent.silence_ms or section.silence_ms,
    )


def half_cascade(agent: Agent, section: AgentSection, clips: Callable[[], Clips]) -> Scenario:
    """OpenAI Realtime hears and thinks, Cartesia speaks."""

    async def scenario(incoming: InboundCall) -> None:
        around = surroundings.get()
        prepared = agent.prepare(
            OpenAIRealtime, CartesiaTTS, clips=clips(), transfer_to=around.transfer_to, run_tool=around.run_tool
        )
        async with prepared as conversation:
            if section.answer is Answer.READY:
                incoming.ring()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(conversation.ready(), RING_AT_MOST)
            call = await incoming.answer()
            call.forget_events()
            async with _time_limit(call, section.max_duration, clips):
                await conversation.converse(call)

    return scenario


async def render_clips() -> Clips:
    """Have Cartesia say what must be heard even when it is dead."""
    return await rendered(CartesiaTTS)


def echo(section: AgentSection, clips: Callable[[], Clips]) -> Scenario:
    """Say back what is heard."""

    async def scenario(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.forget_events()
        call.send_media_to(call)
        async with _time_limit(call, section.max_duration, clips):
            await call.disconnected()

    return scenario


@contextlib.asynccontextmanager
async def _time_limit(call: Call, seconds: int | None, clips: Callable[[], Clips]) -> AsyncIterator[None]:
    """Say goodbye and hang up when the call has lasted so long."""

    async def end() -> None:
        await asyncio.sleep(seconds or 0)
        call.drop_speech()
        await Playback(call, convert(clips().goodbye, PCMU, call.encoding))
        call.hang_up("the longest duration of a call is over")

    limit = asyncio.create_task(end()) if seconds else None
    try:
        yield
    finally:
        if limit is not None:
            limit.cancel()
