"""The turn machine, read as sentences: state, what happens, state, what is done."""

import pytest

from sipagent.agent.turn import TABLE, Turn, TurnAction, TurnInput, TurnState

STORIES = {
    "an ordinary turn": "caller started: stop, listening; caller stopped: nothing, thinking; "
    "voiced: nothing, speaking; spoken: nothing, listening",
    "barge-in": "asked: nothing, thinking; voiced: nothing, speaking; caller started: stop, listening",
    "the caller goes on speaking before he is answered": "caller stopped: nothing, thinking; "
    "caller started: stop, listening",
    "an answer without words": "caller stopped: nothing, thinking; spoken: nothing, listening",
    "one retry": "asked: nothing, thinking; mind failed: reask, retrying; voiced: nothing, resumed; "
    "spoken: nothing, listening",
    "two failures": "asked: nothing, thinking; mind failed: reask, retrying; mind failed: apologise, ending; "
    "spoken: hang up, over",
    "a voice that fails again after it was heard": "asked: nothing, thinking; voice failed: resay, retrying; "
    "voiced: nothing, resumed; voice failed: apologise, ending",
    "a new turn has a new retry": "asked: nothing, thinking; voice failed: resay, retrying; voiced: nothing, resumed; "
    "caller started: stop, listening; caller stopped: nothing, thinking; voice failed: resay, retrying",
    "a session replaced while the caller is heard": "mind lost: restore, restoring; restored: nothing, listening",
    "a session that cannot be replaced": "mind lost: restore, restoring; mind lost: apologise, ending",
    "a session replaced while we speak": "asked: nothing, thinking; voiced: nothing, speaking; "
    "mind lost: restore, restoring; caller started: stop, listening",
    "a wrong key": "broken: apologise, ending; caller started: nothing, ending; expired: hang up, over",
    "a farewell": "asked: nothing, thinking; voiced: nothing, speaking; farewell: take leave, ending; "
    "caller started: nothing, ending; spoken: hang up, over",
    "the caller hangs up": "asked: nothing, thinking; gone: close, over; voiced: nothing, over",
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_story(story: str) -> None:
    turn = Turn()
    for sentence in story.split("; "):
        what, _, expected = sentence.partition(": ")
        action, _, state = expected.partition(", ")
        assert turn.receive(TurnInput(what)) is TurnAction(action), sentence
        assert turn.state is TurnState(state), sentence


@pytest.mark.parametrize("state", [state for state in TurnState if state is not TurnState.OVER])
def test_the_end_of_the_call_ends_every_state(state: TurnState) -> None:
    assert TABLE[state, TurnInput.GONE] == (TurnState.OVER, TurnAction.CLOSE)


@pytest.mark.parametrize("state", [TurnState.RETRYING, TurnState.RESUMED, TurnState.RESTORING])
@pytest.mark.parametrize("what", [TurnInput.MIND_FAILED, TurnInput.MIND_LOST, TurnInput.VOICE_FAILED])
def test_there_is_one_retry(state: TurnState, what: TurnInput) -> None:
    assert TABLE[state, what] == (TurnState.ENDING, TurnAction.APOLOGISE)


def test_nothing_happens_after_the_end() -> None:
    assert not [pair for pair in TABLE if pair[0] is TurnState.OVER]
