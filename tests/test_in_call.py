"""What a scenario can do besides speaking: hold and resume, early media, keys and texts outside the audio."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sipagent import Call, Disconnected, InboundCall
from sipagent.audio import g711, tones
from sipagent.audio.dtmf import ToneDetector
from sipagent.config import Account
from sipagent.config.values import Dtmf
from sipagent.errors import CallFailed, Outcome
from sipagent.events import (
    CallAnswered,
    CallProgressed,
    DigitReceived,
    HoldChanged,
    MessageReceived,
)
from sipagent.sip.message import Request
from tests.exchange import Exchange
from tests.handset import TONE, Handset, Registrar, sdp

ALICE = "sip:alice@127.0.0.2"


class Ear:
    """Hears how much audio there is."""

    def __init__(self) -> None:
        self.heard = 0

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        self.heard += len(audio)


Told = Callable[[Handset, Call, Ear], Awaitable[None]]


def directions(request: Request) -> list[str]:
    """The version and the direction that an offer names."""
    return [
        line for line in request.body.decode().splitlines() if line.startswith(("o=", "a=send", "a=recv", "a=inac"))
    ]


def story_of(tell: Told) -> Exchange:
    """Let a story happen to a call that stands."""

    async def story(exchange: Exchange) -> None:
        ear, taken = Ear(), asyncio.get_running_loop().create_future()

        async def scenario(incoming: InboundCall) -> None:
            call = await incoming.answer()
            call.send_media_to(ear)
            taken.set_result(call)
            await call.disconnected()

        exchange.phone.answer_with(scenario)
        assert await exchange.handset.calls() == 200
        call = await taken
        await tell(exchange.handset, call, ear)
        if not call.is_over:
            await exchange.handset.hangs_up()

    return Exchange(None).tell(story)


class TestHold:
    def test_the_far_end_is_put_on_hold_and_taken_back(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            wish = call.hold()
            offer = await handset.is_asked("INVITE")
            assert directions(offer)[1:] == ["a=sendonly"]
            handset.answers(200, offer, sdp(version=2, direction="recvonly"))
            assert await wish
            assert call.holding
            await handset.says(TONE)
            assert ear.heard == 0
            wish = call.resume()
            offer = await handset.is_asked_again("INVITE", 2)
            assert directions(offer)[1:] == ["a=sendrecv"]
            handset.answers(200, offer, sdp(version=3))
            assert await wish
            await handset.says(TONE)
            await asyncio.sleep(0.5)
            assert ear.heard > 0

        told = story_of(tell)
        assert told.of(HoldChanged) == [HoldChanged(held=True, by="us"), HoldChanged(held=False, by="us")]
        versions = [int(directions(request)[0].split()[2]) for request in told.handset.of("INVITE")]
        assert versions[1] == versions[0] + 1

    def test_a_far_end_that_will_not_be_held_is_not(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            wish = call.hold()
            handset.answers(488, await handset.is_asked("INVITE"))
            assert not await wish
            assert not call.holding
            assert await handset.offers_again(sdp(version=2)) == 200
            assert "a=sendrecv" in handset.body

        assert story_of(tell).of(HoldChanged) == []

    def test_two_that_change_at_once_come_to_terms(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            wish = call.hold()
            offer = await handset.is_asked("INVITE")
            assert await handset.offers_again(sdp(version=2)) == 491
            handset.answers(491, offer)
            offer = await handset.is_asked_again("INVITE", 2)
            handset.answers(200, offer, sdp(version=3, direction="recvonly"))
            assert await wish

        assert story_of(tell).of(HoldChanged) == [HoldChanged(held=True, by="us")]

    def test_who_changes_their_mind_gets_what_they_want_last(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            first, second = call.hold(), call.resume()
            assert not await first
            offer = await handset.is_asked("INVITE")
            while directions(offer)[1:] != ["a=sendrecv"]:
                handset.answers(200, offer, sdp(version=2, direction="recvonly"))
                offer = await handset.is_asked_again("INVITE", 2)
            handset.answers(200, offer, sdp(version=3))
            assert await second
            assert not call.holding

        story_of(tell)

    def test_a_call_that_ends_meanwhile_ends_the_wait(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            wish = call.hold()
            await handset.is_asked("INVITE")
            await handset.hangs_up()
            assert not await wish
            assert not await call.hold()

        told = story_of(tell)
        assert len(told.of(Disconnected)) == 1


class TestEarlyMedia:
    def test_a_caller_hears_us_before_the_answer(self) -> None:
        async def announce(incoming: InboundCall) -> None:
            call = incoming.early_media()
            call.speak(TONE)
            await asyncio.sleep(1)
            assert not call.is_answered
            await incoming.answer()
            await call.disconnected()

        async def story(exchange: Exchange) -> None:
            exchange.handset.ring()
            assert await exchange.handset.final() == 200
            early, answer = (message for message in exchange.handset.responses if message.body)
            assert (early.code, early.body) == (183, answer.body)
            heard = b"".join(heard.packet.payload for heard in exchange.handset.heard)
            assert TONE[:800] in heard
            await exchange.handset.hangs_up()

        told = Exchange(announce).tell(story)
        assert len(told.of(CallAnswered)) == 1

    def test_what_is_played_before_the_answer_is_heard(self) -> None:
        async def story(exchange: Exchange) -> None:
            ear = Ear()
            outbound = await exchange.phone.call_directly(ALICE)
            outbound.send_media_to(ear)
            invite = await exchange.handset.rings()
            exchange.handset.answers(180, invite)
            exchange.handset.answers(183, invite, sdp())
            await exchange.handset.says(TONE, to=exchange.handset.offered_to)
            await asyncio.sleep(0.3)
            assert ear.heard > 0
            assert exchange.of(CallAnswered) == []
            exchange.handset.answers(200, invite, sdp())
            (await outbound.answered()).hang_up()
            assert await exchange.phone.idle(1)

        told = Exchange(None).tell(story)
        assert [(event.code, event.media) for event in told.of(CallProgressed)] == [(180, False), (183, True)]
        assert len(told.of(CallAnswered)) == 1


class TestFailing:
    @pytest.mark.parametrize(
        ("code", "outcome"),
        [(486, Outcome.BUSY), (603, Outcome.DECLINED), (404, Outcome.NOT_FOUND), (302, Outcome.REDIRECTED)],
    )
    def test_a_failed_call_says_why_in_a_word(self, code: int, outcome: Outcome) -> None:
        async def story(exchange: Exchange) -> None:
            outbound = await exchange.phone.call_directly(ALICE)
            contact = ("Contact: <sip:premium@192.0.2.66>",)
            exchange.handset.answers(code, await exchange.handset.rings(), headers=contact)
            with pytest.raises(CallFailed) as caught:
                await outbound.answered()
            assert caught.value.outcome is outcome
            assert await exchange.phone.idle(1)

        Exchange(None).tell(story)

    def test_a_redirection_within_the_same_host_is_followed(self) -> None:
        async def story(exchange: Exchange) -> None:
            outbound = await exchange.phone.call_directly(ALICE)
            contact = ("Contact: <sip:mobile@127.0.0.2>",)
            exchange.handset.answers(302, await exchange.handset.rings(), headers=contact)
            again = await exchange.handset.is_asked_again("INVITE", 2)
            assert again.uri == "sip:mobile@127.0.0.2"
            exchange.handset.answers(200, again, sdp())
            (await outbound.answered()).hang_up()
            assert await exchange.phone.idle(1)

        Exchange(None).tell(story)


class TestSilence:
    @pytest.mark.parametrize(("formats", "expected"), [("0 13 101", {13}), ("0 101", {0})])
    def test_comfort_noise_takes_the_place_of_packets_where_we_want_it_and_the_caller_offers_it(
        self, formats: str, expected: set[int]
    ) -> None:
        async def quiet(incoming: InboundCall) -> None:
            call = await incoming.answer()
            await asyncio.sleep(1)
            call.suppress_silence()
            await call.disconnected()

        async def story(exchange: Exchange) -> None:
            await exchange.handset.calls(sdp(formats=formats))
            await asyncio.sleep(6)
            await exchange.handset.hangs_up()

        heard = Exchange(quiet).tell(story).handset.heard
        assert {each.packet.payload_type for each in heard[:40]} == {0}
        assert {each.packet.payload_type for each in heard[60:]} <= expected
        assert {each.packet.payload_type for each in heard[-3:]} == expected


class TestWords:
    def test_a_key_pressed_by_info_is_a_digit(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            assert await handset.says_by("INFO", "application/dtmf-relay", b"Signal=7\r\nDuration=90") == 200

        assert story_of(tell).of(DigitReceived) == [DigitReceived(digit="7", method="info", duration_ms=90)]

    def test_a_key_that_is_told_of_twice_was_pressed_once(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            for _ in range(2):
                await handset.presses("7")
                await handset.says_by("INFO", "application/dtmf", b"7")
                await asyncio.sleep(0.2)

        assert [event.digit for event in story_of(tell).of(DigitReceived)] == ["7", "7"]

    def test_an_account_may_have_its_keys_sent_by_info(self) -> None:
        account = Account("sip:6001@127.0.0.2", password="x")

        async def dial(incoming: InboundCall) -> None:
            call = await incoming.answer()
            call.send_digits("1#")
            await call.disconnected()

        async def story(exchange: Exchange) -> None:
            handset = exchange.handset
            assert await handset.calls() == 200
            for times, signal in ((1, b"Signal=1"), (2, b"Signal=#")):
                info = await handset.is_asked_again("INFO", times)
                assert info.body.startswith(signal)
                handset.answers(200, info)
            await handset.hangs_up()

        Exchange(dial, accounts=(replace(account, dtmf=Dtmf.INFO),), handset_type=Registrar).tell(story)

    def test_an_account_may_have_its_keys_as_tones_in_the_audio_both_ways(self) -> None:
        account = replace(Account("sip:6001@127.0.0.2", password="x"), dtmf=Dtmf.INBAND)
        heard: list[DigitReceived] = []

        async def dial(incoming: InboundCall) -> None:
            call = await incoming.answer()
            call.on(DigitReceived, heard.append)
            call.send_digits("1#")
            await call.disconnected()

        async def story(exchange: Exchange) -> None:
            assert await exchange.handset.calls() == 200
            assert "telephone-event" not in exchange.handset.body
            await exchange.handset.says(g711.encode(tones.dtmf("5", 1600), g711.PCMU))
            await asyncio.sleep(1)
            await exchange.handset.hangs_up()

        told = Exchange(dial, accounts=(account,), handset_type=Registrar).tell(story)
        assert [(event.digit, event.method) for event in heard] == [("5", "inband")]
        ears = ToneDetector()
        keys = [ears.hear(each.packet.payload, g711.PCMU) for each in told.handset.heard]
        assert [key.digit for key in keys if key is not None] == ["1", "#"]

    def test_a_text_is_an_event_of_the_call_or_of_the_phone(self) -> None:
        async def tell(handset: Handset, call: Call, ear: Ear) -> None:
            assert await handset.says_by("MESSAGE", "text/plain", b"hello") == 200

        told = story_of(tell)
        assert told.of(MessageReceived) == [MessageReceived(sender=ALICE, text="hello")]
        assert [event.call_id for event in told.events if isinstance(event.event, MessageReceived)] == ["call-1"]
