"""Anything may happen at any time: nothing is raised, what was heard begins what was meant, and all is closed."""

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.agent.agent import Agent
from sipagent.events import DigitReceived, HoldChanged
from sipagent.testing.providers import Failure, ScriptedCartesia, ScriptedOpenAI, Silence, ToolUse
from tests.agent.stage import Stage

REPLIES = st.sampled_from(
    [
        "Yes.",
        "It left the warehouse this morning, and should be with you tomorrow. Anything else?",
        ToolUse("look"),
        ToolUse("look", text="Let me see."),
        ToolUse("hang_up", text="Goodbye!"),
        ToolUse("hang_up"),
        ToolUse("nothing", "{"),
        Failure(),
        Failure("insufficient_quota"),
        Silence(),
    ]
)


def drop_openai(stage: Stage) -> None:
    stage.openai.connections[-1].drop()


def drop_cartesia(stage: Stage) -> None:
    stage.cartesia.connections[-1].drop(1000, "connection idle timeout")


HAPPENINGS: dict[str, Callable[[Stage], None]] = {
    "the caller speaks": lambda stage: stage.openai.caller_says("Hello?", seconds=0.5),
    "a digit": lambda stage: stage.call.publish(DigitReceived(digit="1")),
    "hold": lambda stage: stage.call.publish(HoldChanged(held=True)),
    "unhold": lambda stage: stage.call.publish(HoldChanged(held=False)),
    "openai breaks": drop_openai,
    "cartesia idles out": drop_cartesia,
}


async def look() -> str:
    """Look it up."""
    await asyncio.sleep(0.7)
    return "found"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(REPLIES, max_size=6),
    st.lists(st.tuples(st.floats(0.01, 4), st.sampled_from(sorted(HAPPENINGS))), max_size=8),
    st.lists(st.integers(0, 30), max_size=2),
)
def test_whatever_happens(
    replies: list[str | ToolUse | Failure | Silence], happenings: list[tuple[float, str]], stalls: list[int]
) -> None:
    async def script(stage: Stage) -> None:
        for pause, what in happenings:
            await asyncio.sleep(pause)
            if stage.call.hung_up_at is None:
                HAPPENINGS[what](stage)

    agent = Agent(greeting="Hello! How can I help today?", tools=[look])
    cartesia = ScriptedCartesia(stalls_after=stalls)
    played = Stage(agent, openai=ScriptedOpenAI(*replies), cartesia=cartesia).play(script, seconds=90)

    for said in played.said:
        assert said.generated_text.startswith(said.heard_text)
    assert all(connection.ended for connection in [*played.openai.connections, *played.cartesia.connections])
