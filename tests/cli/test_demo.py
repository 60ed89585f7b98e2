"""`sipagent demo`: what it makes of its own call. The whole of it is run by `make demo ARGS=--once`."""

import pytest

from sipagent import AgentSaid, CallerSaid, Disconnected, Event, SpeechEnded
from sipagent.cli.demo import Judge
from sipagent.events import CallAnswered, CallReceived, MediaStarted, Stamped
from tests.cli.conftest import Command

GOOD: tuple[Event, ...] = (
    CallReceived(caller="sip:a@b", called="sip:c@d"),
    CallAnswered(codec="pcmu"),
    AgentSaid(heard_text="Hello!", generated_text="Hello!"),
    SpeechEnded(),
    MediaStarted(source="cartesia"),
    CallerSaid(text="what are your opening hours"),
    AgentSaid(heard_text="We are open.", generated_text="We are open."),
    Disconnected(),
)


def judged(*events: Event, call_id: str = "a84b4c76-e66710@pc") -> Judge:
    judge = Judge()
    judge.take(Stamped(time=0.0, call_id="", event=Disconnected()))
    for number, event in enumerate(events):
        judge.take(Stamped(time=0.1 * number, call_id=call_id, event=event))
    return judge


def test_a_call_that_was_understood_and_answered_is_right() -> None:
    judge = judged(*GOOD)
    assert judge.is_right
    assert judge.over.is_set()
    assert judge.verdict == "It works: the caller was understood and answered, 100 ms from turn to answer."
    assert judge.pattern == "*-a84b4c76e667.*"


@pytest.mark.parametrize(
    "events",
    [
        GOOD[:3] + GOOD[-1:],
        tuple(event for event in GOOD if not isinstance(event, CallerSaid)),
        (*GOOD[:-2], AgentSaid(heard_text="", generated_text="We are open.", interrupted=True), Disconnected()),
        (),
    ],
    ids=["nothing said", "not understood", "answer not heard", "no call"],
)
def test_anything_less_is_wrong(events: tuple[Event, ...]) -> None:
    judge = judged(*events)
    assert not judge.is_right
    assert "Something is wrong" in judge.verdict


def test_only_the_first_call_counts() -> None:
    judge = judged(*GOOD[:2])
    judge.take(Stamped(time=1.0, call_id="another", event=Disconnected()))
    assert not judge.over.is_set()


def test_an_option_that_is_not_there(sipagent: Command) -> None:
    result = sipagent("demo", "--twice")
    assert result.exit_code == 2
    assert "--twice" in result.stderr
