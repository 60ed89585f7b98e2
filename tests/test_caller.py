"""The caller without a person: waits for its turn, speaks, presses keys, gives up."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sipagent.audio import g711, tones, wav
from sipagent.caller import CallPlan, Silence, converse
from sipagent.testing.clock import run
from tests.exchange import Exchange
from tests.handset import HANDSET, TICK, TONE, Handset, sdp, voiced

FRAME = 0.02


def test_silence_is_counted_in_what_was_heard() -> None:
    async def main() -> float:
        silence, heard = Silence(), 0.0
        waiting = asyncio.create_task(silence.after_speech(1.0, 8.0))
        await asyncio.sleep(0)
        for voice in [False] * 100 + [True] * 50 + [False] * 200:
            silence.hear(bytes(160), g711.PCMU, voiced=voice)
            heard += FRAME
            await asyncio.sleep(0)
            if waiting.done():
                break
        return heard

    assert run(main()) == pytest.approx(2 + 1 + 1, abs=0.05)


def test_somebody_who_never_speaks_is_not_waited_for_forever() -> None:
    async def main() -> float:
        silence, heard = Silence(), 0.0
        waiting = asyncio.create_task(silence.after_speech(1.0, 3.0))
        await asyncio.sleep(0)
        while not waiting.done():
            silence.hear(bytes(160), g711.PCMU, voiced=False)
            heard += FRAME
            await asyncio.sleep(0)
        return heard

    assert run(main()) == pytest.approx(3, abs=0.05)


Far = Callable[[Handset], Coroutine[Any, Any, None]]


def called(plan: CallPlan, far_end: Far) -> tuple[Exchange, float]:
    """Let the phone call the handset by a plan, and `far_end` happen there; return how long the call stood."""
    took: list[float] = []

    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(f"sip:bob@{HANDSET}")
        invite = await exchange.handset.rings()
        exchange.handset.answers(200, invite, sdp())
        call = await outbound.answered()
        begin = exchange.now
        behaviour = asyncio.create_task(far_end(exchange.handset))
        await converse(call, plan)
        took.append(exchange.now - begin)
        behaviour.cancel()

    return Exchange(None).tell(story), took[0]


async def silent(handset: Handset) -> None:
    pass


@pytest.fixture
def beep(tmp_path: Path) -> Path:
    """One second of a WAV file."""
    file = tmp_path / "beep.wav"
    file.write_bytes(wav.write(tones.sine(1000.0, 8000)))
    return file


def test_with_nothing_to_say_the_call_lasts_as_long_as_planned() -> None:
    told, took = called(CallPlan(duration=5), silent)
    assert took == pytest.approx(5)
    assert len(told.handset.of("BYE")) == 1


def test_keys_are_pressed_at_once() -> None:
    told, _ = called(CallPlan(digits="12", duration=3), silent)
    events = [heard.packet for heard in told.handset.heard if heard.packet.payload_type == 101]
    assert list(dict.fromkeys(event.payload[0] for event in events)) == [1, 2]


def test_a_line_is_spoken_into_silence_after_some_patience_and_then_the_call_ends(beep: Path) -> None:
    async def comfort_noise(handset: Handset) -> None:
        while True:
            await handset.says(b"\xff" * 160, to=handset.offered_to)

    told, took = called(CallPlan(lines=[beep], patience=2, duration=60), comfort_noise)
    first = voiced(told.handset)[0].time
    assert first == pytest.approx(2, abs=0.2)
    assert took == pytest.approx(2 + 1 + 2, abs=0.3)


def test_a_line_waits_until_the_far_end_has_spoken(beep: Path) -> None:
    async def speaks(handset: Handset) -> None:
        await handset.says(b"\xff" * 8000, to=handset.offered_to)
        await handset.says(TONE * 6, to=handset.offered_to)
        while True:
            await handset.says(b"\xff" * 160, to=handset.offered_to)

    told, _ = called(CallPlan(lines=[beep], duration=20), speaks)
    assert voiced(told.handset)[0].time == pytest.approx(1 + 3 + 1, abs=0.3)


def test_the_far_end_hangs_up() -> None:
    async def leave(handset: Handset) -> None:
        await asyncio.sleep(1)
        handset.leaves()

    told, took = called(CallPlan(duration=20), leave)
    assert took == pytest.approx(1, abs=TICK)
    assert told.handset.of("BYE") == []


def test_a_file_that_cannot_be_played_is_not_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "noise.wav"
    file.write_bytes(b"no WAV at all")

    async def comfort_noise(handset: Handset) -> None:
        while True:
            await handset.says(b"\xff" * 160, to=handset.offered_to)

    with pytest.raises(wav.WavError):
        called(CallPlan(lines=[file], patience=0.5), comfort_noise)


def test_the_echo_says_back_what_it_hears() -> None:
    async def speaks(handset: Handset) -> None:
        await handset.says(TONE, to=handset.offered_to)

    told, _ = called(CallPlan(echo=True, duration=2), speaks)
    assert TONE[800:-800] in b"".join(heard.packet.payload for heard in told.handset.heard)
