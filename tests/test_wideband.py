"""Wideband calls: what is above 3.4 kHz is heard, and whatever is kept in telephone quality still fits."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from sipagent import InboundCall
from sipagent.audio import wav
from sipagent.audio.encoding import FRAME, UNITS, Transcoder, decode, duration, encode
from sipagent.audio.level import level
from sipagent.audio.tones import sine
from sipagent.clips import shipped
from sipagent.config import Configuration
from sipagent.config.options import General
from sipagent.config.values import Codec
from sipagent.testing import run
from sipagent.testing.phone import Caller, Rehearsal

SECOND = UNITS * 6
"""Bytes of `pcm`."""
HIGH = 5000
"""Hz: no telephone of G.711 has it."""


class WideEar:
    """Hears a call in `pcm`, whatever it comes in."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._transcoder = Transcoder()

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        self.heard += self._transcoder.convert(audio, encoding, "pcm")


def rung(
    scenario: Callable[[InboundCall], Awaitable[None]],
    codec: Codec,
    behaviour: Callable[[Caller], Awaitable[None]],
) -> bytes:
    """Have a call of one codec, and return what the caller heard."""
    ear = WideEar()

    async def main() -> None:
        configuration = Configuration(general=General(codecs=(codec,)))
        async with Rehearsal(scenario, configuration=configuration) as rehearsal:
            caller = await rehearsal.dial()
            caller.call.send_media_to(ear)
            await behaviour(caller)

    run(main())
    return bytes(ear.heard)


def loudness_at(frequency: int, audio: bytes) -> float:
    """The level in dBFS within 200 Hz of a frequency, in the loudest second."""
    seconds = [audio[at : at + SECOND] for at in range(0, len(audio) - SECOND + 1, SECOND // 4)]
    loudest = decode(max(seconds, key=lambda second: level(second, "pcm")), "pcm")
    spectrum = np.square(np.abs(np.fft.rfft(loudest / 32768.0))) * 2 / len(loudest) ** 2
    return float(10 * np.log10(spectrum[frequency - 100 : frequency + 100].sum() + 1e-12))


async def until_hung_up_on(caller: Caller) -> None:
    await caller.is_hung_up_on()


@pytest.mark.parametrize(("codec", "wide"), [(Codec.G722, True), (Codec.OPUS, True), (Codec.ULAW, False)])
def test_a_recording_is_played_as_wide_as_the_call(tmp_path: Path, codec: Codec, wide: bool) -> None:
    file = tmp_path / "high.wav"
    file.write_bytes(wav.write(sine(HIGH, 48000, rate=24000), 24000))
    took = []

    async def play(incoming: InboundCall) -> None:
        call = await incoming.answer()
        begin = asyncio.get_running_loop().time()
        assert await call.play(file)
        took.append(asyncio.get_running_loop().time() - begin)

    heard = rung(play, codec, until_hung_up_on)
    assert took == [pytest.approx(2, abs=0.05)]
    assert (loudness_at(HIGH, heard) > -20) is wide


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
def test_the_echo_of_a_wideband_call_is_wide(codec: Codec) -> None:
    async def echo(incoming: InboundCall) -> None:
        call = await incoming.answer()
        call.send_media_to(call)
        await call.disconnected()

    async def speak(caller: Caller) -> None:
        caller.call.speak(encode(sine(HIGH, 48000, rate=24000), "pcm"))
        await asyncio.sleep(3)
        caller.hangs_up()

    assert loudness_at(HIGH, rung(echo, codec, speak)) > -20


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
def test_the_apology_is_heard_to_its_end(codec: Codec) -> None:
    async def fail(incoming: InboundCall) -> None:
        await incoming.answer()
        raise RuntimeError("out of order")

    heard = rung(fail, codec, until_hung_up_on)
    assert duration(heard, "pcm") >= len(shipped().apology) - 3 * FRAME, "the last 60 ms may be under way"
    assert level(heard, "pcm") > -35
    assert loudness_at(HIGH, heard) < -50, "it was recorded for telephones"


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
def test_keys_are_read_in_a_wideband_call(codec: Codec) -> None:
    read = []

    async def ask(incoming: InboundCall) -> None:
        call = await incoming.answer()
        read.append(await call.read_digits(3))

    async def press(caller: Caller) -> None:
        caller.presses("429")
        await caller.is_hung_up_on()

    rung(ask, codec, press)
    assert read == ["429"]
