"""Before the answer: reliable provisionals both ways (RFC 3262), early dialogs, redirections, longer intervals."""

import pytest

from sipagent.errors import Outcome
from sipagent.sip.calling import Follow, nowhere
from sipagent.sip.flow import Address
from sipagent.sip.invite import InviteSession
from sipagent.sip.invite_table import SessionState
from sipagent.sip.message import Request, Response
from sipagent.sip.outcome import outcome_of
from sipagent.sip.outputs import (
    Acknowledged,
    Answered,
    Cancelled,
    Invited,
    OfferDue,
    Progress,
    ReAnswered,
    Refused,
    ReofferAnswered,
    ReOffered,
)
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, flow_from, request
from tests.sip.test_invite_called import from_caller
from tests.sip.test_invite_calling import ALICE, from_callee

RELIABLY = "Require: 100rel"
UPDATES = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK"


def ringing(body: bytes = SDP) -> tuple[Bench, InviteSession]:
    """Somebody calls who wants reliable provisionals."""
    bench = Bench()
    bench.receive(request("INVITE", body=body, headers=[RELIABLY]))
    assert bench.lines() == ["100"]
    return bench, bench.event(Invited).session


def prack(to: Response | Request, branch: str = "prack", *, cseq: int = 2, body: bytes = b"") -> str:
    """The caller's PRACK of a 1xx of ours."""
    rack = f"RAck: {to.headers.get('rseq')} {to.headers.get('cseq')}"
    return from_caller("PRACK", branch, cseq=cseq, headers=(rack,), body=body)


def calling(follow: Follow = nowhere) -> tuple[Bench, InviteSession, Request]:
    """Our INVITE has left."""
    bench = Bench()
    session = bench.agent.invite(
        target=Uri.parse("sip:bob@127.0.0.2"),
        flow=flow_from(PEER),
        identity=ALICE,
        offer=ANSWER,
        now=bench.now,
        follow=follow,
    )
    return bench, session, bench.request()


def reliable(invite: Request, rseq: int, *, code: int = 183, tag: str = "peer", body: bytes = b"") -> str:
    """A 1xx of the callee that wants a PRACK."""
    return answer(invite, code, tag=tag, headers=[RELIABLY, f"RSeq: {rseq}", UPDATES], body=body)


