"""A call, captured and run again: equal as long as the phone behaves as it did, and told apart where it does not."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from sipagent.agent.interfaces import Close, surroundings
from sipagent.capture import journal
from sipagent.capture.bundle import Bundle, header_record
from sipagent.capture.configuration import Sections, portable
from sipagent.capture.replay.run import replay
from sipagent.capture.writer import BundleWriter
from sipagent.config import load_text
from sipagent.errors import CallFailed, CaptureError
from sipagent.events import DigitReceived
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.recorder import Recorder
from sipagent.ringing import InboundCall, OutboundCall
from sipagent.testing.clock import run
from sipagent.testing.network import HostPort, Network
from sipagent.testing.world import world_in_memory

AGENT, CALLER = "10.0.0.1", "10.0.0.2"
REGISTRAR_COPIES = {"Via", "From", "To", "Call-ID", "CSeq", "Contact", "Expires"}


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


async def converse(incoming: InboundCall) -> None:
    """Lean on a provider: hear it, answer it with drawn ids, on time and late, and end when it does."""
    around = surroundings.get()
    socket = around.open_socket("oracle")
    await socket.open("wss://oracle.example.com", {"Authorization": "Bearer secret"})
    call = await incoming.answer()
    call.on(DigitReceived, lambda digit: socket.send(f"digit {digit.digit}"))
    async for frame in socket.frames():
        socket.send(f"{frame}, {around.new_id('answer')}")
        asyncio.get_running_loop().call_later(0.25, socket.send, f"{frame}, late")
        call.speak(frame.encode() * 400)
    call.hang_up("the oracle is silent")


class Oracle:
    """A provider that says three things and leaves."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._ended: Close | None = None

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        await asyncio.sleep(0.06)

    def send(self, frame: str) -> None:
        self.heard.append(frame)

    async def frames(self) -> AsyncIterator[str]:
        for word in ("one", "two", "three"):
            await asyncio.sleep(0.6)
            yield word
        self._ended = Close(code=1000, reason="", clean=True)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._ended = self._ended or Close(code=code, reason=reason, clean=True)

    @property
    def ended(self) -> Close | None:
        return self._ended


async def chat(outbound: OutboundCall) -> None:
    """What the caller does: speak, press a key, and hang up if the other side has not."""
    try:
        call = await outbound.answered()
    except CallFailed:
        return
    call.speak(bytes(range(250)) * 32)
    await asyncio.sleep(0.7)
    call.send_digits("5")
    await asyncio.sleep(2)
    call.hang_up()


async def give_up(outbound: OutboundCall) -> None:
    """Ring for a second only."""
    await asyncio.sleep(1)
    outbound.cancel()


async def ponder(incoming: InboundCall) -> None:
    """Let it ring, and never answer."""
    incoming.ring()
    await asyncio.sleep(60)


def tap_to(path: Path, configuration: Sections | None = None) -> Callable[[str], BundleWriter]:
    """Return what makes the tap of the only call."""

    def tap(call_id: str) -> BundleWriter:
        now = asyncio.get_running_loop().time()
        return BundleWriter(Bundle(path), header_record(call_id, now, epoch=0.0, configuration=configuration or {}))

    return tap


def captured(path: Path, scenario: Scenario, behave: Callable[[OutboundCall], Awaitable[None]] = chat) -> Path:
    """Have a caller ring a phone that answers with `scenario`; return where the call was captured."""

    async def main() -> None:
        network = Network(delay=0.01, jitter=0.015, loss=0.02, seed=5)
        async with (
            Softphone(world=world_in_memory(network, AGENT, sockets={"oracle": Oracle}), tap=tap_to(path)) as phone,
            Softphone(world=world_in_memory(network, CALLER)) as caller,
        ):
            phone.answer_with(scenario)
            await behave(await caller.call_directly(f"sip:agent@{AGENT}"))
            await phone.idle(40)

    run(main(), start=1000.0)
    return path


