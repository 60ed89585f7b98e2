"""The phone as a service, on real sockets of this machine: what is kept of a call, and how a signal ends it all."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sipagent import Agent, Call, Disconnected, Softphone
from sipagent.audio import tones, wav
from sipagent.caller import CallPlan, converse
from sipagent.config import AgentSection, Configuration, General
from sipagent.config.options import Cartesia, OpenAI, Record
from sipagent.config.values import Answer, Capture, Pipeline, PortRange, Recording
from sipagent.errors import CallFailed, ConfigurationError
from sipagent.events import Stamped
from sipagent.service import answering, serve, with_local
from sipagent.sip.flow import Address
from sipagent.testing.captures import replay

LOOPBACK = General(bind=Address("127.0.0.1", 0), rtp_ports=PortRange(43000, 43099))
ECHO = Configuration(general=LOOPBACK, agents={"": AgentSection(pipeline=Pipeline.ECHO, answer=Answer.NOW)})


def caller() -> Softphone:
    return Softphone(configuration=Configuration(general=replace(LOOPBACK, rtp_ports=PortRange(43100, 43199))))


async def call(phone: Softphone, address: Address) -> Call:
    return await (await phone.call_directly(f"sip:agent@{address}")).answered(ring_time=5)


def test_of_a_call_a_recording_a_capture_and_a_record_are_kept(tmp_path: Path) -> None:
    beep = tmp_path / "beep.wav"
    beep.write_bytes(wav.write(tones.sine(1000.0, 8000)))
    calls = tmp_path / "calls"

    async def main() -> None:
        record = Record(calls=Recording.WAV, capture=Capture.PCAP, directory=calls)
        async with answering(replace(ECHO, record=record)) as phone, caller() as other:
            plan = CallPlan(lines=[beep], digits="5", patience=0.2, quiet=0.3, duration=3)
            await converse(await call(other, phone.address), plan)
            assert await phone.idle(5)

    asyncio.run(main())
    kept = {path.name.partition(".")[2]: path for path in calls.iterdir()}
    assert set(kept) == {"wav", "json", "pcap", "journal.jsonl", "golden.jsonl"}
    assert len({path.name.partition(".")[0] for path in kept.values()}) == 1
    record = json.loads(kept["json"].read_text())
    assert (record["codec"], record["digits"], record["ended_by"], record["engine"]) == ("pcmu", "5", "caller", "cloud")
    assert record["media"]["score"] > 4
    assert record["media"]["packets_sent"] > 50
    left, right = wav.read(kept["wav"].read_bytes()).samples
    assert (abs(left) > 1000).sum() > 4000
    assert (abs(right) > 1000).sum() > 4000
    replay(kept["pcap"])


def test_recordings_are_ogg_opus_where_that_is_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        configuration = replace(ECHO, record=Record(calls=Recording.OGG, directory=tmp_path))
        async with answering(configuration) as phone, caller() as other:
            (await call(other, phone.address)).hang_up()
            assert await phone.idle(5)

    asyncio.run(main())
    kept = {path.suffix: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(kept) == {".ogg", ".json"}
    assert kept[".ogg"][:4] == b"OggS"


def test_without_record_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with answering(ECHO) as phone, caller() as other:
            (await call(other, phone.address)).hang_up()

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []


Standing = Callable[[Call, Softphone], Awaitable[None]]


def served(story: Standing) -> tuple[signal.Signals, list[Stamped]]:
    """Serve, ring, and let `story` happen on the call that stands; return what `serve` did."""
    events: list[Stamped] = []

    async def main() -> signal.Signals:
        general = replace(LOOPBACK, bind=Address("127.0.0.1", 43990))
        serving = asyncio.create_task(serve(replace(ECHO, general=general), watchers=[events.append]))
        await asyncio.sleep(0.1)
        async with caller() as other:
            await story(await call(other, general.bind), other)
        return await asyncio.wait_for(serving, 10)

    return asyncio.run(main()), events


def test_a_signal_lets_calls_end_and_takes_no_more() -> None:
    async def story(standing: Call, other: Softphone) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert not standing.is_over
        with pytest.raises(CallFailed, match="503"):
            await call(other, Address("127.0.0.1", 43990))
        standing.hang_up()

    told, events = served(story)
    assert told is signal.SIGTERM
    assert [stamped.event.by for stamped in events if isinstance(stamped.event, Disconnected)] == ["caller"]


def test_a_second_signal_ends_the_calls() -> None:
    async def story(standing: Call, other: Softphone) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await standing.disconnected()).reason == "the phone is put away"

    told, _ = served(story)
    assert told is signal.SIGINT


@pytest.mark.parametrize(
    ("openai", "cartesia", "missing"),
    [("", "", "OPENAI_API_KEY"), ("sk-1", "", "CARTESIA_API_KEY"), ("", "sk_car_1", "OPENAI_API_KEY")],
)
def test_without_a_key_that_is_needed_nothing_starts(openai: str, cartesia: str, missing: str) -> None:
    configuration = Configuration(
        general=LOOPBACK,
        openai=OpenAI(api_key=openai),
        cartesia=Cartesia(api_key=cartesia),
        agents={"": AgentSection()},
    )

    async def main() -> None:
        with pytest.raises(ConfigurationError, match=missing):
            async with answering(configuration, Agent()):
                pytest.fail("it started")

    asyncio.run(main())


def test_a_port_that_is_taken_is_said_so() -> None:
    async def main() -> None:
        async with answering(ECHO) as phone:
            taken = replace(ECHO, general=replace(LOOPBACK, bind=phone.address))
            with pytest.raises(ConfigurationError, match=str(phone.address.port)):
                async with answering(taken):
                    pytest.fail("it started")

    asyncio.run(main())


CLOUD = Configuration(
    openai=OpenAI(api_key="sk-1"),
    cartesia=Cartesia(api_key="sk_car_1"),
    agents={"": AgentSection(), "office": AgentSection(name="office", greeting="Office.")},
)


def test_local_engines_take_the_providers_place_and_say_so_to_callers() -> None:
    local = with_local(CLOUD, "http://127.0.0.1:1/v1", "http://127.0.0.1:2")
    assert (local.openai.base_url, local.cartesia.base_url) == ("http://127.0.0.1:1/v1", "http://127.0.0.1:2")
    assert "sk" not in local.openai.api_key + local.cartesia.api_key, "no key leaves for a server that needs none"
    assert "offline demo" in local.agents[""].greeting
    assert local.agents["office"].greeting == "Office."


def test_one_leg_may_be_local() -> None:
    local = with_local(CLOUD, "", "http://127.0.0.1:2")
    assert local.openai == CLOUD.openai
    assert local.cartesia.base_url == "http://127.0.0.1:2"
    assert local.agents == CLOUD.agents