class TestCalledReliably:
    def test_a_1xx_is_repeated_until_its_prack(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        bench.drain()
        bench.advance(4.0)
        times = [time for time, _, _ in bench.timed()]
        assert times == [0.0, 0.5, 1.5, 3.5]
        session.ring(bench.now)  # the second waits for the first
        assert bench.lines() == []

    def test_the_next_one_leaves_with_the_next_number(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        session.ring(bench.now, code=183, body=ANSWER)
        first = bench.response()
        assert (first.code, first.headers.get("require"), first.headers.get("rseq")) == (180, "100rel", str(2**30))
        bench.receive(prack(first))
        ok, second = bench.sent()
        assert isinstance(ok, Response)
        assert (ok.code, str(ok.cseq)) == (200, "2 PRACK")
        assert (second.body, second.headers.get("rseq")) == (ANSWER, str(2**30 + 1))
        bench.receive(prack(second, "prack2", cseq=3))
        bench.sent()
        bench.advance(40.0)
        assert bench.lines() == []

    def test_a_prack_of_nothing_is_481(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        first = bench.response()
        bench.receive(from_caller("PRACK", "a", cseq=2, headers=("RAck: 7 1 INVITE",)))
        bench.receive(from_caller("PRACK", "b", cseq=3))
        bench.receive(prack(first, "c", cseq=4))
        bench.receive(prack(first, "d", cseq=5))
        assert bench.lines() == ["481", "481", "200", "481"]

    def test_without_a_prack_the_call_is_refused(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        bench.advance(32.0)
        assert bench.lines()[-1] == "504"
        bench.event(Cancelled)
        assert session.state is SessionState.ENDED

    def test_the_prack_of_a_1xx_without_a_description_leaves_their_offer_open(self) -> None:
        bench, session = ringing()
        session.ring(bench.now)
        bench.receive(prack(bench.response()))
        bench.receive(from_caller("UPDATE", "up", cseq=3, body=SDP))
        assert bench.lines() == ["200", "500"]
        session.accept(ANSWER, bench.now)
        assert bench.response().body == ANSWER

    def test_the_200_waits_for_the_prack_of_our_description_and_does_not_repeat_it(self) -> None:
        bench, session = ringing()
        session.ring(bench.now, code=183, body=ANSWER)
        early = bench.response()
        session.accept(ANSWER, bench.now)
        assert bench.lines() == []
        bench.receive(prack(early))
        _, ok = bench.sent()
        assert isinstance(ok, Response)
        assert (ok.code, str(ok.cseq), ok.body) == (200, "1 INVITE", b"")
        bench.receive(from_caller("ACK", "ack", cseq=1))
        bench.event(Acknowledged)

    @pytest.mark.parametrize("method", ["CANCEL", "BYE"])
    def test_a_call_given_up_while_its_200_waits(self, method: str) -> None:
        bench, session = ringing()
        session.ring(bench.now, code=183, body=ANSWER)
        bench.sent()
        session.accept(ANSWER, bench.now)
        bench.receive(request("CANCEL") if method == "CANCEL" else from_caller("BYE", "bye"))
        assert bench.lines() == ["200", "487"]
        bench.event(Cancelled)

    def test_we_hang_up_while_our_200_waits(self) -> None:
        bench, session = ringing()
        session.ring(bench.now, code=183, body=ANSWER)
        bench.sent()
        session.accept(ANSWER, bench.now)
        session.bye(bench.now)
        assert bench.lines() == ["480"]
        assert bench.told() == []

    def test_without_their_offer_our_first_1xx_has_ours_and_the_prack_its_answer(self) -> None:
        bench, session = ringing(body=b"")
        assert session.must_offer_early
        session.ring(bench.now, body=ANSWER)
        early = bench.response()
        assert early.body == ANSWER
        bench.receive(prack(early, body=SDP))
        assert bench.event(ReAnswered).answer == SDP
        session.accept(ANSWER, bench.now)
        assert bench.sent()[-1].body == b""

    def test_a_prack_may_carry_an_offer_of_its_own(self) -> None:
        bench, session = ringing()
        session.ring(bench.now, code=183, body=ANSWER)
        bench.receive(prack(bench.response(), body=SDP))
        assert bench.lines() == []
        assert bench.event(ReOffered).offer == SDP
        session.answer_offer(ANSWER, bench.now)
        ok = bench.response()
        assert (str(ok.cseq), ok.body) == ("2 PRACK", ANSWER)

    def test_what_is_settled_early_can_be_changed_by_both(self) -> None:
        bench, session = ringing()
        session.ring(bench.now, code=183, body=ANSWER)
        bench.receive(prack(bench.response()).replace("Max-", f"{UPDATES}\r\nMax-"))
        bench.sent()
        bench.receive(from_caller("UPDATE", "up", cseq=3, body=SDP, headers=(UPDATES,)))
        bench.event(ReOffered)
        session.renegotiate(bench.now)
        session.answer_offer(ANSWER, bench.now)
        bench.sent()
        bench.event(OfferDue)
        session.reoffer(lambda: ANSWER, bench.now)
        update = bench.request()
        assert update.method == "UPDATE"
        bench.receive(answer(update, 200, body=SDP))
        bench.event(ReofferAnswered)

    def test_who_does_not_ask_for_it_gets_plain_ones(self) -> None:
        bench = Bench()
        bench.receive(request("INVITE", body=SDP, headers=["Supported: 100rel"]))
        bench.event(Invited).session.ring(bench.now)
        assert bench.sent()[-1].headers.get("rseq") is None


class TestCallingReliably:
    def test_a_reliable_1xx_is_acknowledged_in_its_dialog(self) -> None:
        bench, _, invite = calling()
        assert "100rel" in invite.headers.tokens("supported")
        bench.receive(reliable(invite, 7, body=SDP))
        sent = bench.request()
        assert (sent.method, sent.uri, sent.to.tag) == ("PRACK", "sip:bob@127.0.0.2:5060", "peer")
        assert sent.headers.get("rack") == f"7 {invite.cseq}"
        assert sent.cseq.number == invite.cseq.number + 1
        assert bench.event(Progress).body == SDP

    def test_repeated_or_out_of_order_it_is_passed_over(self) -> None:
        bench, _, invite = calling()
        for rseq in (7, 7, 9, 8, 8):
            bench.receive(reliable(invite, rseq))
        assert bench.lines() == ["PRACK", "PRACK"]
        assert len(bench.told()) == 2

    def test_each_phone_that_rings_counts_by_itself(self) -> None:
        bench, _, invite = calling()
        for tag, rseq in (("one", 7), ("two", 100), ("one", 8), ("two", 101)):
            bench.receive(reliable(invite, rseq, tag=tag))
        assert [message.headers.get("to") for message in bench.sent()] == [
            f"<sip:bob@127.0.0.2>;tag={tag}" for tag in ("one", "two", "one", "two")
        ]

    def test_the_dialog_goes_on_with_what_the_200_says(self) -> None:
        bench, session, invite = calling()
        bench.receive(reliable(invite, 7, body=SDP))
        bench.receive(answer(bench.request(), 200))
        bench.told()
        bench.receive(answer(invite, 200, headers=["Contact: <sip:bob@127.0.0.9>"]))
        assert bench.event(Answered).body is None
        ack = bench.request()
        assert (ack.uri, ack.cseq.number) == ("sip:bob@127.0.0.9", invite.cseq.number)
        session.bye(bench.now)
        assert bench.request().cseq.number == invite.cseq.number + 2

    def test_an_update_of_the_phone_that_rings(self) -> None:
        bench, session, invite = calling()
        bench.receive(reliable(invite, 7, body=SDP))
        bench.sent()
        bench.told()
        bench.receive(from_callee(invite, "UPDATE", cseq=1, body=SDP))
        bench.event(ReOffered)
        session.answer_offer(ANSWER, bench.now)
        assert bench.lines() == ["200"]

    def test_an_update_before_the_answer_to_our_offer_is_491(self) -> None:
        bench, _, invite = calling()
        bench.receive(answer(invite, 180))
        bench.receive(from_callee(invite, "UPDATE", cseq=1, body=SDP))
        assert bench.lines() == ["491"]

    def test_who_rings_cannot_hang_up(self) -> None:
        bench, _, invite = calling()
        bench.receive(answer(invite, 180))
        bench.receive(from_callee(invite, "BYE", cseq=1))
        assert bench.lines() == ["481"]

    def test_the_phone_that_did_not_win_is_hung_up_on_in_its_own_dialog(self) -> None:
        bench, _, invite = calling()
        bench.receive(reliable(invite, 1, tag="slow"))
        bench.receive(answer(invite, 200, tag="fast", body=SDP))
        bench.sent()
        bench.receive(answer(invite, 200, tag="slow", body=SDP))
        ack, bye = bench.sent()
        assert isinstance(bye, Request)
        assert (ack.headers.get("to"), bye.method) == ("<sip:bob@127.0.0.2>;tag=slow", "BYE")
        assert bye.cseq.number == invite.cseq.number + 2  # its PRACK was one

    def test_without_our_offer_nobody_may_be_reliable(self) -> None:
        bench = Bench()
        target = Uri.parse("sip:bob@127.0.0.2")
        bench.agent.invite(target=target, flow=flow_from(PEER), identity=ALICE, offer=None, now=0.0)
        assert "100rel" not in bench.request().headers.tokens("supported")


class TestSentElsewhere:
    def test_a_422_is_met_with_the_interval_it_asks_for(self) -> None:
        bench, _, invite = calling()
        assert invite.headers.get("session-expires") == "1800"
        bench.receive(answer(invite, 422, headers=["Min-SE: 7200"]))
        _, again = bench.sent()
        assert (again.headers.get("session-expires"), again.headers.get("min-se")) == ("7200", "7200")
        assert isinstance(again, Request)
        bench.receive(answer(again, 422, headers=["Min-SE: 7200"]))
        assert bench.event(Refused).code == 422

    def test_a_redirection_is_followed_in_the_order_of_preference(self) -> None:
        other = Address("127.0.0.9", 5060)
        bench, session, invite = calling(lambda uri: flow_from(other) if uri.user != "eve" else None)
        contacts = "Contact: <sip:eve@127.0.0.66>, <sip:desk@127.0.0.9>;q=0.5, <sip:mobile@127.0.0.9>;q=0.9, nonsense"
        bench.receive(answer(invite, 302, headers=[contacts]))
        (_, _, _), (_, again, flow) = bench.timed()
        assert isinstance(again, Request)
        assert (again.uri, again.headers.get("to"), flow.remote) == (
            "sip:mobile@127.0.0.9",
            "<sip:bob@127.0.0.2>",
            other,
        )
        assert again.cseq.number == invite.cseq.number + 1
        bench.receive(answer(again, 486))
        _, third = bench.sent()
        assert isinstance(third, Request)
        assert third.uri == "sip:desk@127.0.0.9"
        bench.receive(answer(third, 200, body=SDP))
        bench.event(Answered)
        assert session.flow.remote == other

    def test_a_6xx_ends_the_search(self) -> None:
        bench, _, invite = calling(lambda uri: flow_from(PEER))
        bench.receive(answer(invite, 302, headers=["Contact: <sip:a@127.0.0.2>, <sip:b@127.0.0.2>"]))
        again = bench.sent()[-1]
        assert isinstance(again, Request)
        bench.receive(answer(again, 603))
        assert bench.event(Refused).outcome is Outcome.DECLINED

    def test_a_loop_ends(self) -> None:
        bench, _, invite = calling(lambda uri: flow_from(PEER))
        sent = [invite]
        while not (told := bench.told()):
            number = len(sent)
            bench.receive(answer(sent[-1], 302, headers=[f"Contact: <sip:{number}@127.0.0.2>, <sip:bob@127.0.0.2>"]))
            sent += [message for message in bench.sent() if isinstance(message, Request) and message.method != "ACK"]
        assert [type(event) for event in told] == [Refused]
        assert len(sent) == 6

    def test_without_leave_a_redirection_is_a_refusal(self) -> None:
        bench, _, invite = calling()
        bench.receive(answer(invite, 302, headers=["Contact: <sip:premium@127.0.0.66>"]))
        refused = bench.event(Refused)
        assert (refused.code, refused.outcome) == (302, Outcome.REDIRECTED)

    def test_a_call_taken_back_is_sent_nowhere_else(self) -> None:
        bench, session, invite = calling(lambda uri: flow_from(PEER))
        bench.receive(answer(invite, 180))
        bench.told()
        session.cancel(bench.now)
        bench.receive(answer(invite, 302, headers=["Contact: <sip:a@127.0.0.2>"]))
        assert bench.lines() == ["CANCEL", "ACK"]
        bench.event(Cancelled)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (301, Outcome.REDIRECTED),
        (400, Outcome.SERVER_ERROR),
        (403, Outcome.FORBIDDEN),
        (404, Outcome.NOT_FOUND),
        (407, Outcome.FORBIDDEN),
        (408, Outcome.NO_ANSWER),
        (480, Outcome.UNAVAILABLE),
        (486, Outcome.BUSY),
        (487, Outcome.CANCELLED),
        (488, Outcome.INCOMPATIBLE_MEDIA),
        (500, Outcome.SERVER_ERROR),
        (503, Outcome.UNAVAILABLE),
        (600, Outcome.BUSY),
        (603, Outcome.DECLINED),
        (606, Outcome.INCOMPATIBLE_MEDIA),
    ],
)
def test_each_class_of_failure_has_its_word(code: int, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome


def test_silence_is_the_networks() -> None:
    bench, _, _ = calling()
    bench.advance(32.0)
    assert bench.event(Refused).outcome is Outcome.NETWORK
