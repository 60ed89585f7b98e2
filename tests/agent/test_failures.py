"""Stories of providers that refuse, break, stall or fall silent: the caller never waits in silence for five seconds."""

import asyncio

import pytest

from sipagent.agent.agent import Agent
from sipagent.events import ProviderFailed
from sipagent.testing.providers import Failure, Fault, ScriptedCartesia, ScriptedOpenAI, Silence
from tests.agent.stage import CLIPS, MakeStage, Stage, longest_silence

HELLO = "Hello! How can I help today?"
ANSWER = "It left the warehouse this morning, and should be with you tomorrow."


async def nothing(stage: Stage) -> None:
    pass


async def ask(stage: Stage) -> None:
    stage.openai.caller_says("Where is my parcel?")


ANSWER_DUE = 1.5
"""When the caller of `ask` has stopped, and waits."""


def apologised(played: Stage) -> bool:
    """The apology was heard to its end, and then we hung up."""
    times = played.clip_times(CLIPS.apology)
    return len(times) == 50 and 0 <= played.hung_up_at - times[-1] < 0.05


# ---- keys


@pytest.mark.parametrize(
    ("openai", "cartesia"),
    [
        (ScriptedOpenAI(faults=[Fault(refuse=401)]), ScriptedCartesia()),
        (ScriptedOpenAI(faults=[Fault(close_after=0, code=3000, reason="x.invalid_api_key")]), ScriptedCartesia()),
        (ScriptedOpenAI(), ScriptedCartesia(faults=[Fault(refuse=401)])),
    ],
    ids=["openai 401", "openai 3000", "cartesia 401"],
)
def test_a_wrong_key_is_apologised_for_at_once(
    stage: MakeStage, openai: ScriptedOpenAI, cartesia: ScriptedCartesia
) -> None:
    played = stage(Agent(greeting=HELLO), openai=openai, cartesia=cartesia).play(nothing)

    assert apologised(played)
    assert played.clip_times(CLIPS.apology)[0] < 0.3
    (failed,) = played.call.of(ProviderFailed)
    assert f"{failed.provider} refused the API key: set {failed.provider.upper()}_API_KEY" in failed.reason
    assert "scripted" not in failed.reason, "no key in any text"


def test_no_key_at_all_opens_no_socket(stage: MakeStage) -> None:
    played = stage(Agent(greeting=HELLO), keys={"cartesia": "sk_car_scripted"}).play(nothing)

    assert apologised(played)
    assert played.openai.connections == []
    assert "there is no API key: set OPENAI_API_KEY" in played.call.of(ProviderFailed)[0].reason


def test_no_credit_in_the_middle_of_a_call(stage: MakeStage) -> None:
    openai = ScriptedOpenAI(Failure("insufficient_quota", "You exceeded your current quota."))
    played = stage(Agent(greeting=HELLO), openai=openai).play(ask)

    assert apologised(played)
    assert "no credit left" in played.call.of(ProviderFailed)[0].reason


# ---- the mind


def test_a_failed_response_is_asked_for_again_over_a_fresh_socket(stage: MakeStage) -> None:
    played = stage(Agent(), openai=ScriptedOpenAI(Failure(), ANSWER)).play(ask)

    assert [said.heard_text for said in played.said] == [ANSWER]
    assert len(played.openai.connections) == 2
    assert longest_silence(played, since=ANSWER_DUE) < 2


def test_a_second_failure_ends_the_call_politely(stage: MakeStage) -> None:
    played = stage(Agent(), openai=ScriptedOpenAI(Failure(), Failure(), ANSWER)).play(ask)

    assert apologised(played)
    assert longest_silence(played, since=ANSWER_DUE) < 5


def test_a_mind_that_falls_silent(stage: MakeStage) -> None:
    """It is asked for patience for; the next attempt answers."""
    played = stage(Agent(), openai=ScriptedOpenAI(Silence(), ANSWER)).play(ask)

    assert len(played.clip_times(CLIPS.one_moment)) == 25
    assert [said.heard_text for said in played.said] == [ANSWER]
    assert longest_silence(played, since=ANSWER_DUE) < 5


def test_a_mind_that_stays_silent(stage: MakeStage) -> None:
    played = stage(Agent(), openai=ScriptedOpenAI(Silence(), Silence(), ANSWER)).play(ask, seconds=30)

    assert apologised(played)
    assert longest_silence(played, since=ANSWER_DUE) < 5


def test_a_mind_that_never_opens(stage: MakeStage) -> None:
    """The caller is greeted, and hears why nobody answers him."""
    never = [Fault(never_opens=True)] * 3
    call = stage(Agent(greeting_instructions="Greet."), openai=ScriptedOpenAI(faults=never))
    played = call.play(nothing, seconds=60)

    assert apologised(played)


