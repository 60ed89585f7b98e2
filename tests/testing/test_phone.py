"""The rehearsal: an agent dialled in a test, with real SIP and RTP between it and the caller."""

import asyncio

import pytest

from sipagent import Agent, InboundCall, tool
from sipagent.audio import g711, level
from sipagent.config import Configuration
from sipagent.config.options import General
from sipagent.config.values import Codec
from sipagent.errors import CallFailed
from sipagent.events import CallAnswered, CallerSaid, DigitReceived, Disconnected, Event
from sipagent.testing import run
from sipagent.testing.network import Network
from sipagent.testing.phone import Rehearsal
from sipagent.testing.providers import ScriptedCartesia, ScriptedOpenAI, ToolUse


@tool
async def order_status(number: str) -> str:
    """Tell where an order is, given its number."""
    return "It left the warehouse this morning."


AGENT = Agent("You are Voxi.", greeting="Hello! How can I help?", tools=[order_status])


def test_the_caller_is_greeted_asks_is_answered_and_hangs_up() -> None:
    async def talk() -> Rehearsal:
        async with Rehearsal(AGENT, ScriptedOpenAI("It left this morning.")) as rehearsal:
            caller = await rehearsal.dial()
            assert await caller.hears() == "Hello! How can I help?"
            caller.says("Where is my parcel?")
            assert await caller.hears() == "It left this morning."
            assert level.level(bytes(caller.heard), g711.PCMU) > -40
            caller.hangs_up()
        return rehearsal

    events = [stamped.event for stamped in run(talk()).events]
    assert CallerSaid in map(type, events)
    assert [event.by for event in events if isinstance(event, Disconnected)] == ["caller"]


def test_a_tool_is_run_and_its_result_given_to_the_model() -> None:
    openai = ScriptedOpenAI(ToolUse("order_status", '{"number": "17"}'), "It left this morning.")

    async def talk() -> None:
        async with Rehearsal(AGENT, openai) as rehearsal:
            caller = await rehearsal.dial()
            await caller.hears()
            caller.says("Where is number seventeen?")
            assert await caller.hears() == "It left this morning."

    run(talk())
    (output,) = [
        frame["item"]["output"] for frame in openai.sent("conversation.item.create") if "output" in frame["item"]
    ]
    assert output == "It left the warehouse this morning."


def test_who_interrupts_hears_the_rest_no_more() -> None:
    async def talk() -> None:
        openai = ScriptedOpenAI("This is a long answer that takes quite a while to say in full.", "Yes?")
        async with Rehearsal(AGENT, openai) as rehearsal:
            caller = await rehearsal.dial()
            await caller.hears()
            caller.says("Tell me everything")
            await asyncio.sleep(3)
            caller.says("Stop")
            heard = await caller.hears()
            assert heard
            assert "in full" not in heard
            assert await caller.hears() == "Yes?"

    run(talk())


def test_a_farewell_is_heard_before_the_agent_hangs_up() -> None:
    async def talk() -> None:
        async with Rehearsal(AGENT, ScriptedOpenAI(ToolUse("hang_up", text="Goodbye then."))) as rehearsal:
            caller = await rehearsal.dial()
            await caller.hears()
            caller.says("That was all")
            assert await caller.hears() == "Goodbye then."
            await caller.is_hung_up_on()

    run(talk())


def test_keys_arrive_over_a_network_that_loses_and_reorders() -> None:
    async def listen(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await call.disconnected()

    async def talk() -> list[str]:
        network = Network(delay=0.02, jitter=0.03, loss=0.05, seed=11)
        async with Rehearsal(listen, network=network) as rehearsal:
            caller = await rehearsal.dial()
            caller.presses("1#")
            await asyncio.sleep(2)
            caller.hangs_up()
        return [stamped.event.digit for stamped in rehearsal.events if isinstance(stamped.event, DigitReceived)]

    assert run(talk()) == ["1", "#"]


def test_a_refusal_reaches_the_caller() -> None:
    async def refuse(incoming: InboundCall) -> None:
        incoming.reject(603)

    async def talk() -> None:
        async with Rehearsal(refuse) as rehearsal:
            with pytest.raises(CallFailed, match="603"):
                await rehearsal.dial()

    run(talk())


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
def test_a_wideband_call_is_wide_all_the_way(codec: Codec) -> None:
    configuration = Configuration(general=General(codecs=(codec,)))
    openai, cartesia = ScriptedOpenAI("It left this morning."), ScriptedCartesia()

    async def talk() -> list[Event]:
        async with Rehearsal(AGENT, openai, cartesia, configuration=configuration) as rehearsal:
            caller = await rehearsal.dial()
            assert await caller.hears() == "Hello! How can I help?"
            caller.says("Where is my parcel?")
            assert await caller.hears() == "It left this morning."
            assert level.level(bytes(caller.heard), g711.PCMU) > -40
            caller.hangs_up()
        return [stamped.event for stamped in rehearsal.events]

    answers = [event.codec for event in run(talk()) if isinstance(event, CallAnswered)]
    assert answers == [codec.house]
    assert openai.session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert {frame["output_format"]["sample_rate"] for frame in cartesia.received if "output_format" in frame} == {24000}
