"""We call: from the INVITE to the BYE (RFC 3261 sections 9.1, 13.2, 15.1 and 22)."""

import pytest

from sipagent.sip.digest import Credentials
from sipagent.sip.flow import Address
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.invite_table import SessionState
from sipagent.sip.message import Request
from sipagent.sip.outputs import Answered, Cancelled, Ended, Progress, Refused, ReOffered
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, flow_from, request

ALICE = Identity(
    uri=Uri.parse("sip:6001@pbx.example.com"),
    display_name="Agent 7",
    credentials=Credentials(username="6001", password="secret"),
    account="pbx",
)
CHALLENGE = 'Proxy-Authenticate: Digest realm="pbx", nonce="{}", qop="auth"'


def calling(offer: bytes | None = ANSWER, identity: Identity = ALICE) -> tuple[Bench, InviteSession, Request]:
    """Our INVITE has left."""
    bench = Bench()
    session = bench.agent.invite(
        target=Uri.parse("sip:bob@127.0.0.2"), flow=flow_from(PEER), identity=identity, offer=offer, now=bench.now
    )
    return bench, session, bench.request()


def standing() -> tuple[Bench, InviteSession, Request]:
    """Our call was answered and acknowledged."""
    bench, session, invite = calling()
    bench.receive(answer(invite, 200, body=SDP))
    assert bench.lines() == ["ACK"]
    bench.event(Answered)
    return bench, session, invite


class TestCalling:
    def test_the_invite_says_who_calls(self) -> None:
        _, session, invite = calling()
        assert (invite.uri, invite.headers.get("to")) == ("sip:bob@127.0.0.2", "<sip:bob@127.0.0.2>")
        assert invite.headers.get("from") == '"Agent 7" <sip:6001@pbx.example.com>;tag=tag1'
        assert invite.headers.get("contact") == "<sip:sipagent@127.0.0.1:5060>"
        assert (invite.body, invite.headers.get("content-type")) == (ANSWER, "application/sdp")
        assert session.outgoing
        assert session.account == "pbx"

    def test_the_registered_contact_is_used_at_its_registrar(self) -> None:
        bench = Bench()
        registration = bench.agent.register(
            identity=ALICE, registrar=Uri.parse("sip:pbx.example.com"), flow=flow_from(PEER), expires=60, now=0.0
        )
        bench.sent()
        bench.agent.invite(
            target=Uri.parse("sip:1000@pbx.example.com"), flow=flow_from(PEER), identity=ALICE, offer=SDP, now=0.0
        )
        invite = bench.request()
        assert invite.contact.uri == registration.contact
        assert invite.from_.uri.user == "6001"

    def test_more_headers_and_an_outbound_proxy(self) -> None:
        bench = Bench()
        identity = Identity(uri=ALICE.uri, routes=("<sip:127.0.0.3;lr>",))
        bench.agent.invite(
            target=Uri.parse("sip:bob@127.0.0.2"),
            flow=flow_from(PEER),
            identity=identity,
            offer=SDP,
            headers=[("X-Ticket", "7")],
            now=0.0,
        )
        invite = bench.request()
        assert invite.headers.rows("route") == ["<sip:127.0.0.3;lr>"]
        assert invite.headers.get("x-ticket") == "7"

    def test_progress_is_told_but_for_100(self) -> None:
        bench, _, invite = calling()
        bench.receive(answer(invite, 100))
        assert bench.told() == []
        bench.receive(answer(invite, 183, body=SDP))
        event = bench.event(Progress)
        assert (event.code, event.body) == (183, SDP)

    def test_a_2xx_is_acknowledged_to_its_contact(self) -> None:
        bench, session, invite = calling()
        bench.receive(answer(invite, 180))
        bench.told()
        bench.receive(answer(invite, 200, body=SDP, headers=["Contact: <sip:bob@127.0.0.7:5070>"]))
        ((_, ack, flow),) = bench.timed()
        assert isinstance(ack, Request)
        assert (ack.method, ack.uri, ack.to.tag) == ("ACK", "sip:bob@127.0.0.7:5070", "peer")
        assert (ack.cseq.number, ack.body) == (invite.cseq.number, b"")
        assert ack.via.branch != invite.via.branch
        assert flow.remote == Address("127.0.0.7", 5070)
        assert bench.event(Answered).body == SDP
        assert session.remote.tag == "peer"

    def test_a_repeated_2xx_is_acknowledged_again(self) -> None:
        bench, session, invite = standing()
        for _ in range(2):
            bench.receive(answer(invite, 200, body=SDP))
        assert bench.lines() == ["ACK", "ACK"]
        session.bye(bench.now)
        bench.receive(answer(invite, 200, body=SDP))
        assert bench.lines() == ["BYE", "ACK"]
        assert [type(event) for event in bench.told()] == [Ended]

    def test_without_an_offer_the_ack_waits_for_our_answer(self) -> None:
        bench, session, invite = calling(offer=None)
        assert (invite.body, invite.headers.get("content-type")) == (b"", None)
        bench.receive(answer(invite, 200, body=SDP))
        assert bench.lines() == []
        assert bench.event(Answered).body == SDP
        session.acknowledge(ANSWER, bench.now)
        ack = bench.request()
        assert (ack.method, ack.body) == ("ACK", ANSWER)
        session.acknowledge(ANSWER, bench.now)
        assert bench.lines() == []

    def test_an_offer_that_comes_again_before_we_have_answered_it_waits_for_the_answer(self) -> None:
        """Found by `make model`: it was taken for another phone's 2xx, and the call hung up on."""
        bench, session, invite = calling(offer=None)
        bench.receive(answer(invite, 200, body=SDP))
        bench.receive(answer(invite, 200, body=SDP))
        assert bench.lines() == []
        session.acknowledge(ANSWER, bench.now)
        ack = bench.request()
        assert (ack.method, ack.body) == ("ACK", ANSWER)
        assert session.state is SessionState.ESTABLISHED

    def test_without_an_answer_hanging_up_still_acknowledges(self) -> None:
        bench, session, invite = calling(offer=None)
        bench.receive(answer(invite, 200, body=SDP))
        session.bye(bench.now)
        assert bench.lines() == ["ACK", "BYE"]

    def test_two_phones_that_answer_are_one_call(self) -> None:
        bench, session, invite = standing()
        for _ in range(2):
            bench.receive(answer(invite, 200, tag="other", headers=["Contact: <sip:eve@127.0.0.9>"]))
        ack, bye, ack_again = bench.sent()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.uri, bye.method, bye.to.tag) == ("sip:eve@127.0.0.9", "BYE", "other")
        assert bytes(ack_again) == bytes(ack)
        bench.receive(answer(bye, 200))
        assert session.state is SessionState.ESTABLISHED
        assert bench.told() == []


