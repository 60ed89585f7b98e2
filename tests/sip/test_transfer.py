"""A transfer as its table: what is done about everything that can happen, and that the caller is never lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.sip.transfer import (
    CONSULTATION,
    HAND_OVER,
    RING_TIME,
    TRANSFER,
    TransferAction,
    TransferInput,
    TransferMachine,
    TransferMode,
    TransferState,
    answer_to_refer,
    outcome_of_refer,
)

A, In, M, S = TransferAction, TransferInput, TransferMode, TransferState


def story(mode: TransferMode, *inputs: TransferInput, consults: bool = False) -> list[str]:
    """Begin, let it happen, and return what was done, in words."""
    machine = TransferMachine(mode, consults=consults)
    machine.begin(0.0)
    for what in inputs:
        machine.receive(what, 1.0)
    return [step.action.value for step in machine.outputs()]


RING, REFER, CALL = A.KEEP_COMPANY.value, A.SEND_REFER.value, A.CALL_TARGET.value
OFF_CALLER, OFF_TARGET, BACK = A.RELEASE_CALLER.value, A.RELEASE_TARGET.value, A.RESUME.value


def test_blind() -> None:
    assert story(M.REFER, In.ACCEPTED, In.RINGING, In.ANSWERED) == [
        *(RING, REFER, "accepted", "ringing", "answered", OFF_CALLER)
    ]


def test_blind_and_the_target_is_busy() -> None:
    assert story(M.REFER, In.ACCEPTED, In.UNREACHED) == [RING, REFER, "accepted", BACK, "failed"]


def test_blind_and_the_last_notify_is_lost_to_the_bye() -> None:
    assert story(M.REFER, In.ACCEPTED, In.CALLER_GONE) == [RING, REFER, "accepted", "answered"]


def test_a_caller_who_hangs_up_before_the_refer_was_accepted_has_gone_nowhere() -> None:
    assert story(M.REFER, In.CALLER_GONE) == [RING, REFER, "failed"]


@pytest.mark.parametrize("code", [403, 405, 501, 603])
def test_where_refer_is_refused_we_join_both(code: int) -> None:
    done = story(M.AUTO, In.RINGING, In.ANSWERED, In.AGREED, answer_to_refer(code))
    assert done == [RING, CALL, "ringing", A.CONSULT.value, A.SEND_REFER_REPLACES.value, A.JOIN.value, "answered"]


@pytest.mark.parametrize("code", [403, 603])
def test_by_refer_only(code: int) -> None:
    assert story(M.REFER, answer_to_refer(code)) == [RING, REFER, BACK, "failed"]


@pytest.mark.parametrize("code", [408, 481])
def test_a_call_that_is_dead_is_not_joined_to_anybody(code: int) -> None:
    assert story(M.REFER, answer_to_refer(code)) == [RING, REFER, BACK, "failed"]


def test_a_bridge_never_refers() -> None:
    done = story(M.BRIDGE, In.ANSWERED, In.AGREED, In.TARGET_GONE)
    assert done == [RING, CALL, A.CONSULT.value, A.JOIN.value, "answered", OFF_CALLER]


def test_the_caller_ends_a_bridge() -> None:
    assert story(M.BRIDGE, In.ANSWERED, In.AGREED, In.CALLER_GONE)[-1] == OFF_TARGET


CONSULTED = [RING, CALL, A.CONSULT.value]


@pytest.mark.parametrize("mode", [M.REFER, M.AUTO])
def test_attended(mode: TransferMode) -> None:
    done = story(mode, In.ANSWERED, In.AGREED, In.ACCEPTED, In.ANSWERED, consults=True)
    assert done == [*CONSULTED, A.SEND_REFER_REPLACES.value, "answered", OFF_CALLER, OFF_TARGET]


@pytest.mark.parametrize("last", [In.ANSWERED, In.CALLER_GONE])
def test_attended_and_the_target_hangs_up_on_us_as_it_must(last: TransferInput) -> None:
    done = story(M.AUTO, In.ANSWERED, In.AGREED, In.ACCEPTED, In.TARGET_GONE, last, consults=True)
    assert "answered" in done
    assert OFF_TARGET not in done


def test_attended_and_refused_is_joined() -> None:
    done = story(M.AUTO, In.ANSWERED, In.AGREED, answer_to_refer(501), consults=True)
    assert done == [*CONSULTED, A.SEND_REFER_REPLACES.value, A.JOIN.value, "answered"]


def test_attended_by_refer_only_and_refused() -> None:
    done = story(M.REFER, In.ANSWERED, In.AGREED, answer_to_refer(501), consults=True)
    assert done == [*CONSULTED, A.SEND_REFER_REPLACES.value, OFF_TARGET, BACK, "failed"]


@pytest.mark.parametrize("what", [In.DECLINED, In.CANCELLED, In.LATE])
def test_the_target_does_not_take_the_caller(what: TransferInput) -> None:
    assert story(M.AUTO, In.ANSWERED, what, consults=True) == [*CONSULTED, OFF_TARGET, BACK, "failed"]


@pytest.mark.parametrize(
    ("state", "code", "meaning"),
    [
        (S.REFERRED, 200, In.ANSWERED),
        (S.REFERRED, 486, In.UNREACHED),
        (S.REFERRED, 0, In.UNREACHED),
        (S.HANDING_OVER, 481, In.REFUSED),
        (S.TAKEN_OVER, 0, In.REFUSED),
    ],
)
def test_what_the_last_notify_means(state: TransferState, code: int, meaning: TransferInput) -> None:
    assert outcome_of_refer(state, code) is meaning


def test_a_caller_who_is_joined_because_refer_was_refused_has_the_target_all_the_same() -> None:
    machine = TransferMachine(M.AUTO, consults=True)
    machine.begin(0.0)
    machine.receive(In.ANSWERED, 1.0, code=200, reason="OK")
    machine.receive(In.AGREED, 2.0)
    machine.receive(answer_to_refer(603), 3.0, code=603, reason="Decline")
    last = machine.outputs()[-1]
    assert (last.action, last.code, last.reason) == (A.REPORT_ANSWERED, 200, "OK")


def test_nobody_answers() -> None:
    machine = TransferMachine(M.BRIDGE, consults=False)
    machine.begin(10.0)
    machine.receive(In.RINGING, 12.0)
    assert machine.next_timer() == 10.0 + RING_TIME
    machine.handle_timer(10.0 + RING_TIME - 0.01)
    assert machine.state is S.CALLING
    machine.handle_timer(10.0 + RING_TIME)
    assert machine.is_over
    assert [step.action for step in machine.outputs()][-3:] == [A.RELEASE_TARGET, A.RESUME, A.REPORT_FAILED]
    assert machine.next_timer() is None


def test_a_consultation_without_end() -> None:
    machine = TransferMachine(M.AUTO, consults=True)
    machine.begin(0.0)
    machine.receive(In.ANSWERED, 5.0)
    assert machine.next_timer() == 5.0 + CONSULTATION
    machine.handle_timer(5.0 + CONSULTATION)
    last = machine.outputs()[-1]
    assert (last.action, last.code) == (A.REPORT_FAILED, 408)


@pytest.mark.parametrize(("mode", "last"), [(M.AUTO, A.REPORT_ANSWERED), (M.REFER, A.REPORT_FAILED)])
def test_a_hand_over_of_which_nothing_comes(mode: TransferMode, last: TransferAction) -> None:
    machine = TransferMachine(mode, consults=True)
    machine.begin(0.0)
    for what in (In.ANSWERED, In.AGREED, In.ACCEPTED):
        machine.receive(what, 1.0)
    machine.handle_timer(1.0 + HAND_OVER)
    assert machine.outputs()[-1].action is last


def test_an_accepted_refer_cannot_be_taken_back() -> None:
    assert story(M.REFER, In.ACCEPTED, In.CANCELLED) == [RING, REFER, "accepted"]


REACTIONS = st.sampled_from([what for what in In if what not in (In.REFER, In.CALL, In.AGREED_TO_JOIN)])


@given(st.sampled_from(list(M)), st.booleans(), st.lists(REACTIONS))
def test_whatever_happens_the_caller_is_not_lost(
    mode: TransferMode, consults: bool, happens: list[TransferInput]
) -> None:
    """A failure gives a caller who is still there back; an outcome is reported once; nobody stays on the line alone."""
    machine = TransferMachine(mode, consults=consults)
    machine.begin(0.0)
    for what in happens:
        machine.receive(what, 1.0)
    done = [step.action for step in machine.outputs()]
    outcomes = [action for action in done if action in (A.REPORT_ANSWERED, A.REPORT_FAILED)]
    assert len(outcomes) == (machine.is_over or machine.state is S.JOINED)
    if machine.state is S.FAILED:
        assert done.count(A.RESUME) == 1 or In.CALLER_GONE in happens
    if machine.state is S.DONE:
        assert A.RESUME not in done
    if machine.is_over and A.CONSULT in done and In.TARGET_GONE not in happens:
        assert A.RELEASE_TARGET in done
    if mode is M.BRIDGE:
        assert not {A.SEND_REFER, A.SEND_REFER_REPLACES} & set(done)
    if mode is M.REFER:
        assert A.JOIN not in done


def test_every_row_of_the_table_is_reached_by_a_story_or_a_random_walk() -> None:
    reached = {S.WANTED}
    for (state, _), (after, _) in sorted(TRANSFER.items(), key=lambda row: list(S).index(row[0][0])):
        assert state in reached
        reached.add(after)
    assert reached == set(S)