@pytest.mark.parametrize("scenario", [echo, greet, refuse, converse])
def test_a_call_replays_equal_to_what_left_then(tmp_path: Path, scenario: Scenario) -> None:
    path = captured(tmp_path / "call", scenario)
    first, second = (replay(path, scenario) for _ in range(2))
    assert str(first.compare()).startswith("equal: ")
    assert first.departures == second.departures
    assert first.compare().counts["sip"] >= 2


def test_a_caller_who_gives_up_replays(tmp_path: Path) -> None:
    path = captured(tmp_path / "call", ponder, give_up)
    result = replay(path, ponder)
    assert result.compare().equal
    starts = [record.data["text"].partition("\r\n")[0] for record in result.departures]
    assert "SIP/2.0 180 Ringing" in starts
    assert "SIP/2.0 487 Request Terminated" in starts


def test_what_a_provider_was_sent_is_sent_again_with_the_same_ids_at_the_same_places(tmp_path: Path) -> None:
    path = captured(tmp_path / "call", converse)
    sent = [record.data["text"] for record in replay(path, converse).departures if record.kind == "oracle"]
    assert [text.partition(",")[0] for text in sent if "late" not in text] == ["one", "two", "digit 5", "three"]


def test_a_phone_that_answers_otherwise_is_told_what_it_did_otherwise(tmp_path: Path) -> None:
    path = captured(tmp_path / "call", greet)
    text = str(replay(path, refuse).compare())
    assert "SIP/2.0 486 Busy Here" in text
    assert re.search(r"rtp: \d+ in the golden file, 0 now", text)
    assert "+ nothing" in text


def test_one_changed_sample_is_found(tmp_path: Path) -> None:
    async def greet_otherwise(incoming: InboundCall) -> None:
        call = await incoming.answer()
        audio = bytearray(bytes(range(200)) * 40)
        audio[4000] ^= 1
        call.speak(bytes(audio), marks=((8000, "end"),))
        await asyncio.sleep(2)
        call.hang_up()

    path = captured(tmp_path / "call", greet)
    assert list(replay(path, greet_otherwise).compare().differences) == ["rtp"]


def test_a_rewritten_golden_file_is_what_the_next_replay_is_held_to(tmp_path: Path) -> None:
    path = captured(tmp_path / "call", greet)
    replay(path, refuse).rewrite()
    assert replay(path, refuse).compare().equal
    assert not replay(path, greet).compare().equal


def test_a_call_whose_capture_was_cut_off_replays_up_to_there(tmp_path: Path) -> None:
    bundle = Bundle(captured(tmp_path / "call", greet))
    kept = bundle.journal.read_text().splitlines(keepends=True)[:60]
    bundle.journal.write_text("".join(kept))
    result = replay(bundle.base, greet)
    golden = list(journal.read(bundle.golden))[1:]
    assert [record.data for record in result.departures] == [record.data for record in golden[: len(result.departures)]]
    assert 20 < len(result.departures) < len(golden)


def test_a_replay_gives_both_sides_audio(tmp_path: Path) -> None:
    path = captured(tmp_path / "call", greet)
    tapes = replay(path, greet, record=True).tapes
    assert bytes(range(200)) in b"".join(tape.sent for tape in tapes)
    assert bytes(range(100)) in b"".join(tape.received for tape in tapes)
    assert sum(len(tape.sent) for tape in tapes) == sum(len(tape.received) for tape in tapes)


def test_a_capture_without_its_golden_file_says_so(tmp_path: Path) -> None:
    bundle = Bundle(captured(tmp_path / "call", greet))
    bundle.golden.unlink()
    result = replay(bundle.base, greet)
    with pytest.raises(CaptureError, match=r"call\.golden\.jsonl: No such file"):
        result.compare()
    result.rewrite()
    assert replay(bundle.base, greet).compare().equal


