"""What is left of calls that are over: nothing, and no garbage collector was needed for that.

A full collection stops every call of a busy phone for a tenth of a second. So whatever belongs to one call is freed by
its last reference.
"""

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from sipagent import Agent, InboundCall, tool
from sipagent.agent.conversation import Conversation
from sipagent.agent.heard import Utterance
from sipagent.call import Call
from sipagent.call_media import LegMedia
from sipagent.config import Configuration
from sipagent.config.options import Transfer as Targets
from sipagent.errors import CallFailed
from sipagent.line import Line
from sipagent.media import Leg
from sipagent.media.stream import Stream
from sipagent.providers.cartesia_tts import CartesiaTTS
from sipagent.providers.connection import Connection
from sipagent.providers.openai_realtime import OpenAIRealtime
from sipagent.sip.invite import InviteSession
from sipagent.sip.modification import Modification
from sipagent.stream import EventStream
from sipagent.testing import run
from sipagent.testing.phone import Caller, Rehearsal
from sipagent.testing.providers import Failure, Fault, ScriptedCartesia, ScriptedOpenAI, ToolUse
from sipagent.transfer import Transfer
from tests.exchange import Exchange
from tests.handset import Handset, sdp

OF_A_CALL = (
    Call,
    Connection,
    Conversation,
    CartesiaTTS,
    EventStream,
    InviteSession,
    Leg,
    LegMedia,
    Line,
    Modification,
    OpenAIRealtime,
    Stream,
    Transfer,
    Utterance,
)
DESK = "127.0.0.3"
MEMORY = 64.0
"""Seconds until SIP has forgotten a call: the longest timers of its transactions."""


@tool
async def order_status(number: str) -> str:
    """Tell where an order is, given its number."""
    return "It left the warehouse this morning."


AGENT = Agent("You are Voxi.", greeting="Hello! How can I help?", tools=[order_status])
STATUS = ToolUse("order_status", '{"number": "17"}')


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> Counter[str]:
    """What of a call is in memory, by its kind."""
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in OF_A_CALL)


def left_after(rehearsal: Rehearsal, story: Callable[[Caller], Awaitable[None]]) -> Counter[str]:
    """Have a call go as `story` tells, and return what is left of it."""

    async def main() -> Counter[str]:
        async with rehearsal:
            await story(await rehearsal.dial())
            await asyncio.sleep(MEMORY)
            return left()

    return run(main())


async def asks_and_hangs_up(caller: Caller) -> None:
    await caller.hears()
    assert left()["Call"] == 2, "one of who calls, one of who is called"
    caller.says("Where is number seventeen?")
    await caller.hears()
    caller.hangs_up()


async def interrupts_and_hangs_up(caller: Caller) -> None:
    await caller.hears()
    caller.says("Tell me everything")
    await asyncio.sleep(3)
    caller.says("Stop")
    await caller.hears()
    caller.hangs_up()


async def says_goodbye(caller: Caller) -> None:
    await caller.hears()
    caller.says("Goodbye")
    await caller.is_hung_up_on()


async def is_apologised_to(caller: Caller) -> None:
    await caller.is_hung_up_on()


async def holds_and_presses(caller: Caller) -> None:
    await caller.hears()
    await caller.call.hold()
    await caller.call.resume()
    caller.presses("1")
    await caller.hears()
    caller.hangs_up()


def test_the_caller_hangs_up() -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI(STATUS, "It left this morning."))
    assert not left_after(rehearsal, asks_and_hangs_up)


def test_the_caller_has_interrupted() -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI("This is a long answer that takes quite a while to say.", "Yes?"))
    assert not left_after(rehearsal, interrupts_and_hangs_up)


def test_the_agent_hangs_up() -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI(ToolUse("hang_up")))
    assert not left_after(rehearsal, says_goodbye)


def test_further_offers_and_keys() -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI("You pressed one."))
    assert not left_after(rehearsal, holds_and_presses)


def test_a_provider_refuses_us() -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI(faults=[Fault(refuse=401)]), ScriptedCartesia())
    assert not left_after(rehearsal, is_apologised_to)


def test_a_provider_is_lost_and_replaced() -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI(Failure("server_error"), "It left this morning."))
    assert not left_after(rehearsal, asks_and_hangs_up)


def test_the_call_is_captured(tmp_path: Path) -> None:
    rehearsal = Rehearsal(AGENT, ScriptedOpenAI("It left this morning."), capture=tmp_path / "call")
    assert not left_after(rehearsal, asks_and_hangs_up)


def test_a_scenario_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await asyncio.sleep(1)
        raise RuntimeError(f"{call.caller} asked too much")

    assert not left_after(Rehearsal(fails), is_apologised_to)
    assert "asked too much" in caplog.text


def test_a_call_is_refused() -> None:
    async def refuses(incoming: InboundCall) -> None:
        incoming.reject(486)

    async def main() -> Counter[str]:
        async with Rehearsal(refuses) as rehearsal:
            with contextlib.suppress(CallFailed):
                await rehearsal.dial()
            await asyncio.sleep(MEMORY)
            return left()

    assert not run(main())


def test_a_caller_is_put_through_and_both_calls_end() -> None:
    async def puts_through(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await call.transfer("desk", mode="bridge")

    async def story(exchange: Exchange) -> None:
        desk = Handset(exchange.network, host=DESK, call_id="desk")
        assert await exchange.handset.calls() == 200
        invite = await desk.rings()
        desk.answers(200, invite, sdp(host=DESK), headers=(f"Contact: <sip:desk@{DESK}>",))
        await desk.is_asked("ACK")
        await asyncio.sleep(2)
        assert left()["Transfer"] == 1
        await exchange.handset.hangs_up()
        await desk.is_hung_up_on()
        await asyncio.sleep(MEMORY)
        assert not left()

    Exchange(puts_through, configuration=Configuration(transfer=Targets(targets={"desk": f"sip:desk@{DESK}"}))).tell(
        story
    )
