"""A caller is put through: by the far end, by us, after a word with the target; and is never left in silence."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from sipagent import Agent, AgentSaid, Call, Disconnected, InboundCall
from sipagent.audio import g711, tones, wav
from sipagent.config import Configuration
from sipagent.config.options import Transfer as TransferSection
from sipagent.errors import LocalProtocolError
from sipagent.events import TransferProgress
from sipagent.sip.message import Request
from sipagent.sip.refer import ReferTo
from sipagent.sip.timers import PATIENCE
from sipagent.sip.transfer import RING_TIME
from sipagent.testing.call import SCRIPTED_KEYS
from sipagent.testing.providers import ScriptedCartesia, ScriptedOpenAI, ToolUse
from tests.exchange import Exchange
from tests.handset import HANDSET, TONE, Handset, sdp, voiced

DESK = "127.0.0.3"
NAMES = Configuration(transfer=TransferSection(targets={"desk": f"sip:desk@{DESK}"}))
BYE_TONE = g711.encode(tones.sine(700.0, 4000), g711.PCMU)

Story = Callable[[Exchange, Handset], Awaitable[None]]


def tell(scenario: Callable[[InboundCall], Awaitable[None]], story: Story) -> Exchange:
    """Somebody calls and is answered; then let `story` happen to the caller's handset and that of the desk."""

    async def whole(exchange: Exchange) -> None:
        desk = Handset(exchange.network, host=DESK, call_id="desk")
        assert await exchange.handset.calls() == 200
        await story(exchange, desk)
        assert await exchange.phone.idle(5)

    return Exchange(scenario, configuration=NAMES).tell(whole)


def states(told: Exchange) -> list[str]:
    return [event.state for event in told.of(TransferProgress)]


def transferring(
    *, mode: str = "auto", announce: "Callable[[Call], Awaitable[object]] | Path | None" = None
) -> Callable[[InboundCall], Awaitable[None]]:
    """Put the caller through to the desk; one who comes back hears a tone, and is hung up on."""

    async def scenario(incoming: InboundCall) -> None:
        call = await incoming.answer()
        progress = await call.transfer("desk", mode=mode, announce=announce)
        if progress.state == "failed":
            call.speak(BYE_TONE)
            await asyncio.sleep(1)

    return scenario


def heard_by(handset: Handset) -> bytes:
    return b"".join(heard.packet.payload for heard in handset.heard)


async def picks_up(desk: Handset) -> Request:
    """The desk rings, and answers."""
    invite = await desk.rings()
    desk.answers(180, invite)
    await asyncio.sleep(1)
    desk.answers(200, invite, sdp(host=DESK), headers=(f"Contact: <sip:desk@{DESK}>",))
    return await desk.is_asked("ACK")


# ---- by REFER


def test_the_far_end_puts_the_caller_through_and_we_hang_up() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        refer = await caller.is_asked("REFER")
        assert refer.headers.get("refer-to") == f"<sip:desk@{DESK}>"
        caller.answers(202, refer)
        caller.tells("100 Trying")
        caller.tells("180 Ringing")
        await asyncio.sleep(2)
        caller.tells("200 OK", state="terminated;reason=noresource")
        bye = await caller.is_hung_up_on()
        assert bye.headers.get("reason") == 'SIP;text="transferred to desk"'
        assert desk.requests == []

    assert states(tell(transferring(mode="refer"), story)) == ["started", "accepted", "ringing", "answered"]


def test_the_target_is_busy_and_the_caller_is_with_the_agent_again() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        caller.answers(202, await caller.is_asked("REFER"))
        await asyncio.sleep(2)
        caller.tells("486 Busy Here", state="terminated;reason=noresource")
        await caller.is_hung_up_on()
        assert BYE_TONE in heard_by(caller)

    told = tell(transferring(mode="refer"), story)
    assert states(told) == ["started", "accepted", "failed"]
    last = told.of(TransferProgress)[-1]
    assert (last.target, last.code, last.reason) == ("desk", 486, "Busy Here")


def test_the_last_notify_is_lost_to_the_bye() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        caller.answers(202, await caller.is_asked("REFER"))
        await asyncio.sleep(1)
        await caller.hangs_up()

    told = tell(transferring(mode="refer"), story)
    assert states(told) == ["started", "accepted", "answered"]
    assert isinstance(told.events[-2].event, Disconnected)


