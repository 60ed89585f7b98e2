"""Calls whose speech is encrypted: agreed on, kept up through hold, and refused where one side will not (SRTP)."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from sipagent.audio import g711, tones
from sipagent.capture.bundle import Bundle, header_record
from sipagent.capture.configuration import portable
from sipagent.capture.replay.run import replay
from sipagent.capture.writer import BundleWriter
from sipagent.config import Configuration, Trunk
from sipagent.config.values import Srtp as Wanted
from sipagent.errors import CallFailed
from sipagent.events import CallAnswered, CallMeasured, Disconnected, Notice
from sipagent.ringing import InboundCall
from sipagent.rtp.srtp import Srtp, SrtpKeys
from sipagent.sdp.crypto import Crypto
from tests.exchange import Exchange
from tests.handset import HANDSET, TONE, Handset, sdp, voiced

SUITE = "AES_CM_128_HMAC_SHA1_80"
THEIRS = bytes(range(7, 37))
LINE = Crypto(tag=1, suite=SUITE, key=THEIRS).serialise()
HELLO = g711.encode(tones.sine(700.0, 8000), g711.PCMU)

Story = Callable[[Exchange], Awaitable[None]]


def desk(srtp: Wanted) -> Configuration:
    """The handset is a trunk, so that there is a section to write `srtp` into."""
    line = Trunk(
        name="desk", peers=(ip_network("127.0.0.2/31"),), host="sip:127.0.0.2", caller_id="+15550100", srtp=srtp
    )
    return Configuration(trunks={"desk": line})


def secure(direction: str = "", *, version: int = 1, line: str = LINE, host: str = HANDSET) -> bytes:
    """What a handset offers that will not be overheard."""
    offer = sdp(direction=direction, version=version, host=host).replace(b"RTP/AVP", b"RTP/SAVP")
    return offer + f"a=crypto:{line}\r\n".encode()


def key_in(description: str) -> Crypto:
    """The phone's key, as its description says it."""
    value = next(line for line in description.splitlines() if line.startswith("a=crypto:")).removeprefix("a=crypto:")
    line = Crypto.parse(value)
    assert line is not None
    return line


def cipher_of(description: str, theirs: bytes = THEIRS) -> Srtp:
    """The handset's end of it."""
    ours = key_in(description)
    return Srtp(SrtpKeys(suite=ours.suite, sending=theirs, receiving=ours.key))


async def greet(incoming: InboundCall) -> None:
    """Say a tone, and then say back what is heard."""
    call = await incoming.answer()
    call.speak(HELLO)
    call.send_media_to(call)
    await call.disconnected()


async def call_and_talk(exchange: Exchange) -> None:
    handset = exchange.handset
    assert await handset.calls(secure()) == 200
    handset.cipher = cipher_of(handset.body)
    await asyncio.sleep(1.2)  # who is spoken to is not echoed
    await handset.says(TONE * 2)
    await asyncio.sleep(1)
    await handset.hangs_up()


@pytest.mark.parametrize("srtp", [Wanted.OFFER, Wanted.REQUIRE])
def test_a_caller_with_a_key_is_answered_with_one_and_both_speak(srtp: Wanted) -> None:
    told = Exchange(greet, configuration=desk(srtp)).tell(call_and_talk)
    assert told.handset.bodies("m=audio") == ["m=audio 40000 RTP/SAVP 0 101"]
    said = b"".join(heard.packet.payload for heard in told.handset.heard)
    assert HELLO[1600:3200] in said
    assert len(voiced(told.handset)) > 70
    assert told.of(CallAnswered) == [CallAnswered(codec="pcmu", encryption=SUITE)]
    assert not told.of(Notice)


def test_what_goes_over_the_network_is_not_the_speech() -> None:
    told = Exchange(greet, configuration=desk(Wanted.REQUIRE)).tell(call_and_talk)
    audio = [sent for sent in told.network.sent if len(sent.data) > 160 and sent.data[0] >> 6 == 2]
    assert len(audio) > 80
    assert not any(HELLO[at : at + 16] in sent.data for sent in audio for at in range(0, 160, 16))


@pytest.mark.parametrize(
    ("srtp", "offer", "code"),
    [
        (Wanted.REQUIRE, sdp(), 488),
        (Wanted.OFF, secure(), 488),
        (Wanted.OFFER, sdp(), 200),
        (Wanted.OFF, sdp() + f"a=crypto:{LINE}\r\n".encode(), 200),
    ],
    ids=["require, plain", "off, SAVP", "offer, plain", "off, AVP with a key"],
)
def test_one_side_will_not(srtp: Wanted, offer: bytes, code: int) -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls(offer) == code
        if code == 200:
            assert exchange.handset.bodies("a=crypto") == []
            await exchange.handset.hangs_up()

    told = Exchange(greet, configuration=desk(srtp)).tell(story)
    if code == 488:
        assert f"srtp = {srtp.value}" in told.of(Disconnected)[0].reason
        assert "inline" not in told.of(Disconnected)[0].reason


