"""We are called: from the INVITE to the BYE (RFC 3261 sections 9, 13.3, 14 and 15)."""

import pytest

from sipagent.errors import LocalProtocolError
from sipagent.sip.flow import Address
from sipagent.sip.invite import InviteSession
from sipagent.sip.invite_table import SESSION, SessionState
from sipagent.sip.message import Request, Response
from sipagent.sip.outputs import Acknowledged, Cancelled, Ended, Invited, ReAnswered, ReOffered
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, request

TO_US = "<sip:6001@127.0.0.1>;tag=tag1"
"""To of requests in the dialog: tag1 is the first that CountingIds gives."""


def from_caller(method: str, branch: str, *, cseq: int = 2, body: bytes = b"", headers: tuple[str, ...] = ()) -> str:
    """A request of the caller inside the dialog."""
    return request(method, branch=f"z9hG4bK{branch}", recipient=TO_US, cseq=cseq, body=body, headers=headers)


def ringing(body: bytes = SDP) -> tuple[Bench, InviteSession]:
    """An INVITE has come; 100 has left."""
    bench = Bench()
    bench.receive(request("INVITE", body=body))
    assert bench.lines() == ["100"]
    return bench, bench.event(Invited).session


def answered(body: bytes = SDP) -> tuple[Bench, InviteSession]:
    """Our 200 has left; its ACK has not come."""
    bench, session = ringing(body)
    session.accept(ANSWER, bench.now)
    assert bench.lines() == ["200"]
    return bench, session


def standing() -> tuple[Bench, InviteSession]:
    """The call stands."""
    bench, session = answered()
    bench.receive(from_caller("ACK", "ack", cseq=1))
    bench.event(Acknowledged)
    return bench, session


class TestRinging:
    def test_an_invite_is_told_with_its_offer_and_its_people(self) -> None:
        bench = Bench()
        bench.receive(request("INVITE", body=SDP, headers=["X-Ticket: 7"]))
        event = bench.event(Invited)
        assert event.offer == SDP
        session = event.session
        assert not session.outgoing
        assert (session.remote.display_name, session.remote.uri.user, session.local.uri.user) == (
            "Alice",
            "alice",
            "6001",
        )
        assert session.request.first_values()["x-ticket"] == "7"
        assert session.call_id == "call-1"

    def test_a_delayed_offer_is_none(self) -> None:
        bench = Bench()
        bench.receive(request("INVITE"))
        assert bench.event(Invited).offer is None

    def test_180_opens_the_dialog(self) -> None:
        bench = Bench()
        routes = ["Record-Route: <sip:127.0.0.3;lr>, <sip:127.0.0.4;lr>", "Record-Route: <sip:127.0.0.5;lr>"]
        bench.receive(request("INVITE", body=SDP, headers=routes))
        session = bench.event(Invited).session
        bench.sent()
        session.ring(bench.now)
        response = bench.response()
        assert (response.code, response.to.tag) == (180, "tag1")
        assert response.headers.rows("record-route") == ["<sip:127.0.0.3;lr>, <sip:127.0.0.4;lr>", "<sip:127.0.0.5;lr>"]
        assert response.headers.get("contact") == "<sip:sipagent@127.0.0.1:5060>"

    def test_a_repeated_invite_is_answered_from_state(self) -> None:
        bench, session = ringing()
        bench.receive(request("INVITE", body=SDP))
        assert bench.lines() == ["100"]
        session.ring(bench.now)
        bench.receive(request("INVITE", body=SDP))
        assert bench.lines() == ["180", "180"]
        assert bench.told() == []

    def test_early_media_has_its_body(self) -> None:
        bench, session = ringing()
        session.ring(bench.now, code=183, body=ANSWER)
        response = bench.response()
        assert (response.code, response.body) == (183, ANSWER)
        assert response.headers.get("content-type") == "application/sdp"

    def test_a_rejection_is_repeated_until_its_ack(self) -> None:
        bench, session = ringing()
        session.reject(486, bench.now, reason="Too Busy", headers=[("Retry-After", "5")])
        response = bench.response()
        assert (response.code, response.reason, response.headers.get("retry-after")) == (486, "Too Busy", "5")
        bench.advance(1.5)
        assert bench.lines() == ["486", "486"]
        bench.receive(request("ACK", recipient=TO_US))
        bench.advance(40.0)
        assert bench.lines() == []
        assert bench.told() == []
        assert bench.agent.idle

    def test_hanging_up_before_the_answer_is_480(self) -> None:
        bench, session = ringing()
        session.bye(bench.now, reason="the scenario broke")
        response = bench.response()
        assert (response.code, response.reason) == (480, "Temporarily Unavailable")
        assert response.headers.get("reason") == 'SIP;text="the scenario broke"'