def test_a_far_end_that_never_tells_how_it_went() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        caller.answers(202, await caller.is_asked("REFER"), headers=("Refer-Sub: false",))
        began = exchange.now
        await caller.is_hung_up_on()
        assert exchange.now - began == pytest.approx(PATIENCE + 1, abs=0.5)
        assert BYE_TONE in heard_by(caller)

    assert states(tell(transferring(mode="refer"), story)) == ["started", "accepted", "failed"]


@pytest.mark.parametrize("code", [403, 405, 501, 603])
def test_by_refer_or_not_at_all(code: int) -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        caller.answers(code, await caller.is_asked("REFER"))
        await caller.is_hung_up_on()
        assert desk.requests == []

    assert states(tell(transferring(mode="refer"), story)) == ["started", "failed"]


# ---- by a bridge


async def refused_and_picked_up(exchange: Exchange, desk: Handset) -> None:
    caller = exchange.handset
    await picks_up(desk)
    caller.answers(603, await caller.is_asked("REFER"))
    await asyncio.sleep(0.1)


async def both_are_heard(caller: Handset, desk: Handset) -> None:
    """Each says a tone that the other hears."""
    await caller.says(TONE)
    await desk.says(BYE_TONE, to=desk.offered_to)
    await asyncio.sleep(0.3)
    assert TONE[1600:-1600] in heard_by(desk)
    assert BYE_TONE[1600:-1600] in heard_by(caller)


def test_where_refer_is_refused_we_join_both() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        await refused_and_picked_up(exchange, desk)
        await both_are_heard(exchange.handset, desk)
        await exchange.handset.hangs_up()
        await desk.is_hung_up_on()

    told = tell(transferring(), story)
    assert [state for state in states(told)] == ["started", "ringing", "answered"]


def test_both_calls_end_when_the_target_hangs_up() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        await refused_and_picked_up(exchange, desk)
        await asyncio.sleep(1)
        desk.leaves()
        await exchange.handset.is_hung_up_on()

    tell(transferring(), story)


def test_keys_pressed_on_one_end_of_a_bridge_arrive_at_the_other() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        await picks_up(desk)
        await exchange.handset.presses("5")
        await asyncio.sleep(0.5)
        digits = {heard.packet.payload[0] for heard in desk.heard if heard.packet.payload_type == 101}
        assert digits == {5}
        await exchange.handset.hangs_up()

    tell(transferring(mode="bridge"), story)


def test_what_the_agent_says_after_it_put_the_caller_through_nobody_hears() -> None:
    async def scenario(incoming: InboundCall) -> None:
        call = await incoming.answer()
        await call.transfer("desk", mode="bridge")
        call.speak(BYE_TONE)
        await call.disconnected()

    async def story(exchange: Exchange, desk: Handset) -> None:
        await picks_up(desk)
        await asyncio.sleep(1)
        await exchange.handset.hangs_up()
        assert BYE_TONE[:800] not in heard_by(desk) + heard_by(exchange.handset)

    tell(scenario, story)


@pytest.mark.parametrize("code", [480, 486, 404, 603])
def test_the_target_does_not_come(code: int) -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        desk.answers(code, await desk.rings())
        await exchange.handset.is_hung_up_on()
        assert BYE_TONE in heard_by(exchange.handset)

    told = tell(transferring(mode="bridge"), story)
    assert states(told) == ["started", "failed"]
    assert told.of(TransferProgress)[-1].code == code


def test_while_it_rings_the_caller_hears_it_ring_and_is_not_left_in_silence() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        desk.answers(180, await desk.rings())
        begun = exchange.now
        await exchange.handset.is_hung_up_on()
        times = [begun, *(heard.time for heard in voiced(exchange.handset)), exchange.now]
        assert max(later - earlier for earlier, later in pairwise(times)) < 3.5
        assert exchange.now - begun == pytest.approx(RING_TIME + 1, abs=1)
        await desk.is_asked("CANCEL")

    told = tell(transferring(mode="bridge"), story)
    assert states(told) == ["started", "ringing", "failed"]
    assert told.of(TransferProgress)[-1].code == 408


def test_a_caller_who_hangs_up_while_it_rings_lets_it_ring_no_more() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        desk.answers(180, await desk.rings())
        await asyncio.sleep(1)
        await exchange.handset.hangs_up()
        await desk.is_asked("CANCEL")

    assert states(tell(transferring(mode="bridge"), story)) == ["started", "ringing", "failed"]


