"""The response slot: one at a time, the queue, crossing requests, the dead."""

from sipagent.providers.openai_responses import Request, Responses, SlotState


def test_one_at_a_time() -> None:
    slot = Responses()
    assert slot.ask(None) == [Request(1)]
    assert slot.ask("Greet.") == []
    assert not slot.created("r1", "1")
    assert slot.active == "r1"
    assert slot.done("r1") == [Request(2, "Greet.")]
    assert slot.state is SlotState.ASKED


def test_two_plain_wishes_are_one() -> None:
    slot = Responses()
    slot.ask(None)
    slot.created("r1", "1")
    assert [slot.ask(None), slot.ask(None)] == [[], []]
    assert len(slot.done("r1")) == 1
    slot.created("r2", "2")
    assert slot.done("r2") == []


def test_ours_is_refused_because_the_server_began_its_own() -> None:
    slot = Responses()
    slot.ask(None)
    slot.created("server's", None)
    assert slot.refused(1) == []
    assert slot.done("server's") == [Request(1)]


def test_refused_before_the_server_s_own_is_seen() -> None:
    slot = Responses()
    slot.ask(None)
    assert slot.refused(1) == []
    slot.created("server's", None)
    assert slot.done("server's") == [Request(1)]


def test_a_refusal_of_something_else_changes_nothing() -> None:
    slot = Responses()
    slot.ask(None)
    assert slot.refused(99) == []
    assert slot.state is SlotState.ASKED


def test_the_end_of_a_response_that_was_never_seen_to_begin() -> None:
    slot = Responses()
    slot.ask(None)
    slot.ask("Next.")
    assert slot.done("r1") == [Request(2, "Next.")]


def test_the_end_of_another_response_does_not_free_the_slot() -> None:
    slot = Responses()
    slot.ask(None)
    slot.created("r1", "1")
    assert slot.done("out of band") == []
    assert slot.active == "r1"


def test_interruption_kills_what_runs_and_what_is_on_its_way() -> None:
    slot = Responses()
    slot.created("r1", None)
    slot.interrupt(forget_waiting=True)
    assert slot.is_dead("r1")
    slot.done("r1")
    slot.ask(None)
    slot.interrupt(forget_waiting=True)
    assert slot.created("r2", "1"), "cancel it"
    assert slot.is_dead("r2")


def test_what_waits_is_forgotten_when_the_server_answers_the_caller_itself() -> None:
    slot = Responses()
    slot.created("r1", None)
    slot.ask("Remind him.")
    slot.interrupt(forget_waiting=True)
    assert slot.done("r1") == []


def test_what_waits_stays_when_the_server_does_not() -> None:
    slot = Responses()
    slot.created("r1", None)
    slot.ask("Remind him.")
    slot.interrupt(forget_waiting=False)
    assert slot.done("r1") == [Request(1, "Remind him.")]


def test_an_unwanted_request_is_not_made_again() -> None:
    slot = Responses()
    slot.ask(None)
    slot.interrupt(forget_waiting=True)
    assert slot.refused(1) == []
    slot.created("server's", None)
    assert slot.done("server's") == []


def test_a_new_session_starts_free_and_the_old_one_is_dead() -> None:
    slot = Responses()
    slot.created("r1", None)
    slot.ask(None)
    slot.reset()
    assert slot.is_dead("r1")
    assert slot.ask(None) == [Request(2)]


def test_a_request_names_itself_so_that_its_response_is_known() -> None:
    frame = Request(3, "Greet.").frame()
    assert frame == {
        "type": "response.create",
        "event_id": "response-3",
        "response": {"metadata": {"request": "3"}, "instructions": "Greet."},
    }
