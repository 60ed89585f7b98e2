"""A call over real sockets, on a real clock, by the media thread: what was captured replays on virtual time."""

import asyncio
from dataclasses import replace
from pathlib import Path

from sipagent import Agent, Softphone
from sipagent.capture.bundle import Bundle
from sipagent.capture.configuration import portable
from sipagent.capture.replay.run import replay
from sipagent.capture.writer import Captures
from sipagent.config import Configuration, load_text
from sipagent.testing import ScriptedCartesia, ScriptedOpenAI, ToolUse
from sipagent.world import real_world

AGENT = Agent("You are Voxi.", greeting="Hello!")


def configuration(ports: str) -> Configuration:
    """A phone on loopback, on any free SIP port."""
    text = f"[general]\nbind = 127.0.0.1:0\nrtp_ports = {ports}\n[openai]\napi_key = sk-1\n[cartesia]\napi_key = ca-1\n"
    return load_text(text, {})


async def call(base: Path) -> None:
    """Greet, be interrupted, answer, take a key, hang up: some four seconds."""
    openai = ScriptedOpenAI("This is a long answer, of which not much is heard.", ToolUse("hang_up", text="Bye."))
    cartesia = ScriptedCartesia()
    sockets = {"openai": openai.open_socket, "cartesia": cartesia.open_socket}
    ours = configuration("46000-46019")
    world = replace(real_world(ours), open_socket=lambda name: sockets[name]())
    captures = Captures(lambda call_id: base, configuration=portable(ours))
    async with (
        Softphone(configuration=ours, world=world, tap=captures) as phone,
        Softphone(configuration=configuration("46020-46039")) as caller,
    ):
        phone.answer_with(AGENT)
        end = await (await caller.call_directly(f"sip:agent@127.0.0.1:{phone.address.port}")).answered()
        end.speak(bytes(range(256)) * 60)
        await asyncio.sleep(0.8)
        openai.caller_says("Tell me all", 0.2)
        await asyncio.sleep(1.4)
        openai.caller_says("Enough", 0.2)
        end.send_digits("7")
        await asyncio.wait_for(end.disconnected(), 10)
        await phone.idle(5)
    captures.close()


def test_a_captured_call_replays_equal_twice(tmp_path: Path) -> None:
    asyncio.run(call(tmp_path / "call"))
    first, second = replay(tmp_path / "call", AGENT), replay(tmp_path / "call", AGENT)
    assert str(first.compare()).startswith("equal: ")
    assert first.departures == second.departures
    assert first.compare().counts["rtp"] > 100
    assert Bundle(tmp_path / "call").pcap.stat().st_size > 30_000