def test_a_socket_that_breaks_in_the_middle_of_the_answer(stage: MakeStage) -> None:
    """What was said is in the new session's history; then the rest is asked for."""
    openai = ScriptedOpenAI(ANSWER * 3, "And that is all.", faults=[Fault(close_after=30)])
    played = stage(Agent(greeting=HELLO), openai=openai).play(ask)

    first, second = played.said[-2:]
    assert (ANSWER * 3).startswith(first.heard_text)
    assert len(first.heard_text) > 20
    assert second.heard_text == "And that is all."
    texts = [item["content"][0].get("text") for item in played.openai.items]
    assert texts == [HELLO, "Where is my parcel?", first.generated_text, "And that is all."]


def test_a_session_that_ends_between_turns_is_replaced_unheard(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(4)
        stage.openai.connections[0].drop(1001, "Your session hit the maximum duration of 60 minutes.")
        await asyncio.sleep(1)
        stage.openai.caller_says("Where is my parcel?")

    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI(ANSWER)).play(script)

    assert [said.heard_text for said in played.said] == [HELLO, ANSWER]
    assert len(played.openai.connections) == 2
    assert played.openai.items[0]["content"][0]["text"] == HELLO, "the new session knows the greeting"
    assert played.clip_times(CLIPS.one_moment) == []


def test_a_half_open_socket_does_not_swallow_what_the_caller_says(stage: MakeStage) -> None:
    """The caller speaks and nothing comes: the socket is tried, replaced, and the new one hears the same speech."""
    speech = bytes(range(1, 161)) * 2

    async def script(stage: Stage) -> None:
        await asyncio.sleep(3)
        for number in range(150):
            stage.call.caller_sends(speech, voiced=number < 50)
            await asyncio.sleep(0.04)

    openai = ScriptedOpenAI(ANSWER, faults=[Fault(silent_after=4)])
    played = stage(Agent(greeting=HELLO), openai=openai).play(script)

    assert len(played.openai.connections) == 2
    assert played.call.of(ProviderFailed)[0].reason == "openai: it does not answer"
    first_session = 90 * len(speech)
    assert len(played.openai.heard) > 150 * len(speech) + first_session * 0.9, "heard twice: by the dead, by the new"


# ---- the voice


@pytest.mark.parametrize("chunks", [0, 4])
def test_a_voice_that_stalls_says_the_unheard_rest_over_a_fresh_socket(stage: MakeStage, chunks: int) -> None:
    story = "One is the first. Two is the second number. Three is the third number. Four is the last of them all."
    played = stage(Agent(greeting=story), cartesia=ScriptedCartesia(stalls_after=[chunks])).play(nothing)

    assert [said.heard_text for said in played.said] == [story]
    assert len(played.cartesia.connections) == 2
    first, again = played.cartesia.spoken
    assert first == story
    assert story.endswith(again)
    assert (again == story) == (chunks == 0)
    assert longest_silence(played, since=0) < 5


def test_a_voice_that_stalls_twice_ends_the_call_politely(stage: MakeStage) -> None:
    played = stage(Agent(greeting=HELLO), cartesia=ScriptedCartesia(stalls_after=[0, 0])).play(nothing)

    assert apologised(played)
    assert longest_silence(played, since=0) < 5


def test_a_voice_socket_that_breaks_in_the_middle_of_a_word(stage: MakeStage) -> None:
    played = stage(Agent(greeting=HELLO * 3), cartesia=ScriptedCartesia(faults=[Fault(close_after=4)])).play(nothing)

    assert [said.heard_text for said in played.said] == [HELLO * 3]
    assert longest_silence(played, since=0) < 2


def test_an_idle_close_is_nobodys_business(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(4)
        stage.cartesia.connections[0].drop(1000, "connection idle timeout")
        stage.openai.caller_says("Where is my parcel?")

    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI(ANSWER)).play(script)

    assert [said.heard_text for said in played.said] == [HELLO, ANSWER]
    assert len(played.cartesia.connections) == 2
    assert played.call.of(ProviderFailed) == []


def test_too_many_voices_at_once_is_tried_again(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(0.02)
        stage.cartesia.fail("context2", status=429, error_code="concurrency_limited")

    played = stage(Agent(greeting=HELLO), cartesia=ScriptedCartesia(first_chunk=0.3)).play(script)

    assert [said.heard_text for said in played.said] == [HELLO]
    assert played.cartesia.spoken == [HELLO, HELLO]


def test_a_voice_that_never_opens(stage: MakeStage) -> None:
    played = stage(Agent(greeting=HELLO), cartesia=ScriptedCartesia(faults=[Fault(never_opens=True)] * 3))
    played.play(nothing, seconds=60)

    assert apologised(played)


def test_a_mind_that_stalls_in_the_middle_of_a_sentence(stage: MakeStage) -> None:
    """What was said stays said; after a while the caller is asked for patience, and the answer for again."""
    openai = ScriptedOpenAI(ANSWER * 3, "And that is all.", faults=[Fault(silent_after=30)])
    played = stage(Agent(greeting=HELLO), openai=openai).play(ask, seconds=40)

    assert [said.heard_text for said in played.said][-1] == "And that is all."
    assert len(played.openai.connections) == 2
    assert len(played.clip_times(CLIPS.one_moment)) == 25
    assert longest_silence(played, since=ANSWER_DUE) < 5