def test_we_want_the_caller_back() -> None:
    async def scenario(incoming: InboundCall) -> None:
        call = await incoming.answer()
        transfer = call.transfer("desk", mode="bridge")
        await asyncio.sleep(2)
        transfer.cancel()
        assert (await transfer).reason == "cancelled"
        assert not call.is_put_through
        call.speak(BYE_TONE)
        await asyncio.sleep(1)

    async def story(exchange: Exchange, desk: Handset) -> None:
        desk.answers(180, await desk.rings())
        await desk.is_asked("CANCEL")
        await exchange.handset.is_hung_up_on()
        assert BYE_TONE in heard_by(exchange.handset)

    tell(scenario, story)


def test_a_scenario_that_is_over_leaves_the_caller_with_the_target() -> None:
    async def scenario(incoming: InboundCall) -> None:
        (await incoming.answer()).transfer("desk", mode="bridge")

    async def story(exchange: Exchange, desk: Handset) -> None:
        await picks_up(desk)
        await both_are_heard(exchange.handset, desk)
        await exchange.handset.hangs_up()
        await desk.is_hung_up_on()

    tell(scenario, story)


def test_the_far_ends_find_each_other_and_we_are_out_of_it() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        ack = await picks_up(desk)
        refer = await caller.is_asked("REFER")
        replaces = ReferTo.of_headers(refer.headers).replaces
        assert replaces is not None
        assert replaces.call_id == ack.call_id
        caller.answers(202, refer)
        caller.tells("200 OK", state="terminated;reason=noresource")
        await caller.is_hung_up_on()
        await desk.is_hung_up_on()

    assert states(tell(transferring(), story)) == ["started", "ringing", "answered"]


# ---- after a word with the target


def test_the_target_hears_who_comes_and_is_handed_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "announcement.wav"
    file.write_bytes(wav.write(tones.sine(900.0, 8000)))

    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        ack = await picks_up(desk)
        refer = await caller.is_asked("REFER")
        assert g711.encode(tones.sine(900.0, 8000), g711.PCMU)[:7000] in heard_by(desk)
        replaces = ReferTo.of_headers(refer.headers).replaces
        assert replaces is not None
        assert (replaces.call_id, replaces.to_tag, replaces.from_tag) == (ack.call_id, ack.to.tag, ack.from_.tag)
        caller.answers(202, refer)
        desk.leaves()
        await asyncio.sleep(0.5)
        caller.tells("200 OK", state="terminated;reason=noresource")
        await caller.is_hung_up_on()

    assert states(tell(transferring(announce=file), story)) == ["started", "ringing", "answered"]


def test_a_hand_over_that_is_refused_becomes_a_bridge() -> None:
    async def say_hello(target: Call) -> None:
        await asyncio.sleep(1)

    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        await picks_up(desk)
        caller.answers(501, await caller.is_asked("REFER"))
        await asyncio.sleep(0.2)
        await both_are_heard(caller, desk)
        await caller.hangs_up()
        await desk.is_hung_up_on()

    assert states(tell(transferring(announce=say_hello), story)) == ["started", "ringing", "answered"]


def test_a_target_that_does_not_want_the_caller() -> None:
    async def ask(target: Call) -> bool:
        return await target.read_digits(1) == "1"

    async def story(exchange: Exchange, desk: Handset) -> None:
        await picks_up(desk)
        await desk.is_hung_up_on()
        await exchange.handset.is_hung_up_on()
        assert BYE_TONE in heard_by(exchange.handset)

    told = tell(transferring(announce=ask), story)
    assert states(told) == ["started", "ringing", "failed"]
    assert told.of(TransferProgress)[-1].reason == "the target does not take the call"


def test_an_announcement_that_fails_keeps_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    async def wrong(target: Call) -> None:
        raise RuntimeError("a mistake in it")

    async def story(exchange: Exchange, desk: Handset) -> None:
        await picks_up(desk)
        await desk.is_hung_up_on()
        await exchange.handset.is_hung_up_on()

    assert states(tell(transferring(announce=wrong), story)) == ["started", "ringing", "failed"]
    assert "a mistake in it" in caplog.text


