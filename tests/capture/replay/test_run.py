"""A call, captured and run again: equal as long as the phone behaves as it did, and told apart where it does not."""

import asyncio
from pathlib import Path

import pytest

from sipagent.call import Call, InboundCall
from sipagent.capture.bundle import Bundle, BundleWriter, header_record
from sipagent.capture.replay.run import replay, rewrite
from sipagent.config import Configuration
from sipagent.errors import CaptureError
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.testing.clock import run
from sipagent.testing.network import Network
from sipagent.testing.world import world_in_memory

AGENT, CALLER = "10.0.0.1", "10.0.0.2"


async def echo(incoming: InboundCall) -> None:
    """Say back what is heard."""
    call = await incoming.answer()
    call.send_media_to(call)
    await call.disconnected()


async def greet(incoming: InboundCall) -> None:
    """Say something for a second, then hang up."""
    call = await incoming.answer()
    call.speak(bytes(range(200)) * 40, marks=((8000, "end"),))
    await asyncio.sleep(2)
    call.hang_up()


async def refuse(incoming: InboundCall) -> None:
    """Be busy."""
    incoming.reject(486)


async def chat(call: Call) -> None:
    """What the caller does: speak, press a key, hang up."""
    call.speak(bytes(range(250)) * 32)
    await asyncio.sleep(0.7)
    call.send_digits("5")
    await asyncio.sleep(1)
    call.hang_up()


def captured(path: Path, scenario: Scenario) -> Path:
    """Have a caller ring a phone that answers with `scenario`; return where the call was captured."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        network = Network(delay=0.01, jitter=0.015, loss=0.02, seed=5)

        def tap(call_id: str) -> BundleWriter:
            return BundleWriter(Bundle(path), header_record(call_id, loop.time(), epoch=0.0, configuration={}))

        async with (
            Softphone(world=world_in_memory(network, AGENT), tap=tap) as phone,
            Softphone(world=world_in_memory(network, CALLER)) as caller,
        ):
            phone.answer_with(scenario)
            outbound = await caller.call_directly(f"sip:agent@{AGENT}")
            try:
                await chat(await outbound.answered())
            except Exception as error:
                assert "486" in str(error)  # noqa: PT017
            await phone.idle(40)

    run(main(), start=1000.0)
    return path


@pytest.mark.parametrize("scenario", [echo, greet, refuse])
def test_a_call_replays_equal_to_what_left_then(tmp_path: Path, scenario: Scenario) -> None:
    path = captured(tmp_path / "call", scenario)
    first, second = (replay(path, scenario, Configuration()) for _ in range(2))
    assert str(first.comparison).startswith("equal: ")
    assert first.departures == second.departures
    assert first.comparison.counts["sip"] >= 2