class TestReliableRinging:
    """The caller requires 100rel (RFC 3262): each of our 1xx waits for its PRACK."""

    def rings(self) -> tuple[Bench, InviteSession, str]:
        """180 has left; also returns the RAck that it waits for."""
        bench = Bench()
        bench.receive(request("INVITE", body=SDP, headers=["Require: 100rel"]))
        session = bench.event(Invited).session
        bench.sent()
        session.ring(bench.now)
        response = bench.response()
        assert (response.code, response.headers.get("require")) == (180, "100rel")
        return bench, session, f"RAck: {response.headers.get('rseq')} 1 INVITE"

    def test_180_is_repeated_until_its_prack(self) -> None:
        bench, _, rack = self.rings()
        bench.advance(0.5)
        assert bench.lines() == ["180"]
        bench.receive(from_caller("PRACK", "prack", headers=(rack,)))
        assert bench.lines() == ["200"]
        bench.advance(5.0)
        assert bench.lines() == []

    def test_a_prack_that_comes_after_our_200_is_taken(self) -> None:
        """Asterisk 16 ends the call when it is not."""
        bench, session, rack = self.rings()
        session.accept(ANSWER, bench.now)
        assert bench.lines() == ["200"]
        bench.receive(from_caller("PRACK", "prack", headers=(rack,)))
        response = bench.response()
        assert (response.code, response.headers.get("cseq")) == (200, "2 PRACK")
        bench.receive(from_caller("ACK", "ack", cseq=1))
        bench.event(Acknowledged)
        bench.advance(40.0)
        assert bench.lines() == []

    def test_a_prack_of_nothing_is_481(self) -> None:
        bench, session, _ = self.rings()
        session.accept(ANSWER, bench.now)
        bench.sent()
        bench.receive(from_caller("PRACK", "prack", headers=("RAck: 1 1 INVITE",)))
        assert bench.lines() == ["481"]


