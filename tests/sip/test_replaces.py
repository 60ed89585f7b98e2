"""One call takes the place of another (RFC 3891)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Headers
from sipagent.sip.outputs import Acknowledged, Invited
from sipagent.sip.replaces import Replaces
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, SDP, Bench, request
from tests.sip.test_invite_called import answered, standing

TOKENS = st.text("abcXYZ019-.!%*_+`'~@", min_size=1, max_size=20)


def replacing(replaces: str) -> str:
    """An INVITE of somebody else, in a call of its own."""
    return request(
        "INVITE",
        branch="z9hG4bKcarol",
        sender="<sip:carol@127.0.0.2>;tag=carol",
        call_id="call-2",
        headers=[f"Replaces: {replaces}"],
        body=SDP,
    )


OURS = "call-1;to-tag=tag1;from-tag=alice"


@given(call_id=TOKENS, to_tag=TOKENS, from_tag=TOKENS, early=st.booleans())
def test_what_is_written_is_read_back_also_from_inside_a_uri(
    call_id: str, to_tag: str, from_tag: str, early: bool
) -> None:
    replaces = Replaces(call_id=call_id, to_tag=to_tag, from_tag=from_tag, early_only=early)
    assert Replaces.parse(str(replaces)) == replaces
    assert Uri.parse(f"sip:bob@192.0.2.1?{replaces.in_uri}").headers == replaces.in_uri


@pytest.mark.parametrize(
    "text", ["", ";to-tag=1;from-tag=2", "call;to-tag=1", "call;from-tag=2", "call;to-tag;from-tag=2"]
)
def test_what_names_no_dialog_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Replaces"):
        Replaces.parse(text)


def test_there_may_be_one_only() -> None:
    with pytest.raises(ValueError, match="several"):
        Replaces.of_headers(Headers([("Replaces", OURS), ("Replaces", OURS)]))


def test_the_call_that_is_named_is_told_with_the_invite() -> None:
    bench, session = standing()
    bench.receive(replacing(OURS))
    assert bench.lines() == ["100"]
    assert bench.event(Invited).replaces is session


def code_for(bench: Bench, session: InviteSession, replaces: str) -> int:
    bench.receive(replacing(replaces))
    return bench.response().code


@pytest.mark.parametrize(
    ("replaces", "code"),
    [
        ("call-9;to-tag=tag1;from-tag=alice", 481),
        ("call-1;to-tag=tag9;from-tag=alice", 481),
        ("call-1;to-tag=tag1;from-tag=mallory", 481),
        (f"{OURS};early-only", 486),
        ("call-1;to-tag=tag1", 400),
    ],
)
def test_nobody_takes_a_call_that_they_do_not_know_exactly(replaces: str, code: int) -> None:
    assert code_for(*standing(), replaces) == code


def test_a_call_that_rings_is_not_for_others_to_take() -> None:
    bench = Bench()
    bench.receive(request("INVITE", body=SDP))
    session = bench.event(Invited).session
    session.ring(bench.now)
    bench.sent()
    assert code_for(bench, session, OURS) == 481


def test_a_call_that_is_being_hung_up_is_declined() -> None:
    """RFC 3891 section 3: 603 for a dialog that has ended."""
    bench, session = answered()
    session.bye(bench.now)
    bench.sent()
    assert code_for(bench, session, OURS) == 603


def test_the_new_call_stands_and_the_old_one_is_hung_up() -> None:
    bench, old = standing()
    bench.receive(replacing(OURS))
    new = bench.event(Invited).session
    new.accept(ANSWER, bench.now)
    old.bye(bench.now)
    bench.drain()
    assert bench.lines() == ["100", "200", "BYE"]
    bench.receive(
        request(
            "ACK",
            branch="z9hG4bKack2",
            sender="<sip:carol@127.0.0.2>;tag=carol",
            recipient=f"<sip:6001@127.0.0.1>;tag={new.local_tag}",
            call_id="call-2",
        )
    )
    assert any(isinstance(told, Acknowledged) for told in bench.told())
