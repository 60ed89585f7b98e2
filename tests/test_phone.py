"""The phone: whom it lets in, what it refuses, whom it calls, and how it is put away."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from sipagent import Account, Call, Disconnected, InboundCall, connect_media
from sipagent.audio import g711
from sipagent.config import Configuration, General
from sipagent.config.values import Codec, UnknownCallers
from sipagent.errors import CallFailed, ConfigurationError, NoPortFree
from sipagent.events import CallAnswered, CallerRefused, CallReceived, Notice, Registered, RegistrationFailed, Stamped
from sipagent.events import CallFailed as CallFailedEvent
from sipagent.phone import PATIENCE
from sipagent.testing.network import Datagram
from tests.exchange import Exchange
from tests.handset import HANDSET, PHONE, TONE, Handset, Registrar, sdp

ALICE = f"sip:alice@{HANDSET}"


async def listen(incoming: InboundCall) -> None:
    """Answer, and stay until the end."""
    call = await incoming.answer()
    await call.disconnected()


async def echo(incoming: InboundCall) -> None:
    call = await incoming.answer()
    call.send_media_to(call)
    await call.disconnected()


def general(**options: object) -> Configuration:
    return Configuration(general=replace(General(), **options))  # type: ignore[arg-type]


# ---- who is refused


def test_before_it_serves_the_phone_is_unavailable() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 480

    assert Exchange(None).tell(story).of(CallReceived) == []


def test_drained_the_phone_sends_callers_away_and_lets_calls_that_stand_go_on() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        draining = asyncio.create_task(exchange.phone.drain(30))
        await asyncio.sleep(1)
        second = Handset(exchange.network, host="127.0.0.3", call_id="call-2")
        assert await second.calls() == 503
        assert int(second.responses[-1].headers.get("retry-after") or 0) > 0
        await exchange.handset.hangs_up()
        assert await draining

    told = Exchange(listen).tell(story)
    assert [ended.by for ended in told.of(Disconnected)] == ["caller"]


def test_drained_the_phone_un_registers_first_and_hangs_up_when_its_patience_ends() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        await exchange.handset.calls()
        begun = exchange.now
        assert not await exchange.phone.drain(30)
        assert exchange.now == pytest.approx(begun + 30, abs=0.1)
        assert exchange.handset.of("REGISTER")[-1].headers.get("expires") == "0"
        assert exchange.handset.of("BYE") == []

    told = at_registrar().tell(story)
    (bye,) = told.handset.of("BYE")
    assert bye.headers.get("reason") == 'SIP;text="the phone is put away"'
    assert len([item for item in told.handset.of("REGISTER") if item.headers.get("expires") == "0"]) == 1


def test_a_drain_that_is_cut_short_hangs_up_at_once() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        await exchange.handset.calls()
        draining = asyncio.create_task(exchange.phone.drain(30))
        await asyncio.sleep(5)
        draining.cancel()

    told = at_registrar().tell(story)
    assert told.handset.hung_up_at == pytest.approx(6, abs=0.1)


def test_a_full_phone_sends_callers_elsewhere_until_a_call_ends() -> None:
    async def story(exchange: Exchange) -> None:
        second = Handset(exchange.network, host="127.0.0.3", call_id="call-2")
        third = Handset(exchange.network, host="127.0.0.4", call_id="call-3")
        assert await exchange.handset.calls() == 200
        assert await second.calls() == 503
        assert int(second.responses[-1].headers.get("retry-after") or 0) > 0
        await exchange.handset.hangs_up()
        await asyncio.sleep(0.1)
        assert await third.calls() == 200
        await third.hangs_up()

    Exchange(listen, configuration=general(max_calls=1)).tell(story)


def test_without_a_port_a_call_is_sent_away_for_a_while() -> None:
    async def story(exchange: Exchange) -> None:
        second = Handset(exchange.network, host="127.0.0.3", call_id="call-2")
        assert await exchange.handset.calls() == 200
        assert await second.calls() == 503
        assert second.responses[-1].headers.get("retry-after") == "10"
        await exchange.handset.hangs_up()

    told = Exchange(listen, ports=1).tell(story)
    assert len(told.of(Notice)) == 1
    assert len(told.of(CallReceived)) == 1


def test_a_stranger_is_dropped_and_the_operator_told_how_to_let_them_in_once() -> None:
    async def story(exchange: Exchange) -> None:
        exchange.handset.ring()
        await asyncio.sleep(40)
        assert exchange.handset.responses == []

    account = Account("sip:6001@192.0.2.1")
    told = Exchange(listen, accounts=(account,)).tell(story)
    assert told.of(CallerRefused) == [CallerRefused(source="127.0.0.2:5060", cure="[trunk NAME] peers = 127.0.0.2")]
    assert told.of(CallReceived) == []


def test_unknown_callers_may_be_accepted() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        await exchange.handset.hangs_up()

    configuration = general(unknown_callers=UnknownCallers.ACCEPT)
    Exchange(listen, configuration=configuration, accounts=(Account("sip:6001@192.0.2.1"),)).tell(story)


@pytest.mark.parametrize("agent", ["hello", 7, object()])
def test_only_an_agent_or_a_function_can_answer(agent: object) -> None:
    async def story(exchange: Exchange) -> None:
        with pytest.raises(TypeError, match="Agent or"):
            exchange.phone.answer_with(agent)  # type: ignore[arg-type]

    Exchange(None).tell(story)


def test_serving_answers_until_it_is_cancelled() -> None:
    async def story(exchange: Exchange) -> None:
        serving = asyncio.create_task(exchange.phone.serve(listen))
        assert await exchange.handset.calls() == 200
        serving.cancel()
        await exchange.handset.hangs_up()

    Exchange(None).tell(story)


# ---- calls beside each other


def test_one_call_fails_and_the_other_does_not_notice(caplog: pytest.LogCaptureFixture) -> None:
    async def by_caller(incoming: InboundCall) -> None:
        call = await incoming.answer()
        if "127.0.0.3" in incoming.caller:
            raise RuntimeError("this one fails")
        call.send_media_to(call)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        bad = Handset(exchange.network, host="127.0.0.3", call_id="call-2")
        assert await exchange.handset.calls() == 200
        assert await bad.calls(sdp(host="127.0.0.3")) == 200
        begin = exchange.now
        await exchange.handset.says(TONE * 4)
        await bad.is_hung_up_on()
        await asyncio.sleep(8 - (exchange.now - begin))
        packets = exchange.handset.heard_between(begin + 1, begin + 7)
        assert len(packets) in (299, 300, 301)
        await exchange.handset.hangs_up()

    Exchange(by_caller).tell(story)
    assert "this one fails" in caplog.text


def test_two_calls_hear_each_other_whatever_law_they_speak() -> None:
    calls: list[Call] = []

    async def meet(incoming: InboundCall) -> None:
        call = await incoming.answer()
        calls.append(call)
        if len(calls) == 2:
            connect_media(calls[0], calls[1])
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        second = Handset(exchange.network, host="127.0.0.3", call_id="call-2")
        await exchange.handset.calls(sdp(formats="0"))
        await second.calls(sdp(formats="8", host="127.0.0.3"))
        await exchange.handset.says(TONE)
        await asyncio.sleep(0.5)
        heard = b"".join(heard.packet.payload for heard in second.heard)
        assert g711.transcode(TONE, g711.PCMU, g711.PCMA)[800:-800] in heard
        await second.hangs_up()
        await exchange.handset.hangs_up()

    Exchange(meet).tell(story)


def test_codecs_are_those_of_the_configuration() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls(sdp(formats="0 8 101")) == 200
        await exchange.handset.hangs_up()

    told = Exchange(listen, configuration=general(codecs=(Codec.ALAW,))).tell(story)
    assert told.of(CallAnswered) == [CallAnswered(codec="pcma")]


def test_a_caller_of_whom_nothing_comes_is_hung_up_on() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.says(TONE)
        begin = exchange.now
        await exchange.handset.is_hung_up_on()
        assert exchange.now - begin == pytest.approx(10, abs=0.5)

    told = Exchange(listen, configuration=general(rtp_timeout=10), rtp_timeout=10).tell(story)
    assert told.of(Disconnected)[0].reason == "no RTP for 10 s"


def test_a_watcher_that_fails_is_told_of_in_the_log_and_nobody_else_notices(caplog: pytest.LogCaptureFixture) -> None:
    def fail(stamped: Stamped) -> None:
        raise RuntimeError("out of paper")

    async def story(exchange: Exchange) -> None:
        exchange.phone.watch(fail)
        assert await exchange.handset.calls() == 200
        await asyncio.sleep(1)
        await exchange.handset.hangs_up()

    told = Exchange(listen).tell(story)
    assert [ended.by for ended in told.of(Disconnected)] == ["caller"]
    assert "a watcher failed at CallReceived" in caplog.text


# ---- calling


def test_we_call_are_answered_speak_and_hang_up() -> None:
    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        invite = await exchange.handset.rings()
        assert str(invite.from_.uri) == "sip:anonymous@anonymous.invalid"
        exchange.handset.answers(180, invite)
        await asyncio.sleep(1)
        exchange.handset.answers(200, invite, sdp())
        call = await outbound.answered()
        assert (call.caller, call.called) == ("sip:anonymous@anonymous.invalid", ALICE)
        call.speak(TONE)
        await asyncio.sleep(1)
        call.hang_up()
        assert (await call.disconnected()).by == "us"
        heard = b"".join(heard.packet.payload for heard in exchange.handset.heard)
        assert TONE in heard
        assert len(exchange.handset.of("ACK")) == 1

    told = Exchange(None).tell(story)
    assert told.of(CallAnswered) == [CallAnswered(codec="pcmu")]


def test_a_call_of_ours_is_refused() -> None:
    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        exchange.handset.answers(486, await exchange.handset.rings())
        with pytest.raises(CallFailed, match="486 Words"):
            await outbound.answered()
        outbound.cancel()
        assert await exchange.phone.idle(1)

    told = Exchange(None).tell(story)
    assert told.of(CallFailedEvent) == [CallFailedEvent(code=486, reason="Words", outcome="busy")]
    assert [ended.by for ended in told.of(Disconnected)] == ["callee"]
    assert told.handset.of("CANCEL") == []


def test_nobody_answers_a_call_of_ours() -> None:
    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        exchange.handset.answers(180, await exchange.handset.rings())
        with pytest.raises(CallFailed, match="408 nobody answered within 20 s"):
            await outbound.answered(ring_time=20)
        assert await exchange.phone.idle(1)

    told = Exchange(None).tell(story)
    assert len(told.handset.of("CANCEL")) == 1
    assert [ended.by for ended in told.of(Disconnected)] == ["us"]


def test_we_take_a_call_back_and_whoever_waits_for_its_answer_is_told() -> None:
    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        waiting = asyncio.create_task(outbound.answered())
        exchange.handset.answers(180, await exchange.handset.rings())
        await asyncio.sleep(1)
        outbound.cancel()
        with pytest.raises(CallFailed, match="487 cancelled"):
            await waiting
        assert await exchange.phone.idle(1)

    assert len(Exchange(None).tell(story).handset.of("CANCEL")) == 1


def test_a_call_to_an_address_where_nobody_is() -> None:
    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly("sip:bob@127.0.0.9")
        with pytest.raises(CallFailed, match="503"):
            await outbound.answered()
        assert await exchange.phone.idle(1)

    Exchange(None).tell(story)


@pytest.mark.parametrize("body", [sdp(formats="18"), b""], ids=["unusable", "none"])
def test_an_answer_that_we_cannot_speak_ends_the_call(body: bytes) -> None:
    async def story(exchange: Exchange) -> None:
        outbound = await exchange.phone.call_directly(ALICE)
        exchange.handset.answers(200, await exchange.handset.rings(), body)
        with pytest.raises(CallFailed, match="488"):
            await outbound.answered()
        assert len(exchange.handset.of("ACK")) == 1
        await exchange.handset.is_hung_up_on()
        assert await exchange.phone.idle(1)

    Exchange(None).tell(story)


@pytest.mark.parametrize("target", ["alice", "mailto:alice@example.com", "sip:", "sip:@@"])
def test_what_is_no_address_cannot_be_called(target: str) -> None:
    async def story(exchange: Exchange) -> None:
        with pytest.raises(ConfigurationError, match="nobody can be called at"):
            await exchange.phone.call_directly(target)
        with pytest.raises(ConfigurationError):
            exchange.phone.call(target)

    Exchange(None).tell(story)


def test_a_call_without_a_port_left() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        with pytest.raises(NoPortFree):
            await exchange.phone.call_directly(ALICE)
        await exchange.handset.hangs_up()

    Exchange(listen, ports=1).tell(story)


# ---- registered


class Refusing(Registrar):
    refusal = 403


def at_registrar(scenario: Callable[[InboundCall], Awaitable[None]] | None = listen) -> Exchange:
    account = Account(f"sip:6001@{HANDSET}", password="pass")
    return Exchange(scenario, accounts=(account,), handset_type=Registrar)


def test_the_phone_registers_is_called_by_its_contact_and_un_registers() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        assert await exchange.handset.calls() == 200
        await exchange.handset.hangs_up()

    told = at_registrar().tell(story)
    assert told.of(Registered) == [Registered(account="6001", registrar=f"sip:{HANDSET}", expires=300)]
    first, last = told.handset.of("REGISTER")
    assert first.headers.get("expires") == "300"
    assert last.headers.get("expires") == "0"
    assert first.headers.get("to") == f"<sip:6001@{HANDSET}>"


def test_a_refused_registration_says_what_the_registrar_said() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)

    account = Account(f"sip:6001@{HANDSET}", password="pass")
    refusing = Exchange(listen, accounts=(account,), handset_type=Refusing)
    (failed,) = refusing.tell(story).of(RegistrationFailed)
    assert (failed.account, failed.code, failed.reason) == ("6001", 403, "Words")
    assert "password" in failed.hint
    assert failed.retry_after >= 60


def test_a_number_is_called_at_the_registrar_of_its_account() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        outbound = exchange.phone.call("6002")
        invite = await exchange.handset.rings()
        assert str(invite.target) == f"sip:6002@{HANDSET}"
        assert str(invite.from_.uri) == f"sip:6001@{HANDSET}"
        exchange.handset.answers(200, invite, sdp())
        (await outbound.answered()).hang_up()
        with pytest.raises(ConfigurationError, match="no account"):
            exchange.phone.call("6002", account="office")

    at_registrar().tell(story)


# ---- put away


def test_put_away_the_phone_hangs_up_and_un_registers() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        await exchange.handset.calls()

    told = at_registrar().tell(story)
    assert told.of(Disconnected) == [Disconnected(reason="the phone is put away", by="us")]
    assert len(told.handset.of("BYE")) == 1
    assert told.handset.of("REGISTER")[-1].headers.get("expires") == "0"


def test_put_away_a_bye_that_is_lost_is_sent_again() -> None:
    lost: list[bytes] = []

    def drops(datagram: Datagram) -> bool:
        if datagram.data.startswith(b"BYE") and not lost:
            lost.append(datagram.data)
            return True
        return False

    async def story(exchange: Exchange) -> None:
        exchange.network.drops = drops
        await exchange.handset.calls()

    told = Exchange(listen).tell(story)
    assert lost
    assert len(told.handset.of("BYE")) == 1


def test_put_away_while_a_call_rings_the_phone_refuses_it() -> None:
    given_up: list[CallFailed] = []

    async def rings(incoming: InboundCall) -> None:
        incoming.ring()
        await asyncio.sleep(2)
        try:
            await incoming.answer()
        except CallFailed as error:
            given_up.append(error)

    async def story(exchange: Exchange) -> None:
        exchange.handset.ring()
        await asyncio.sleep(1)

    told = Exchange(rings).tell(story)
    assert told.handset.codes() == [100, 180, 480]
    assert [(error.code, error.reason) for error in given_up] == [(487, "the phone is put away")]


def test_put_away_while_we_ring_the_phone_cancels() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.phone.call_directly(ALICE)
        exchange.handset.answers(180, await exchange.handset.rings())
        await asyncio.sleep(1)

    assert len(Exchange(None).tell(story).handset.of("CANCEL")) == 1


def test_put_away_a_registrar_that_is_silent_holds_us_up_for_a_while_only(caplog: pytest.LogCaptureFixture) -> None:
    times: list[float] = []

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        exchange.handset.silent = True  # type: ignore[attr-defined]
        times.append(exchange.now)

    exchange = at_registrar().tell(story)
    assert times
    assert exchange.put_away_at - times[0] == pytest.approx(PATIENCE, abs=0.1)
    assert "did not confirm that 6001 is gone" in caplog.text


def test_put_away_a_scenario_that_does_not_end_is_ended() -> None:
    ended: list[bool] = []

    async def stubborn(incoming: InboundCall) -> None:
        await incoming.answer()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()

    Exchange(stubborn).tell(story)
    assert ended == [True]


def test_the_address_is_where_sip_is_bound() -> None:
    async def story(exchange: Exchange) -> None:
        assert (exchange.phone.address.host, exchange.phone.address.port) == (PHONE, 5060)

    Exchange(None).tell(story)


def test_two_calls_may_have_one_call_id() -> None:
    """A proxy that forks, or a call to ourselves, brings the same Call-ID twice: only both tags tell dialogs apart."""

    async def story(exchange: Exchange) -> None:
        second = Handset(exchange.network, host="127.0.0.3", tag="bob")
        assert await exchange.handset.calls() == 200
        assert await second.calls(sdp(host="127.0.0.3")) == 200
        await exchange.handset.hangs_up()
        begin = exchange.now
        await asyncio.sleep(1)
        assert len(second.heard_between(begin, exchange.now)) in (49, 50, 51)
        assert not await exchange.phone.idle(0.1)
        await second.hangs_up()
        assert await exchange.phone.idle(0.1)

    assert len(Exchange(listen).tell(story).of(Disconnected)) == 2
