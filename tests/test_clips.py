"""The sentences that are heard even when a provider is dead: shipped, or in the agent's own voice."""

import pytest

from sipagent import InboundCall
from sipagent.agent.clips import Clips
from sipagent.audio import g711, level
from sipagent.clips import as_note, of_note, shipped
from sipagent.config import Configuration
from sipagent.config.options import Cartesia
from sipagent.local.clips import AGENT
from sipagent.testing.providers import Fault, ScriptedCartesia
from tests.exchange import Exchange

KEY = Configuration(cartesia=Cartesia(api_key="sk_car_scripted"))


async def fail(incoming: InboundCall) -> None:
    await incoming.answer()
    raise RuntimeError("out of order")


def rendered(cartesia: ScriptedCartesia) -> tuple[Clips, Exchange]:
    """Let a phone render its clips, and then apologise to a caller."""
    clips: list[Clips] = []

    async def story(exchange: Exchange) -> None:
        await exchange.phone.render_clips()
        clips.append(exchange.phone.clips)
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()

    told = Exchange(fail, configuration=KEY, sockets={"cartesia": cartesia.open_socket}).tell(story)
    return clips[0], told


def test_the_shipped_ones_can_be_heard() -> None:
    clips = shipped()
    assert clips is shipped()
    for clip in (clips.apology, clips.one_moment, clips.goodbye):
        assert level.level(clip, g711.PCMU) > -40
        assert len(clip) < 8 * g711.RATE


def test_the_voice_says_them_beforehand_and_the_caller_hears_that(caplog: pytest.LogCaptureFixture) -> None:
    cartesia = ScriptedCartesia()
    clips, told = rendered(cartesia)
    assert cartesia.spoken == list(AGENT.values())
    assert clips != shipped()
    assert len(clips.apology) == pytest.approx(len(AGENT["apology"]) / 14 * g711.RATE, rel=0.05)
    assert clips.apology in b"".join(heard.packet.payload for heard in told.handset.heard)
    assert all(socket.ended for socket in cartesia.connections)


@pytest.mark.parametrize(
    "cartesia",
    [
        ScriptedCartesia(faults=[Fault(refuse=401)]),
        ScriptedCartesia(faults=[Fault(never_opens=True)] * 9),
        ScriptedCartesia(faults=[Fault(close_after=4)] * 9),
        ScriptedCartesia(faults=[Fault(silent_after=4)] * 9),
    ],
    ids=["refused", "never opens", "closes in the middle", "falls silent in the middle"],
)
def test_a_voice_that_cannot_is_stood_in_for(cartesia: ScriptedCartesia, caplog: pytest.LogCaptureFixture) -> None:
    clips, told = rendered(cartesia)
    assert clips == shipped()
    assert "kept in a synthetic voice" in caplog.text
    assert shipped().apology in b"".join(heard.packet.payload for heard in told.handset.heard)


def test_a_journal_can_hold_them() -> None:
    assert of_note(as_note(shipped())) == shipped()