class TestRefused:
    @pytest.mark.parametrize("code", [302, 404, 486, 503, 603])
    def test_a_failure_is_acknowledged_and_told(self, code: int) -> None:
        bench, session, invite = calling()
        bench.receive(answer(invite, code, reason="Their Words"))
        assert bench.lines() == ["ACK"]
        event = bench.event(Refused)
        assert (event.session, event.code, event.reason) == (session, code, "Their Words")
        bench.advance(40.0)
        assert bench.agent.idle

    def test_a_failure_after_ringing_is_told(self) -> None:
        bench, _, invite = calling()
        bench.receive(answer(invite, 180))
        bench.told()
        bench.receive(answer(invite, 486))
        assert bench.event(Refused).code == 486

    def test_nobody_answers(self) -> None:
        bench, _, _ = calling()
        bench.advance(32.0)
        assert bench.lines() == ["INVITE"] * 6
        event = bench.event(Refused)
        assert (event.code, event.reason) == (408, "Request Timeout")
        assert bench.agent.idle

    def test_it_cannot_be_sent(self) -> None:
        bench, _, _ = calling()
        bench.agent.transport_failed(flow_from(Address("127.0.0.99", 5060)), bench.now)
        assert bench.told() == []
        bench.agent.transport_failed(flow_from(PEER), bench.now)
        event = bench.event(Refused)
        assert (event.code, event.reason) == (503, "Service Unavailable")
        assert bench.agent.idle


class TestChallenged:
    def test_the_invite_is_sent_again_with_credentials(self) -> None:
        bench, session, invite = calling()
        bench.receive(answer(invite, 407, headers=[CHALLENGE.format("n1")]))
        ack, again = bench.sent()
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        assert (ack.method, ack.via.branch) == ("ACK", invite.via.branch)
        assert again.cseq.number == invite.cseq.number + 1
        assert again.via.branch != invite.via.branch
        assert (again.call_id, again.from_.tag, again.body) == (invite.call_id, invite.from_.tag, ANSWER)
        assert 'nonce="n1"' in (again.headers.get("proxy-authorization") or "")
        bench.receive(answer(again, 200, body=SDP))
        assert bench.request().cseq.number == again.cseq.number
        assert session.state is SessionState.ESTABLISHED

    def test_a_proxy_may_say_100_before_its_challenge(self) -> None:
        bench, session, invite = calling()
        bench.receive(answer(invite, 100))
        bench.receive(answer(invite, 407, headers=[CHALLENGE.format("n1")]))
        assert bench.lines() == ["ACK", "INVITE"]
        session.cancel(bench.now)
        assert bench.lines() == []  # nothing has answered the second INVITE yet

    def test_wrong_credentials_are_a_refusal(self) -> None:
        bench, _, invite = calling()
        bench.receive(answer(invite, 407, headers=[CHALLENGE.format("n1")]))
        again = bench.sent()[1]
        assert isinstance(again, Request)
        bench.receive(answer(again, 407, headers=[CHALLENGE.format("n1")]))
        assert bench.lines() == ["ACK"]
        assert bench.event(Refused).code == 407

    def test_without_credentials_a_challenge_is_a_refusal(self) -> None:
        bench, _, invite = calling(identity=Identity(uri=ALICE.uri))
        bench.receive(answer(invite, 401, headers=['WWW-Authenticate: Digest realm="r", nonce="n"']))
        assert bench.lines() == ["ACK"]
        assert bench.event(Refused).code == 401

    def test_a_challenged_bye_is_sent_again(self) -> None:
        bench, session, _ = standing()
        session.bye(bench.now)
        bye = bench.request()
        bench.receive(answer(bye, 407, headers=[CHALLENGE.format("n1")]))
        again = bench.request()
        assert (again.method, again.cseq.number) == ("BYE", bye.cseq.number + 1)
        bench.receive(answer(again, 200))
        assert session.state is SessionState.ENDED