class TestTakenBack:
    def test_cancel_is_200_and_the_invite_487(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        bench.sent()
        bench.receive(request("CANCEL"))
        ok, terminated = bench.sent()
        assert (ok.headers.get("cseq"), terminated.headers.get("cseq")) == ("1 CANCEL", "1 INVITE")
        assert isinstance(ok, Response)
        assert isinstance(terminated, Response)
        assert ok.to.tag == terminated.to.tag == "tag1"
        assert bench.event(Cancelled).session is session
        bench.receive(request("ACK", recipient=TO_US))
        bench.advance(40.0)
        assert bench.agent.idle

    def test_a_cancelled_call_cannot_be_answered(self) -> None:
        bench, session = ringing()
        bench.receive(request("CANCEL"))
        bench.sent()
        session.ring(bench.now)
        session.accept(ANSWER, bench.now)
        session.bye(bench.now)
        assert bench.lines() == []

    def test_cancel_after_the_answer_changes_nothing(self) -> None:
        bench, session = answered()
        bench.receive(request("CANCEL"))
        assert bench.response().to.tag == "tag1"
        assert bench.told() == []
        assert session.state is SessionState.ACCEPTED

    def test_cancel_is_found_whatever_its_to_tag(self) -> None:
        bench, _ = ringing()
        bench.receive(request("CANCEL", recipient="<sip:6001@127.0.0.1>;tag=made-up"))
        assert bench.lines() == ["200", "487"]

    def test_bye_in_the_early_dialog_ends_it(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        bench.sent()
        bench.receive(from_caller("BYE", "bye"))
        assert bench.lines() == ["200", "487"]
        bench.event(Cancelled)


class TestAnswered:
    def test_200_carries_what_a_dialog_needs(self) -> None:
        bench, session = ringing()
        session.accept(ANSWER, bench.now)
        ok = bench.response()
        assert (ok.code, ok.to.tag, ok.body) == (200, "tag1", ANSWER)
        assert ok.headers.get("contact") == "<sip:sipagent@127.0.0.1:5060>"
        assert ok.headers.get("allow") is not None
        assert ok.headers.get("content-type") == "application/sdp"

    def test_200_is_repeated_from_t1_to_t2_until_the_ack(self) -> None:
        bench, _ = answered()
        bench.advance(12.0)
        assert [time for time, _, _ in bench.timed()] == [0.5, 1.5, 3.5, 7.5, 11.5]
        bench.receive(from_caller("ACK", "ack", cseq=1))
        assert bench.event(Acknowledged).answer is None
        bench.advance(60.0)
        assert bench.sent() == []

    def test_a_repeated_ack_is_silent(self) -> None:
        bench, _ = standing()
        bench.receive(from_caller("ACK", "ack", cseq=1))
        assert bench.told() == []

    def test_the_ack_of_a_delayed_offer_brings_the_answer(self) -> None:
        bench, _ = answered(body=b"")
        bench.receive(from_caller("ACK", "ack", cseq=1, body=SDP))
        assert bench.event(Acknowledged).answer == SDP

    def test_without_an_ack_the_call_ends_after_64_t1(self) -> None:
        bench, session = answered()
        bench.advance(31.9)
        assert bench.told() == []
        bench.sent()
        bench.advance(0.2)
        bye = bench.request()
        assert (bye.method, bye.uri) == ("BYE", "sip:alice@127.0.0.2:5060")
        ended = bench.event(Ended)
        assert (ended.by, ended.reason) == ("network", "our 200 OK was never acknowledged")
        bench.receive(answer(bye, 200))
        bench.advance(40.0)
        assert session.state is SessionState.ENDED
        assert bench.agent.idle

    def test_an_ack_with_a_made_up_tag_is_found_by_call_id_and_cseq(self) -> None:
        bench, _ = answered()
        bench.receive(request("ACK", branch="z9hG4bKack", recipient="<sip:6001@127.0.0.1>;tag=made-up"))
        bench.event(Acknowledged)
        assert bench.agent.counters["ack-by-call-id"] == 1

    def test_an_ack_with_the_branch_of_its_invite_is_found_too(self) -> None:
        bench, _ = answered()
        bench.receive(request("ACK", recipient=TO_US))
        bench.event(Acknowledged)

    def test_an_ack_of_another_invite_is_not_ours(self) -> None:
        bench, _ = answered()
        bench.receive(from_caller("ACK", "ack", cseq=9))
        assert bench.told() == []

    def test_hanging_up_before_the_ack_waits_for_it(self) -> None:
        bench, session = answered()
        session.bye(bench.now, reason="done")
        assert bench.event(Ended).by == "us"
        assert bench.lines() == []
        bench.advance(0.5)
        assert bench.lines() == ["200"]
        bench.receive(from_caller("ACK", "ack", cseq=1))
        assert bench.lines() == ["BYE"]
        assert bench.told() == []

    def test_hanging_up_before_an_ack_that_never_comes_says_bye_at_last(self) -> None:
        bench, session = answered()
        session.bye(bench.now)
        bench.event(Ended)
        bench.advance(32.0)
        assert bench.lines()[-1] == "BYE"
        assert bench.told() == []
        bench.advance(40.0)
        assert bench.agent.idle

    def test_hanging_up_before_the_ack_while_the_caller_hangs_up(self) -> None:
        bench, session = answered()
        session.bye(bench.now)
        bench.event(Ended)
        bench.receive(from_caller("BYE", "bye"))
        bench.advance(40.0)
        assert bench.lines() == ["200"]
        assert bench.told() == []
        assert bench.agent.idle

    def test_a_bye_of_the_caller_may_come_before_the_ack(self) -> None:
        bench, _ = answered()
        bench.receive(from_caller("BYE", "bye"))
        assert bench.lines() == ["200"]
        assert bench.event(Ended).by == "caller"
        bench.advance(60.0)
        assert bench.lines() == []
        assert bench.agent.idle

    def test_answering_twice_is_our_own_mistake(self) -> None:
        bench, session = answered()
        with pytest.raises(LocalProtocolError, match="cannot accept a session that is accepted"):
            session.accept(ANSWER, bench.now)


class TestHangingUp:
    def test_the_caller_hangs_up(self) -> None:
        bench, _ = standing()
        bench.receive(from_caller("BYE", "bye", headers=('Reason: Q.850;cause=16;text="Normal clearing"',)))
        assert bench.lines() == ["200"]
        ended = bench.event(Ended)
        assert (ended.by, ended.reason) == ("caller", "Normal clearing")
        bench.receive(from_caller("BYE", "bye"))
        bench.receive(from_caller("BYE", "bye-again", cseq=3))
        assert bench.lines() == ["200", "481"]

    def test_we_hang_up(self) -> None:
        bench, session = standing()
        session.bye(bench.now, reason='"bye" said')
        bye = bench.request()
        assert (bye.method, str(bye.cseq), bye.from_.tag, bye.to.tag) == ("BYE", "1 BYE", "tag1", "alice")
        assert bye.headers.get("reason") == 'SIP;text="\\"bye\\" said"'
        ended = bench.event(Ended)
        assert (ended.by, ended.reason) == ("us", '"bye" said')
        session.bye(bench.now)
        assert bench.lines() == []
        bench.receive(answer(bye, 200))
        bench.advance(40.0)
        assert bench.agent.idle

    @pytest.mark.parametrize("code", [481, 408, 500])
    def test_a_bye_ends_the_session_whatever_the_answer(self, code: int) -> None:
        bench, session = standing()
        session.bye(bench.now)
        bench.receive(answer(bench.request(), code))
        assert session.state is SessionState.ENDED

    def test_a_bye_that_nobody_answers_ends_the_session(self) -> None:
        bench, session = standing()
        session.bye(bench.now)
        bench.advance(33.0)
        assert session.state is SessionState.ENDED
        assert bench.agent.idle

    def test_both_hang_up_at_once(self) -> None:
        bench, session = standing()
        session.bye(bench.now)
        bye = bench.request()
        bench.receive(from_caller("BYE", "bye"))
        assert bench.lines() == ["200"]
        bench.receive(answer(bye, 481))
        assert [event.by for event in bench.told() if isinstance(event, Ended)] == ["us"]
        bench.advance(40.0)
        assert bench.agent.idle

    def test_a_late_request_of_the_past_is_500(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", cseq=7, body=SDP))
        session.answer_offer(ANSWER, bench.now)
        bench.sent()
        bench.receive(from_caller("BYE", "late", cseq=3))
        assert bench.lines() == ["500"]

    def test_options_in_the_call_is_200(self) -> None:
        bench, _ = standing()
        bench.receive(from_caller("OPTIONS", "opt"))
        assert bench.lines() == ["200"]


class TestReInvite:
    def test_an_offer_is_told_and_answered(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        assert bench.lines() == []
        assert bench.event(ReOffered).offer == SDP
        session.answer_offer(ANSWER, bench.now)
        ok = bench.response()
        assert (ok.code, ok.to.tag, ok.body) == (200, "tag1", ANSWER)
        bench.advance(0.5)
        assert bench.lines() == ["200"]
        bench.receive(from_caller("ACK", "re-ack"))
        assert bench.told() == []
        bench.advance(60.0)
        assert bench.lines() == []

    def test_without_an_offer_our_200_has_one_and_the_ack_its_answer(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re"))
        assert bench.event(ReOffered).offer is None
        session.answer_offer(ANSWER, bench.now)
        bench.receive(from_caller("ACK", "re-ack", body=SDP))
        assert bench.event(ReAnswered).answer == SDP

    def test_a_refused_offer_leaves_the_call_standing(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        session.refuse_offer(488, bench.now)
        assert bench.lines() == ["488"]
        bench.receive(request("ACK", branch="z9hG4bKre", recipient=TO_US, cseq=2))
        assert session.state is SessionState.ESTABLISHED

    def test_one_offer_at_a_time(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        bench.receive(from_caller("INVITE", "re2", cseq=3, body=SDP))
        response = bench.response()
        assert (response.code, response.headers.get("retry-after")) == (500, "4")
        session.answer_offer(ANSWER, bench.now)
        assert bench.lines() == ["200"]

    def test_a_re_invite_before_the_first_answer_is_500(self) -> None:
        bench, _ = ringing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        assert bench.lines() == ["500"]

    def test_a_re_invite_can_be_taken_back(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        bench.receive(from_caller("CANCEL", "re"))
        assert bench.lines() == ["200", "487"]
        session.answer_offer(ANSWER, bench.now)
        assert bench.lines() == []
        assert session.state is SessionState.ESTABLISHED

    def test_hanging_up_leaves_no_offer_open(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        session.bye(bench.now)
        assert bench.lines() == ["BYE", "487"]

    def test_without_an_ack_the_call_ends(self) -> None:
        bench, session = standing()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        session.answer_offer(ANSWER, bench.now)
        bench.advance(32.0)
        assert bench.lines()[-1] == "BYE"
        assert [event.by for event in bench.told() if isinstance(event, Ended)] == ["network"]

    def test_the_next_request_goes_to_the_new_contact(self) -> None:
        bench, session = standing()
        bench.receive(
            from_caller("INVITE", "re", body=SDP).replace("alice@127.0.0.2:5060>\r\n", "alice@127.0.0.8>\r\n")
        )
        session.answer_offer(ANSWER, bench.now)
        bench.receive(from_caller("ACK", "re-ack"))
        bench.sent()
        session.bye(bench.now)
        ((_, bye, flow),) = bench.timed()
        assert isinstance(bye, Request)
        assert (bye.uri, flow.remote) == ("sip:alice@127.0.0.8", Address("127.0.0.8", 5060))


def test_a_bye_takes_the_route_of_the_invite() -> None:
    bench = Bench()
    bench.receive(request("INVITE", body=SDP, headers=["Record-Route: <sip:127.0.0.3;lr>"]), PEER)
    session = bench.event(Invited).session
    session.accept(ANSWER, bench.now)
    bench.receive(from_caller("ACK", "ack", cseq=1))
    bench.sent()
    session.bye(bench.now)
    ((_, bye, flow),) = bench.timed()
    assert bye.headers.rows("route") == ["<sip:127.0.0.3;lr>"]
    assert flow.remote == Address("127.0.0.3", 5060)


def test_every_state_of_the_table_can_be_reached_and_left() -> None:
    from_states = {state for state, _ in SESSION}
    to_states = {state for state, _ in SESSION.values()}
    assert from_states - to_states == {SessionState.CALLING, SessionState.INVITED} - to_states
    assert to_states - from_states == {SessionState.ENDED}
