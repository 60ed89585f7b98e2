"""What a line tells without words, as events of a call that listens for it."""

import asyncio

import numpy as np

from sipagent import Call, InboundCall
from sipagent.audio import g711, tones
from sipagent.audio.level import level
from sipagent.events import ProgressHeard
from tests.exchange import Exchange
from tests.handset import sdp

ALICE = "sip:alice@127.0.0.2"
QUIET = np.zeros(4000, np.int16)
BUSY = [tones.sine(425, 3840), np.zeros(3840, np.int16)]
GREETING = np.random.default_rng(1).normal(0, 2000, 8000).astype(np.int16)
"""A second of sound that is no tone: to ears for tones and pauses, a machine that speaks."""
BEEP = tones.sine(1000, 3200)


def audio(*sounds: g711.Samples) -> bytes:
    return g711.encode(np.concatenate(sounds), g711.PCMU)


def test_a_message_is_left_after_the_beep() -> None:
    message = g711.encode(tones.sine(600, 8000), g711.PCMU)
    began: list[float] = []

    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        exchange.handset.answers(200, await exchange.handset.rings(), sdp())
        call = await outbound.answered()
        call.listen_for_progress()
        machine = asyncio.create_task(
            exchange.handset.says(audio(GREETING, QUIET, BEEP, QUIET, QUIET), to=exchange.handset.offered_to)
        )
        async for event in call.events():
            if isinstance(event, ProgressHeard) and event.sign == "beep":
                began.append(exchange.now)
                call.speak(message)
                await asyncio.sleep(1.2)
                call.hang_up()
        await machine
        assert await exchange.phone.idle(1)

    told = Exchange(None).tell(story)
    assert told.of(ProgressHeard) == [ProgressHeard(sign="beep")]
    loud = [
        each.time
        for each in told.handset.heard
        if len(each.packet.payload) == 160 and level(each.packet.payload, "pcmu") > -20
    ]
    assert began[0] <= loud[0] <= began[0] + 0.1


def test_a_busy_tone_before_the_answer_is_heard_by_who_listens_from_the_first_ring() -> None:
    heard: list[str] = []

    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        outbound.listen_for_progress()
        outbound.on(ProgressHeard, lambda event: heard.append(event.sign))
        invite = await exchange.handset.rings()
        exchange.handset.answers(183, invite, sdp())
        await asyncio.sleep(0.1)
        await exchange.handset.says(audio(*BUSY * 4), to=exchange.handset.offered_to)
        outbound.cancel()
        exchange.handset.answers(487, invite)
        assert await exchange.phone.idle(1)

    Exchange(None).tell(story)
    assert heard == ["busy"]


def test_nobody_is_told_who_did_not_ask_or_asks_no_more() -> None:
    calls: list[Call] = []

    async def scenario(incoming: InboundCall) -> None:
        calls.append(await incoming.answer())
        await calls[0].disconnected()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        beep = audio(GREETING, BEEP, QUIET)
        await exchange.handset.says(beep)
        (call,) = calls
        ears = call.listen_for_progress()
        assert call.listen_for_progress() is ears
        await exchange.handset.says(beep)
        call.stop_media_to(ears)
        await exchange.handset.says(beep)
        await exchange.handset.hangs_up()

    assert len(Exchange(scenario).tell(story).of(ProgressHeard)) == 1
