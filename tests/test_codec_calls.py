"""Calls in every codec: agreed on, changed in the midst of the call, numbered by each side as it likes."""

import asyncio

import numpy as np
import pytest

from sipagent.audio.codec import Encoder, clock_rate, decoder
from sipagent.audio.encoding import FRAME, PCM, UNITS, decode, encode, rate
from sipagent.audio.tones import sine
from sipagent.config import Configuration, Trunk
from sipagent.events import CallAnswered
from sipagent.ringing import InboundCall
from sipagent.sip.layer import LARGEST_DATAGRAM
from tests.exchange import Exchange
from tests.handset import HANDSET, PHONE, Handset, sdp

HERTZ = 700.0
HELLO = sine(HERTZ, 24000, rate=24000)
OPUS = "a=rtpmap:{0} opus/48000/2\r\n"


async def say_back(incoming: InboundCall) -> None:
    """Say back what is heard, in whatever it is."""
    call = await incoming.answer()
    call.send_media_to(call)
    await call.disconnected()


def offer(codec: str, number: int, *, version: int = 1) -> bytes:
    """What a handset offers that speaks one codec only."""
    extra = OPUS.format(number).encode() if codec == "opus" else b""
    return sdp(version=version, formats=str(number)) + extra


def spoken(codec: str) -> list[bytes]:
    """A second of a tone, as payloads of 20 ms."""
    if codec in ("pcmu", "pcma"):
        audio = encode(sine(HERTZ, UNITS), codec)
        return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]
    encoder, pcm = Encoder(codec, {}), encode(HELLO, PCM)
    return [encoder.encode(pcm[at : at + 6 * FRAME]) for at in range(0, len(pcm), 6 * FRAME)]


def strongest(handset: Handset, codec: str, number: int, *, since: float) -> float:
    """The strongest frequency of the last half second that the handset heard under a number, in Hz."""
    ear = decoder(codec, PCM)
    packets = [heard.packet for heard in handset.heard if heard.time >= since and heard.packet.payload_type == number]
    samples = decode(b"".join(ear.decode(packet.payload) or b"" for packet in packets[:50]), PCM)[-12000:]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate(PCM) / len(samples))


async def talk(exchange: Exchange, codec: str, number: int) -> None:
    """Say the tone, and hear it said back."""
    begin, port = exchange.now, int(exchange.handset.body.split("m=audio ")[1].split()[0])
    await exchange.handset.sends(spoken(codec), payload_type=number, to=(PHONE, port), clock=clock_rate(codec))
    await asyncio.sleep(0.3)
    assert strongest(exchange.handset, codec, number, since=begin + 0.2) == pytest.approx(HERTZ, abs=5)


@pytest.mark.parametrize(("codec", "number"), [("pcmu", 0), ("pcma", 8), ("g722", 9), ("opus", 96)])
def test_a_call_in_each_codec(codec: str, number: int) -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls(offer(codec, number)) == 200
        await talk(exchange, codec, number)
        await exchange.handset.hangs_up()

    assert Exchange(say_back).tell(story).of(CallAnswered) == [CallAnswered(codec=codec)]


def test_the_codec_changes_in_the_midst_of_a_call_and_back() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls(offer("pcmu", 0)) == 200
        await talk(exchange, "pcmu", 0)
        changes = [("opus", 96), ("g722", 9), ("pcma", 8), ("opus", 96), ("pcmu", 0)]
        for version, (codec, number) in enumerate(changes, start=2):
            assert await exchange.handset.offers_again(offer(codec, number, version=version)) == 200
            await talk(exchange, codec, number)
        await exchange.handset.hangs_up()

    Exchange(say_back).tell(story)


def test_who_we_call_may_number_opus_its_own_way_and_send_by_our_number() -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        outbound = await exchange.phone.call_directly("sip:600@127.0.0.2")
        invite = await handset.rings()
        assert "a=rtpmap:111 opus/48000/2" in invite.body.decode()
        handset.answers(200, invite, offer("opus", 96))
        call = await outbound.answered()
        call.send_media_to(call)
        await handset.sends(spoken("opus"), payload_type=111, to=handset.offered_to, clock=48000)
        begin = exchange.now
        await handset.sends(spoken("opus"), payload_type=96, to=handset.offered_to, clock=48000)
        await asyncio.sleep(0.3)
        assert strongest(handset, "opus", 96, since=begin) == pytest.approx(HERTZ, abs=5)
        assert {heard.packet.payload_type for heard in handset.heard} == {96}
        call.hang_up()

    Exchange(None).tell(story)


def test_an_invite_with_every_codec_and_a_digest_fits_a_datagram() -> None:
    line = Trunk(name="carrier", host=f"sip:{HANDSET}", username="us", password="s3cr3t", caller_id="+15551234")

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        exchange.phone.call("+493012345678", account="carrier")
        challenge = (
            f'WWW-Authenticate: Digest realm="sip.example.com", nonce="{"n" * 48}", qop="auth", algorithm=SHA-256'
        )
        exchange.handset.answers(401, await exchange.handset.rings(), headers=(challenge,))
        again = await exchange.handset.is_asked_again("INVITE", 2)
        assert "a=rtpmap:111 opus/48000/2" in again.body.decode()
        assert len(bytes(again)) <= LARGEST_DATAGRAM
        exchange.handset.answers(603, again)
        await asyncio.sleep(0.1)

    Exchange(None, configuration=Configuration(trunks={"carrier": line})).tell(story)
