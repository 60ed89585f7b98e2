"""The far end sends us to somebody else, or lets somebody else take its place: the call goes on, within bounds."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sipagent import Account, Disconnected, InboundCall
from sipagent.config import Configuration
from sipagent.config.options import Transfer
from sipagent.events import CallMoved
from sipagent.following import LINGER
from sipagent.sip.message import Request
from sipagent.sip.refer import read_sipfrag
from sipagent.sip.transfer import RING_TIME
from tests.exchange import Exchange
from tests.handset import TONE, Handset, sdp

DESK = "127.0.0.3"
NAMES = Configuration(transfer=Transfer(targets={"desk": f"sip:desk@{DESK}"}))

Story = Callable[[Exchange, Handset], Awaitable[None]]


async def echo(incoming: InboundCall) -> None:
    call = await incoming.answer()
    call.send_media_to(call)
    await call.disconnected()


def tell(story: Story, *, configuration: Configuration = NAMES) -> Exchange:
    """A call stands; then let `story` happen to the far end and to the desk."""

    async def whole(exchange: Exchange) -> None:
        desk = Desk(exchange.network, host=DESK, call_id="desk", tag="desk")
        assert await exchange.handset.calls() == 200
        await story(exchange, desk)
        assert await exchange.phone.idle(5)

    return Exchange(echo, configuration=configuration, handset_type=Caller).tell(whole)


class Caller(Handset):
    """A far end that confirms what it is told."""

    def take(self, message: Request) -> None:
        if message.method == "NOTIFY":
            self.answers(200, message)

    @property
    def was_told(self) -> list[int]:
        """The codes that the NOTIFYs told."""
        told = [read_sipfrag(message.body) for message in self.of("NOTIFY")]
        return [status[0] for status in told if status is not None]


class Desk(Handset):
    """Somebody else's telephone."""

    async def picks_up(self) -> Request:
        invite = await self.rings()
        self.answers(180, invite)
        await asyncio.sleep(0.5)
        self.answers(200, invite, sdp(host=DESK), headers=(f"Contact: <sip:desk@{DESK}>",))
        await self.is_asked("ACK")
        return invite

    async def hears_the_echo(self) -> None:
        self.heard.clear()
        await self.says(TONE, to=self.offered_to)
        await asyncio.sleep(0.5)
        assert TONE[1600:-1600] in b"".join(heard.packet.payload for heard in self.heard)


def told_codes(exchange: Exchange) -> list[int]:
    assert isinstance(exchange.handset, Caller)
    return exchange.handset.was_told


def test_we_go_where_we_are_sent_and_the_call_goes_on_there() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        assert isinstance(desk, Desk)
        caller = exchange.handset
        caller.refers(f"sip:desk@{DESK}", "Referred-By: <sip:alice@127.0.0.2>")
        assert await caller.final("REFER") == 202
        invite = await desk.picks_up()
        assert invite.headers.get("referred-by") == "<sip:alice@127.0.0.2>"
        await asyncio.sleep(0.2)
        assert told_codes(exchange) == [100, 180, 200]
        await caller.hangs_up()
        await desk.hears_the_echo()
        desk.leaves()

    told = tell(story)
    assert told.of(CallMoved) == [CallMoved(far_end=f"sip:desk@{DESK}")]
    assert [ended.by for ended in told.of(Disconnected)] == ["caller"]


def test_an_old_far_end_that_stays_is_hung_up_on() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        assert isinstance(desk, Desk)
        exchange.handset.refers(f"sip:desk@{DESK}")
        await desk.picks_up()
        moved_at = exchange.now
        await exchange.handset.is_hung_up_on()
        assert exchange.now - moved_at == pytest.approx(LINGER, abs=0.2)
        desk.leaves()

    tell(story)


def test_an_attended_transfer_names_the_call_to_be_replaced() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        assert isinstance(desk, Desk)
        exchange.handset.refers(f"sip:desk@{DESK}?Replaces=call-9%40x%3Bto-tag%3Da%3Bfrom-tag%3Db")
        invite = await desk.picks_up()
        assert invite.headers.get("replaces") == "call-9@x;to-tag=a;from-tag=b"
        assert invite.uri == f"sip:desk@{DESK}"
        desk.leaves()

    tell(story)


