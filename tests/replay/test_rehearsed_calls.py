"""Whole calls of an agent, good and bad, captured on virtual time: each replays to the last byte."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sipagent import Agent, tool
from sipagent.config import Configuration
from sipagent.config.options import General
from sipagent.config.values import Codec
from sipagent.errors import CaptureError
from sipagent.testing import replay, run
from sipagent.testing.network import Network
from sipagent.testing.phone import Caller, Rehearsal
from sipagent.testing.providers import Failure, Fault, ScriptedCartesia, ScriptedOpenAI, Silence, ToolUse

Reply = str | ToolUse | Failure | Silence
Behaviour = Callable[[Caller], Awaitable[None]]


class Warehouse:
    """A tool that takes its time, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def order_status(self, number: str) -> str:
        """Tell where an order is, given its number."""
        self.asked += 1
        await asyncio.sleep(0.4)
        return f"Order {number} left this morning."


def agent_with(warehouse: Warehouse) -> Agent:
    return Agent("You are Voxi.", greeting="Hello! How can I help?", tools=[tool(warehouse.order_status)])


async def talk(caller: Caller) -> None:
    """Ask twice, press a key, and let the agent end the call if it will."""
    await asyncio.sleep(3)
    caller.says("Where is my parcel?")
    await asyncio.sleep(4)
    caller.presses("7")
    caller.says("Are you sure?", 0.5)
    await asyncio.sleep(8)
    caller.hangs_up()


async def interrupt(caller: Caller) -> None:
    """Speak into every answer."""
    for words in ("Hello?", "No, wait", "I mean"):
        await asyncio.sleep(1.3)
        caller.says(words, 0.6)
    await asyncio.sleep(6)
    caller.hangs_up()


def captured(
    path: Path,
    behaviour: Behaviour,
    openai: ScriptedOpenAI,
    cartesia: ScriptedCartesia | None = None,
    codecs: tuple[Codec, ...] = (Codec.ULAW,),
) -> Warehouse:
    """Have a call over a poor network and capture it."""
    warehouse = Warehouse()

    async def main() -> None:
        network = Network(delay=0.02, jitter=0.03, loss=0.03, duplicate=0.02, seed=17)
        configuration = Configuration(general=General(codecs=codecs))
        agent = agent_with(warehouse)
        rehearsal = Rehearsal(agent, openai, cartesia, network=network, configuration=configuration, capture=path)
        async with rehearsal:
            await behaviour(await rehearsal.dial())

    run(main(), start=5000.0)
    return warehouse


ANSWERS = ("It left this morning, on the early van.", "I am.", "Is there anything else that I can do for you?", "Bye.")


@pytest.mark.parametrize(
    ("behaviour", "openai", "cartesia"),
    [
        pytest.param(talk, lambda: ScriptedOpenAI(*ANSWERS), ScriptedCartesia, id="questions and answers"),
        pytest.param(interrupt, lambda: ScriptedOpenAI(*ANSWERS), ScriptedCartesia, id="barge-in"),
        pytest.param(
            talk,
            lambda: ScriptedOpenAI(ToolUse("order_status", '{"number": "5"}'), *ANSWERS),
            ScriptedCartesia,
            id="a tool",
        ),
        pytest.param(
            talk, lambda: ScriptedOpenAI("Yes.", ToolUse("hang_up", text="Bye.")), ScriptedCartesia, id="we hang up"
        ),
        pytest.param(talk, lambda: ScriptedOpenAI(Failure(), *ANSWERS), ScriptedCartesia, id="a failed response"),
        pytest.param(talk, lambda: ScriptedOpenAI(Silence(), *ANSWERS), ScriptedCartesia, id="a silent model"),
        pytest.param(
            talk,
            lambda: ScriptedOpenAI(*ANSWERS, faults=[Fault(close_after=30, code=1012)]),
            ScriptedCartesia,
            id="a broken socket, and a fresh one",
        ),
        pytest.param(
            talk,
            lambda: ScriptedOpenAI(*ANSWERS, faults=[Fault(refuse=401)]),
            ScriptedCartesia,
            id="a wrong key",
        ),
        pytest.param(
            talk,
            lambda: ScriptedOpenAI(*ANSWERS),
            lambda: ScriptedCartesia(faults=[Fault(silent_after=3)]),
            id="a voice that falls silent",
        ),
    ],
)
def test_a_call_replays_equal_twice(
    tmp_path: Path,
    behaviour: Behaviour,
    openai: Callable[[], ScriptedOpenAI],
    cartesia: Callable[[], ScriptedCartesia],
) -> None:
    captured(tmp_path / "call", behaviour, openai(), cartesia())
    replay(tmp_path / "call", agent=agent_with(Warehouse()))
    replay(tmp_path / "call.pcap", agent=agent_with(Warehouse()))


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
@pytest.mark.parametrize("behaviour", [talk, interrupt])
def test_a_wideband_call_replays_equal(tmp_path: Path, behaviour: Behaviour, codec: Codec) -> None:
    captured(tmp_path / "call", behaviour, ScriptedOpenAI(*ANSWERS), codecs=(codec,))
    replay(tmp_path / "call", agent=agent_with(Warehouse()))


@pytest.mark.parametrize("seed", range(6))
def test_a_call_in_which_anything_happens_replays_equal(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    async def do_anything(caller: Caller) -> None:
        for _ in range(8):
            await asyncio.sleep(chance.uniform(0.05, 2.5))
            if caller.call.is_over:
                return
            if chance.random() < 0.7:
                caller.says("whatever", chance.uniform(0.1, 1.5))
            else:
                caller.presses(chance.choice("0123456789*#"))
        caller.hangs_up()

    known: list[Reply] = [*ANSWERS, Failure(), ToolUse("order_status", '{"number": "5"}', text="Let me see.")]
    replies = chance.choices(known, k=12)
    faults = [Fault(close_after=chance.randrange(20, 60))] * chance.randrange(2)
    captured(tmp_path / "call", do_anything, ScriptedOpenAI(*replies, faults=faults))
    replay(tmp_path / "call", agent=agent_with(Warehouse()))


def test_tools_are_not_run_again(tmp_path: Path) -> None:
    asked = captured(tmp_path / "call", talk, ScriptedOpenAI(ToolUse("order_status", '{"number": "5"}'), *ANSWERS))
    again = Warehouse()
    replay(tmp_path / "call", agent=agent_with(again))
    assert (asked.asked, again.asked) == (1, 0)


def test_an_agent_that_has_changed_fails_with_what_changed(tmp_path: Path) -> None:
    captured(tmp_path / "call", talk, ScriptedOpenAI(*ANSWERS))
    with pytest.raises(AssertionError) as failure:
        replay(tmp_path / "call", agent=Agent("You are Voxi.", greeting="Good morning! How can I help?"))
    assert '-  "transcript": "Hello! How can I help?"' in str(failure.value).replace('",', '"')
    assert '+  "transcript": "Good morning! How can I help?"' in str(failure.value).replace('",', '"')


def test_no_key_is_in_the_capture(tmp_path: Path) -> None:
    captured(tmp_path / "call", talk, ScriptedOpenAI(*ANSWERS))
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"scripted" not in content
    assert b"Authorization" not in content


def test_a_call_that_an_agent_in_code_took_is_not_given_to_that_of_sip_conf(tmp_path: Path) -> None:
    captured(tmp_path / "call", talk, ScriptedOpenAI(*ANSWERS))
    with pytest.raises(CaptureError, match=r"an agent made in code took this call.*testing\.replay"):
        replay(tmp_path / "call")
