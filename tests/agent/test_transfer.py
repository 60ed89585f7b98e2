"""The model puts a caller through, and is told what became of it."""

import asyncio
import json
from typing import Any

import pytest

from sipagent.agent.agent import Agent
from sipagent.agent.tools import tool
from sipagent.agent.transfer import declaration_of_transfer, told_of_transfer
from sipagent.events import DigitReceived, TransferProgress
from sipagent.testing.providers import ScriptedOpenAI, ToolUse
from tests.agent.stage import CLIPS, MakeStage, Stage

NAMES = ("reception", "sales")
CALL = ToolUse("transfer", '{"to": "reception"}', text="One moment, I am putting you through to our reception.")
BUSY = TransferProgress(target="reception", state="failed", code=486, reason="Busy Here")
THROUGH = TransferProgress(target="reception", state="answered", code=200, reason="OK")


async def asks(stage: Stage) -> None:
    """The caller wants to be put through; return when that begins."""
    await asyncio.sleep(0.5)
    stage.openai.caller_says("Put me through, please.")
    await stage.call.is_transferred.wait()
    stage.notes["began"] = stage.now


def outcomes(stage: Stage) -> list[str]:
    """What the model was told of its tools."""
    items: list[dict[str, Any]] = [frame["item"] for frame in stage.openai.sent("conversation.item.create")]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def offered(stage: Stage) -> dict[str, Any]:
    return {tool["name"]: tool["parameters"] for tool in stage.openai.session["tools"]}


async def nothing(stage: Stage) -> None:
    pass


def test_the_model_is_offered_names_and_nothing_else(stage: MakeStage) -> None:
    tools = offered(stage(Agent(), transfer_to=NAMES).play(nothing))
    assert tools["transfer"]["properties"] == {"to": {"type": "string", "enum": ["reception", "sales"]}}
    assert "sip:" not in json.dumps(declaration_of_transfer(NAMES))


def test_without_names_there_is_no_such_tool(stage: MakeStage) -> None:
    assert set(offered(stage(Agent()).play(nothing))) == {"hang_up"}


def test_an_agent_with_such_a_tool_of_its_own_keeps_it(stage: MakeStage) -> None:
    @tool
    async def transfer(money: int) -> str:
        """Move money."""
        return "Moved."

    async def script(stage: Stage) -> None:
        await asyncio.sleep(0.5)
        stage.openai.caller_says("Move five, please.")

    replies = ScriptedOpenAI(ToolUse("transfer", '{"money": 5}'), "Done.")
    played = stage(Agent(tools=[transfer]), openai=replies, transfer_to=NAMES).play(script)
    assert list(offered(played)["transfer"]["properties"]) == ["money"]
    assert outcomes(played) == ["Moved."]


def test_it_begins_when_the_caller_has_heard_so(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asks(stage)
        stage.call.transfers[0][1].set_result(THROUGH)

    played = stage(Agent(), openai=ScriptedOpenAI(CALL), transfer_to=NAMES).play(script)
    assert [name for name, _ in played.call.transfers] == ["reception"]
    assert [said.heard_text for said in played.said] == [CALL.text]
    assert played.call.sent[-1].time <= played.notes["began"]


def test_a_caller_who_is_through_is_no_longer_heard_by_the_model(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asks(stage)
        stage.call.transfers[0][1].set_result(THROUGH)
        await asyncio.sleep(0.1)
        heard = len(stage.openai.heard)
        stage.call.caller_sends(b"\x11" * 320)
        await asyncio.sleep(0.1)
        assert len(stage.openai.heard) == heard

    played = stage(Agent(), openai=ScriptedOpenAI(CALL), transfer_to=NAMES).play(script)
    assert played.call.hung_up_at is None, "the caller is with somebody else"


def test_a_failure_is_told_and_the_agent_goes_on(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asks(stage)
        await asyncio.sleep(12)
        stage.notes["back"] = stage.now
        stage.call.transfers[0][1].set_result(BUSY)

    replies = ScriptedOpenAI(CALL, "I am sorry, they are busy. May I take a message?")
    played = stage(Agent(), openai=replies, transfer_to=NAMES).play(script, seconds=40)
    assert outcomes(played) == [told_of_transfer(BUSY)]
    assert "486 Busy Here" in told_of_transfer(BUSY)
    assert played.said[-1].heard_text == "I am sorry, they are busy. May I take a message?"
    assert played.clip_times(CLIPS.one_moment) == [], "while it rings the agent has nothing to say"
    assert played.call.spoken_between(played.notes["began"] + 0.02, played.notes["back"]) == 0


def test_what_the_caller_does_on_the_way_is_not_for_the_agent(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asks(stage)
        stage.call.publish(DigitReceived(digit="5"))
        await asyncio.sleep(3)
        stage.call.transfers[0][1].set_result(BUSY)

    played = stage(Agent(), openai=ScriptedOpenAI(CALL, "Busy."), transfer_to=NAMES).play(script)
    assert [said.heard_text for said in played.said] == [CALL.text, "Busy."]


def test_a_caller_who_interrupts_stays(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(0.5)
        stage.openai.caller_says("Put me through, please.")
        await asyncio.sleep(1.5 + 1.0)
        stage.openai.caller_says("No, wait.")

    played = stage(Agent(), openai=ScriptedOpenAI(CALL, "All right."), transfer_to=NAMES).play(script)
    assert played.call.transfers == []
    assert outcomes(played)[0].startswith("Not done")


@pytest.mark.parametrize(
    "arguments", ['{"to": "sip:premium@203.0.113.9"}', '{"to": "boss"}', "{}", '{"to": ["sales"]}']
)
def test_a_name_that_the_model_makes_up_is_nobodys(stage: MakeStage, arguments: str) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(0.5)
        stage.openai.caller_says("Put me through to the boss.")

    replies = ScriptedOpenAI(ToolUse("transfer", arguments), "I am sorry.")
    played = stage(Agent(), openai=replies, transfer_to=NAMES).play(script)
    assert played.call.transfers == []
    assert outcomes(played)[0].endswith("there is reception, sales.")