async def greet_and_record(incoming: InboundCall) -> None:
    """As `greet`, and recorded."""
    call = await incoming.answer()
    call.record("call.wav")
    call.speak(bytes(range(200)) * 40, marks=((8000, "end"),))
    await asyncio.sleep(2)
    call.hang_up()


def test_a_call_that_ends_because_the_phone_is_put_away_replays(tmp_path: Path) -> None:
    async def main() -> None:
        network = Network(delay=0.01)
        async with (
            Softphone(world=world_in_memory(network, CALLER)) as caller,
            Softphone(world=world_in_memory(network, AGENT), tap=tap_to(tmp_path / "call")) as phone,
        ):
            phone.answer_with(echo)
            await (await caller.call_directly(f"sip:agent@{AGENT}")).answered()
            await asyncio.sleep(1)

    run(main(), start=1000.0)
    result = replay(tmp_path / "call", echo)
    assert result.compare().equal
    assert result.departures[-1].kind == "rtcp"
    assert any(record.data.get("text", "").startswith("BYE ") for record in result.departures)


def test_a_caller_is_told_the_address_that_it_was_told_although_the_phone_no_longer_knows_why(tmp_path: Path) -> None:
    async def main() -> None:
        network = Network()
        world = world_in_memory(network, AGENT)
        configuration = load_text("[general]\nexternal_address = 20.30.40.7\nlocal_net = 192.0.2.0/24\n", {})
        async with (
            Softphone(configuration=configuration, world=world, tap=tap_to(tmp_path / "call")) as phone,
            Softphone(world=world_in_memory(network, CALLER)) as caller,
        ):
            phone.answer_with(greet)
            outbound = await caller.call_directly(f"sip:agent@{AGENT}")
            (await outbound.answered()).hang_up()
            await phone.idle(40)

    run(main(), start=1000.0)
    result = replay(tmp_path / "call", greet)
    assert result.compare().equal
    assert any("c=IN IP4 20.30.40.7" in record.data.get("text", "") for record in result.departures)


def test_a_call_to_a_registered_account_replays_with_the_contact_that_was_called(tmp_path: Path) -> None:
    office = load_text(f"[account office]\nregistrar = sip:{CALLER}:5070\nusername = 6001\npassword = hunter22\n", {})
    contacts: list[str] = []

    async def main() -> None:
        network = Network(delay=0.01)

        def register(data: bytes, source: HostPort) -> None:
            _, *lines = data.decode().split("\r\n")
            contacts.extend(line[len("Contact: <") : -1] for line in lines if line.startswith("Contact: <"))
            answer = [line for line in lines if line.partition(":")[0] in REGISTRAR_COPIES]
            registrar.send("\r\n".join(["SIP/2.0 200 OK", *answer, "", ""]).encode(), source)

        registrar = network.bind(CALLER, 5070, register)
        tap = tap_to(tmp_path / "call", portable(office))
        async with (
            Softphone(world=world_in_memory(network, CALLER)) as caller,
            Softphone(configuration=office, world=world_in_memory(network, AGENT), tap=tap) as phone,
        ):
            phone.answer_with(greet)
            await asyncio.sleep(1)
            await chat(await caller.call_directly(contacts[0]))
            await phone.idle(40)

    run(main(), start=1000.0)
    result = replay(tmp_path / "call", greet)
    assert str(result.compare()).startswith("equal: ")
    assert any(f"Contact: <{contacts[0]}>" in record.data.get("text", "") for record in result.departures)
    assert b"hunter22" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_recorded_call_replays_equal_and_its_recording_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = captured(tmp_path / "call", greet_and_record)
    recorder_is_done()
    recording = (tmp_path / "call.wav").read_bytes()
    assert len(recording) > 20_000
    assert replay(path, greet_and_record).compare().equal
    assert replay(path, greet).compare().equal
    recorder_is_done()
    assert (tmp_path / "call.wav").read_bytes() == recording


def recorder_is_done() -> None:
    """Wait for the thread that writes recordings: what is closed after them is written after them."""
    Recorder(Path(os.devnull)).close().result()