def test_a_target_that_hangs_up_during_the_announcement() -> None:
    async def talk(target: Call) -> None:
        await target.disconnected()

    async def story(exchange: Exchange, desk: Handset) -> None:
        await picks_up(desk)
        desk.leaves()
        await exchange.handset.is_hung_up_on()

    assert states(tell(transferring(announce=talk), story)) == ["started", "ringing", "failed"]


# ---- what cannot be


def test_only_names_of_the_configuration() -> None:
    async def scenario(incoming: InboundCall) -> None:
        call = await incoming.answer()
        with pytest.raises(ValueError, match="which has desk"):
            call.transfer("sip:premium@203.0.113.9")
        with pytest.raises(ValueError, match="hyperspace"):
            call.transfer("desk", mode="hyperspace")

    async def story(exchange: Exchange, desk: Handset) -> None:
        await exchange.handset.is_hung_up_on()
        assert exchange.handset.of("REFER") == []

    tell(scenario, story)


def test_not_twice_at_a_time_and_not_when_it_is_over() -> None:
    async def scenario(incoming: InboundCall) -> None:
        call = await incoming.answer()
        transfer = call.transfer("desk", mode="refer")
        with pytest.raises(LocalProtocolError, match="with us"):
            call.transfer("desk")
        await transfer
        await call.disconnected()
        with pytest.raises(LocalProtocolError, match="stands"):
            call.transfer("desk")

    async def story(exchange: Exchange, desk: Handset) -> None:
        await exchange.handset.is_asked("REFER")
        await exchange.handset.hangs_up()

    assert states(tell(scenario, story)) == ["started", "failed"]


def test_a_number_is_one_of_where_the_call_came_from() -> None:
    configuration = Configuration(transfer=TransferSection(targets={"reception": "1000"}))

    async def whole(exchange: Exchange) -> None:
        await exchange.handset.calls()
        refer = await exchange.handset.is_asked("REFER")
        assert refer.headers.get("refer-to") == f"<sip:1000@{HANDSET}>"
        exchange.handset.answers(202, refer)
        await exchange.handset.hangs_up()

    async def scenario(incoming: InboundCall) -> None:
        await (await incoming.answer()).transfer("reception", mode="refer")

    Exchange(scenario, configuration=configuration).tell(whole)


# ---- by the model


WITH_KEYS = replace(
    NAMES,
    openai=replace(NAMES.openai, api_key=SCRIPTED_KEYS["openai"]),
    cartesia=replace(NAMES.cartesia, api_key=SCRIPTED_KEYS["cartesia"]),
)


def talk(openai: ScriptedOpenAI, story: Story) -> Exchange:
    """A caller who asks the agent to be put through."""

    async def whole(exchange: Exchange) -> None:
        desk = Handset(exchange.network, host=DESK, call_id="desk")
        assert await exchange.handset.calls() == 200
        openai.caller_says("Put me through, please.")
        await story(exchange, desk)
        assert await exchange.phone.idle(5)

    sockets = {"openai": openai.open_socket, "cartesia": ScriptedCartesia().open_socket}
    return Exchange(Agent(), configuration=WITH_KEYS, sockets=sockets).tell(whole)


ASKED = ToolUse("transfer", '{"to": "desk"}', text="One moment, please.")


def test_the_model_puts_the_caller_through_and_is_out_of_it() -> None:
    openai = ScriptedOpenAI(ASKED)

    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        await picks_up(desk)
        caller.answers(405, await caller.is_asked("REFER"))
        await asyncio.sleep(0.1)
        await both_are_heard(caller, desk)
        assert all(socket.ended for socket in openai.connections), "a call without the agent costs nothing"
        await caller.hangs_up()
        await desk.is_hung_up_on()

    told = talk(openai, story)
    assert states(told) == ["started", "ringing", "answered"]
    assert [said.heard_text for said in told.of(AgentSaid)] == ["One moment, please."]


def test_the_model_is_told_that_nobody_is_there_and_says_so() -> None:
    openai = ScriptedOpenAI(ASKED, "I am sorry, they are busy.")

    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        invite = await desk.rings()
        await asyncio.sleep(6)
        desk.answers(486, invite)
        await asyncio.sleep(6)
        await caller.hangs_up()

    told = talk(openai, story)
    assert [said.heard_text for said in told.of(AgentSaid)] == ["One moment, please.", "I am sorry, they are busy."]