class TestTakingBack:
    def test_cancel_waits_for_a_provisional(self) -> None:
        bench, session, invite = calling()
        session.cancel(bench.now)
        assert bench.lines() == []
        bench.receive(answer(invite, 180))
        cancel = bench.request()
        assert (cancel.method, cancel.uri, cancel.cseq.number) == ("CANCEL", invite.uri, invite.cseq.number)
        assert cancel.via == invite.via
        assert cancel.headers.get("to") == invite.headers.get("to")
        bench.receive(answer(cancel, 200))
        assert bench.told() == []
        bench.receive(answer(invite, 487))
        assert bench.lines() == ["ACK"]
        assert bench.event(Cancelled).session is session
        bench.advance(40.0)
        assert bench.agent.idle

    def test_a_call_answered_all_the_same_is_hung_up(self) -> None:
        bench, session, invite = calling()
        bench.receive(answer(invite, 180))
        session.cancel(bench.now)
        bench.receive(answer(invite, 200, body=SDP))
        assert bench.lines() == ["CANCEL", "ACK", "BYE"]
        assert [type(event) for event in bench.told()] == [Progress, Cancelled]

    def test_an_answer_before_any_provisional_is_hung_up(self) -> None:
        bench, session, invite = calling()
        session.cancel(bench.now)
        bench.receive(answer(invite, 200, body=SDP))
        assert bench.lines() == ["ACK", "BYE"]
        bench.event(Cancelled)

    def test_nobody_answers_a_call_taken_back(self) -> None:
        bench, session, _ = calling()
        session.cancel(bench.now)
        bench.advance(32.0)
        bench.event(Cancelled)
        assert bench.agent.idle

    def test_a_peer_that_ignores_cancel_is_given_up(self) -> None:
        bench, session, invite = calling()
        bench.receive(answer(invite, 180))
        bench.told()
        session.cancel(bench.now)
        bench.advance(31.9)
        assert bench.told() == []
        bench.advance(0.2)
        bench.event(Cancelled)
        assert session.state is SessionState.ENDED
        assert bench.agent.idle

    def test_a_challenge_is_not_answered_any_more(self) -> None:
        bench, session, invite = calling()
        session.cancel(bench.now)
        bench.receive(answer(invite, 407, headers=[CHALLENGE.format("n1")]))
        assert bench.lines() == ["ACK"]
        bench.event(Cancelled)


class TestStanding:
    def test_the_callee_hangs_up(self) -> None:
        bench, _, invite = standing()
        bench.receive(from_callee(invite, "BYE", cseq=1))
        assert bench.lines() == ["200"]
        assert bench.event(Ended).by == "caller"
        bench.advance(40.0)
        assert bench.agent.idle

    def test_the_callee_puts_us_on_hold(self) -> None:
        bench, session, invite = standing()
        bench.receive(from_callee(invite, "INVITE", cseq=1, body=SDP))
        assert bench.event(ReOffered).offer == SDP
        session.answer_offer(ANSWER, bench.now)
        ok = bench.response()
        assert (ok.code, ok.body, ok.to.tag) == (200, ANSWER, "tag1")

    def test_a_request_before_our_call_is_answered_is_481(self) -> None:
        bench, _, invite = calling()
        bench.receive(from_callee(invite, "BYE", cseq=1))
        assert bench.lines() == ["481"]


def from_callee(invite: Request, method: str, *, cseq: int, body: bytes = b"") -> str:
    """A request of the callee inside the dialog."""
    return request(
        method,
        branch=f"z9hG4bKcallee{cseq}",
        sender=f"{invite.headers.get('to')};tag=peer",
        recipient=invite.headers.get("from") or "",
        call_id=invite.call_id,
        cseq=cseq,
        body=body,
    )