@pytest.mark.parametrize("code", [404, 486, 603])
def test_the_target_is_not_to_be_had_and_the_call_stays(code: int) -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        caller = exchange.handset
        caller.refers(f"sip:desk@{DESK}")
        desk.answers(code, await desk.rings())
        await asyncio.sleep(0.2)
        assert told_codes(exchange) == [100, code]
        await caller.says(TONE)
        await asyncio.sleep(0.5)
        assert TONE[1600:-1600] in b"".join(heard.packet.payload for heard in caller.heard)
        await caller.hangs_up()

    assert tell(story).of(CallMoved) == []


def test_who_sent_us_on_has_hung_up_and_nobody_is_there_either() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        exchange.handset.refers(f"sip:desk@{DESK}")
        invite = await desk.rings()
        await exchange.handset.hangs_up()
        await asyncio.sleep(1)
        assert exchange.of(Disconnected) == []
        desk.answers(486, invite)

    assert [ended.by for ended in tell(story).of(Disconnected)] == ["caller"]


def test_who_sent_us_on_has_hung_up_and_we_get_through() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        assert isinstance(desk, Desk)
        exchange.handset.refers(f"sip:desk@{DESK}")
        await desk.rings()
        await exchange.handset.hangs_up()
        await desk.picks_up()
        await desk.hears_the_echo()
        desk.leaves()

    tell(story)


def test_it_does_not_ring_for_ever() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        exchange.handset.refers(f"sip:desk@{DESK}")
        desk.answers(180, await desk.rings())
        await asyncio.sleep(RING_TIME + 1)
        assert told_codes(exchange) == [100, 180, 487]
        await exchange.handset.hangs_up()

    tell(story)


def test_an_answer_that_we_cannot_speak() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        exchange.handset.refers(f"sip:desk@{DESK}")
        invite = await desk.rings()
        desk.answers(200, invite, sdp(host=DESK, formats="18"), headers=(f"Contact: <sip:desk@{DESK}>",))
        await desk.is_hung_up_on()
        assert told_codes(exchange) == [100, 488]
        await exchange.handset.hangs_up()

    assert tell(story).of(CallMoved) == []


# ---- bounds


@pytest.mark.parametrize(
    "target",
    ["sip:premium@203.0.113.9", f"sip:other@{DESK}", "sip:1000@127.0.0.2", "tel:+15550100", "sips:x@127.0.0.2"],
)
def test_nobody_sends_us_out_of_bounds(target: str) -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        exchange.handset.refers(target)
        assert await exchange.handset.final("REFER") == 603
        assert desk.requests == []
        await exchange.handset.hangs_up()

    tell(story)


def test_a_call_of_an_account_may_be_sent_anywhere_in_its_domain() -> None:
    account = Account("sip:6001@127.0.0.2")

    async def whole(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        exchange.handset.refers("sip:1000@127.0.0.2")
        assert await exchange.handset.final("REFER") == 202
        invite = await exchange.handset.rings()
        assert (invite.uri, invite.from_.uri.user) == ("sip:1000@127.0.0.2", "6001")
        exchange.handset.answers(486, invite)
        await asyncio.sleep(0.2)
        await exchange.handset.hangs_up()

    Exchange(echo, accounts=(account,), handset_type=Caller).tell(whole)


# ---- somebody takes the far end's place


def test_somebody_else_takes_the_far_ends_place() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        desk.takes_the_place_of(exchange.handset, sdp(host=DESK))
        assert (await exchange.handset.is_hung_up_on()).headers.get("reason") == 'SIP;text="replaced"'
        await desk.says(TONE)
        await asyncio.sleep(0.5)
        assert TONE[1600:-1600] in b"".join(heard.packet.payload for heard in desk.heard)
        assert not exchange.of(Disconnected)

        await desk.hangs_up()

    assert tell(story).of(CallMoved) == [CallMoved(far_end=f"sip:alice@{DESK}")]


def test_somebody_we_cannot_speak_with_takes_nobodys_place() -> None:
    async def story(exchange: Exchange, desk: Handset) -> None:
        desk.takes_the_place_of(exchange.handset, sdp(host=DESK, formats="18"))
        await asyncio.sleep(0.5)
        assert [message.code for message in desk.responses] == [100, 488]
        await exchange.handset.hangs_up()

    assert tell(story).of(CallMoved) == []