def test_hold_and_its_end_keep_the_keys_or_bring_a_new_one() -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        assert await handset.calls(secure()) == 200
        handset.cipher = cipher_of(handset.body)
        await handset.says()
        assert await handset.offers_again(secure("sendonly", version=2)) == 200
        await handset.says()
        fresh = bytes(30)
        line = Crypto(tag=2, suite=SUITE, key=fresh).serialise()
        assert await handset.offers_again(secure(version=3, line=line)) == 200
        first, _, third = handset.bodies("a=crypto")
        assert first.split()[1:] == third.split()[1:], "our key stays, and so does its count"
        handset.cipher.rekey(SrtpKeys(suite=SUITE, sending=fresh, receiving=key_in(handset.body).key))
        before = len(voiced(handset))
        await handset.says()
        await asyncio.sleep(1)
        assert len(voiced(handset)) > before + 20
        await handset.hangs_up()

    told = Exchange(greet, configuration=desk(Wanted.REQUIRE)).tell(story)
    assert not told.of(Notice)


def test_who_takes_the_place_of_the_far_end_gets_a_key_of_its_own() -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        assert await handset.calls(secure()) == 200
        handset.cipher = cipher_of(handset.body)
        await handset.says()
        desk_phone = Handset(exchange.network, host="127.0.0.3", call_id="desk")
        desk_phone.takes_the_place_of(handset, secure(host="127.0.0.3"))
        assert await desk_phone.final() == 200
        assert key_in(desk_phone.body).key != key_in(handset.body).key
        desk_phone.cipher = cipher_of(desk_phone.body)
        await desk_phone.says()
        await asyncio.sleep(1)
        assert len(voiced(desk_phone)) > 20
        await desk_phone.hangs_up()

    told = Exchange(greet, configuration=desk(Wanted.REQUIRE)).tell(story)
    assert not told.of(Notice)


def test_a_caller_with_another_key_than_it_says_is_told_of_once() -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        assert await handset.calls(secure()) == 200
        handset.cipher = cipher_of(handset.body, theirs=bytes(30))
        await handset.says(TONE * 6)
        await handset.hangs_up()

    told = Exchange(greet, configuration=desk(Wanted.REQUIRE)).tell(story)
    (notice,) = told.of(Notice)
    assert "fail authentication" in notice.text
    assert told.of(CallMeasured)[0].unauthentic == len(TONE) * 6 // 160
    assert len(voiced(told.handset)) == 50, "the greeting, and nothing said back"


@pytest.mark.parametrize(("srtp", "profile"), [(Wanted.REQUIRE, "RTP/SAVP"), (Wanted.OFFER, "RTP/AVP")])
def test_who_we_call_is_offered_keys_and_speaks_with_one_of_them(srtp: Wanted, profile: str) -> None:
    async def story(exchange: Exchange) -> None:
        handset = exchange.handset
        await asyncio.sleep(0.1)
        outbound = exchange.phone.call("600", account="desk")
        invite = await handset.rings()
        offer = invite.body.decode()
        assert f" {profile} " in offer
        assert offer.count("a=crypto") == 3
        handset.answers(200, invite, sdp().replace(b"RTP/AVP", profile.encode()) + f"a=crypto:{LINE}\r\n".encode())
        handset.cipher = cipher_of(offer)
        call = await outbound.answered()
        call.speak(HELLO)
        await handset.says(to=handset.offered_to)
        await asyncio.sleep(1)
        call.hang_up()

    told = Exchange(None, configuration=desk(srtp)).tell(story)
    assert HELLO[1600:3200] in b"".join(heard.packet.payload for heard in told.handset.heard)


def test_who_answers_without_a_key_is_left_where_that_may_not_be() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        outbound = exchange.phone.call("600", account="desk")
        invite = await exchange.handset.rings()
        exchange.handset.answers(200, invite, sdp())
        await exchange.handset.is_hung_up_on()
        with pytest.raises(CallFailed):
            await outbound.answered()

    told = Exchange(None, configuration=desk(Wanted.REQUIRE)).tell(story)
    assert "srtp = require" in told.of(Disconnected)[0].reason


def test_a_capture_of_it_holds_no_key_and_replays(tmp_path: Path) -> None:
    configuration = desk(Wanted.REQUIRE)

    def tap(call_id: str) -> BundleWriter:
        now = asyncio.get_running_loop().time()
        header = header_record(call_id, now, epoch=0.0, configuration=portable(configuration))
        return BundleWriter(Bundle(tmp_path / "call"), header)

    told = Exchange(greet, configuration=configuration, tap=tap).tell(call_and_talk)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    ours = told.handset.bodies("a=crypto")[0].split("inline:")[1]
    assert LINE.split("inline:")[1].encode() not in kept
    assert ours.encode() not in kept
    assert HELLO[1600:1760] in kept, "the speech is there to be heard"
    assert str(replay(tmp_path / "call", greet).compare()).startswith("equal: ")
