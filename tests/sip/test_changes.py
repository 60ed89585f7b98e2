"""Inside a call that stands: offers of both sides by re-INVITE and UPDATE, its session timer, keys and texts."""

import pytest

from sipagent.sip.invite import InviteSession
from sipagent.sip.invite_table import SessionState
from sipagent.sip.message import Request
from sipagent.sip.modification import CHANGE, ChangeState
from sipagent.sip.outputs import (
    Acknowledged,
    Answered,
    Ended,
    Invited,
    KeyPressed,
    OfferDue,
    ReofferAnswered,
    ReOffered,
    ReofferRefused,
    TextReceived,
)
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, flow_from, request
from tests.sip.test_invite_called import from_caller
from tests.sip.test_invite_calling import ALICE, from_callee

HOLD = ANSWER + b"a=sendonly\r\n"
UPDATES = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"


def called(*headers: str) -> tuple[Bench, InviteSession]:
    """Somebody called us, with more `headers`, and the call stands."""
    bench = Bench()
    bench.receive(request("INVITE", body=SDP, headers=headers))
    session = bench.event(Invited).session
    session.accept(ANSWER, bench.now)
    bench.receive(from_caller("ACK", "ack", cseq=1))
    bench.event(Acknowledged)
    bench.sent()
    return bench, session


def calling(*headers: str) -> tuple[Bench, InviteSession, Request]:
    """We called somebody who answered with more `headers`, and the call stands."""
    bench = Bench()
    target = Uri.parse("sip:bob@127.0.0.2")
    session = bench.agent.invite(target=target, flow=flow_from(PEER), identity=ALICE, offer=ANSWER, now=bench.now)
    invite = bench.request()
    bench.receive(answer(invite, 200, body=SDP, headers=headers))
    bench.event(Answered)
    bench.sent()
    return bench, session, invite


def offering(bench: Bench, session: InviteSession, body: bytes = HOLD) -> Request:
    """We offer `body`; returns the request that left."""
    session.renegotiate(bench.now)
    bench.event(OfferDue)
    session.reoffer(lambda: body, bench.now)
    return bench.request()


class TestOurOffer:
    def test_a_re_invite_carries_it_and_its_answer_is_acknowledged_as_often_as_it_comes(self) -> None:
        bench, session = called()
        invite = offering(bench, session)
        assert (invite.method, invite.body, str(invite.cseq)) == ("INVITE", HOLD, "1 INVITE")
        assert (invite.from_.tag, invite.to.tag) == ("tag1", "alice")
        assert invite.headers.get("contact") == "<sip:sipagent@127.0.0.1:5060>"
        for _ in range(2):
            bench.receive(answer(invite, 200, body=SDP))
            ack = bench.request()
            assert (ack.method, str(ack.cseq)) == ("ACK", "1 ACK")
        assert bench.event(ReofferAnswered).answer == SDP

    def test_a_refusal_leaves_the_call_as_it_was(self) -> None:
        bench, session = called()
        bench.receive(answer(offering(bench, session), 488, reason="Not Here"))
        assert bench.lines() == ["ACK"]
        refused = bench.event(ReofferRefused)
        assert (refused.code, refused.reason) == (488, "Not Here")
        assert session.state is SessionState.ESTABLISHED

    @pytest.mark.parametrize(("we_called", "wait"), [(False, 0.0), (True, 2.1)])
    def test_a_collision_is_waited_out_longer_by_who_called(self, we_called: bool, wait: float) -> None:
        bench, session = calling()[:2] if we_called else called()
        invite = offering(bench, session)
        bench.receive(answer(invite, 491))
        assert bench.lines() == ["ACK"]
        drawn = 0.01 * (32768 % 191 if we_called else 32768 % 201)  # CountingIds draws half of the range
        bench.advance(wait + drawn - 0.001)
        assert bench.told() == []
        bench.advance(0.002)
        bench.event(OfferDue)
        session.reoffer(lambda: SDP, bench.now)
        again = bench.request()
        assert (again.body, again.cseq.number) == (SDP, invite.cseq.number + 1)
        assert bench.told() == []

    def test_a_500_with_retry_after_is_waited_out_too(self) -> None:
        bench, session = called()
        bench.receive(answer(offering(bench, session), 500, headers=["Retry-After: 3"]))
        bench.advance(2.9)
        assert bench.told() == []
        bench.advance(0.2)
        bench.event(OfferDue)

    def test_who_always_collides_is_given_up(self) -> None:
        bench, session = called()
        session.renegotiate(bench.now)
        for _ in range(20):
            if isinstance(bench.told()[-1], ReofferRefused):
                break
            session.reoffer(lambda: HOLD, bench.now)
            bench.receive(answer(bench.request(), 491))
            bench.sent()
            bench.advance(5.0)
        else:
            pytest.fail("it is tried for ever")
        assert session.state is SessionState.ESTABLISHED

    def test_it_waits_for_the_answer_to_theirs(self) -> None:
        bench, session = called()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        bench.event(ReOffered)
        session.renegotiate(bench.now)
        assert bench.told() == []
        session.answer_offer(ANSWER, bench.now)
        assert bench.told() == []
        bench.receive(from_caller("ACK", "re-ack"))
        assert [type(event) for event in bench.told()] == [OfferDue]

    def test_an_offer_that_comes_before_ours_is_written_goes_first(self) -> None:
        bench, session = called()
        session.renegotiate(bench.now)
        bench.receive(from_caller("INVITE", "re", body=SDP))
        assert [type(event) for event in bench.told()] == [OfferDue, ReOffered]
        session.reoffer(lambda: pytest.fail("nobody may be asked now"), bench.now)
        session.answer_offer(ANSWER, bench.now)
        bench.receive(from_caller("ACK", "re-ack"))
        bench.event(OfferDue)

    def test_asked_for_while_one_is_in_the_air_it_comes_after(self) -> None:
        bench, session = called()
        invite = offering(bench, session)
        session.renegotiate(bench.now)
        assert bench.told() == []
        bench.receive(answer(invite, 200, body=SDP))
        assert [type(event) for event in bench.told()] == [ReofferAnswered, OfferDue]

    @pytest.mark.parametrize("code", [481, 408])
    def test_a_far_end_that_knows_nothing_of_the_call_ends_it(self, code: int) -> None:
        bench, session = called()
        bench.receive(answer(offering(bench, session), code))
        _, bye = bench.sent()
        assert isinstance(bye, Request)
        assert (bye.method, (bye.headers.get("reason") or "")[:13]) == ("BYE", f"SIP;cause={code}")
        assert bench.event(Ended).by == "network"

    def test_a_far_end_that_is_silent_ends_it(self) -> None:
        bench, session = called()
        offering(bench, session)
        bench.advance(32.0)
        assert bench.lines()[-1] == "BYE"
        assert bench.event(Ended).by == "network"

    def test_one_that_never_gets_further_than_ringing_is_taken_back(self) -> None:
        bench, session = called()
        invite = offering(bench, session)
        bench.receive(answer(invite, 180))
        bench.advance(63.9)
        assert bench.lines() == []
        bench.advance(0.2)
        assert bench.lines() == ["CANCEL"]
        bench.receive(answer(invite, 487))
        assert bench.event(ReofferRefused).code == 487
        assert session.state is SessionState.ESTABLISHED

    def test_a_challenge_is_answered(self) -> None:
        bench, session, _ = calling()
        invite = offering(bench, session)
        bench.receive(answer(invite, 407, headers=['Proxy-Authenticate: Digest realm="pbx", nonce="n1"']))
        _, again = bench.sent()
        assert isinstance(again, Request)
        assert (again.body, "nonce" in (again.headers.get("proxy-authorization") or "")) == (HOLD, True)
        bench.receive(answer(again, 200, body=SDP))
        bench.event(ReofferAnswered)

    def test_hanging_up_meanwhile_acknowledges_an_answer_all_the_same(self) -> None:
        bench, session = called()
        invite = offering(bench, session)
        session.bye(bench.now)
        bye = bench.request()
        bench.event(Ended)
        bench.receive(answer(bye, 200))
        bench.receive(answer(invite, 200, body=SDP, headers=["Session-Expires: 1800;refresher=uac"]))
        assert bench.lines() == ["ACK"]
        assert bench.told() == []
        bench.advance(100.0)
        assert (bench.agent.idle, bench.agent.next_timer()) == (True, None)

    def test_a_re_invite_left_open_when_the_call_ends_is_forgotten_in_time(self) -> None:
        bench, session = called()
        invite = offering(bench, session)
        bench.receive(answer(invite, 180))
        session.bye(bench.now)
        bench.receive(answer(bench.request(), 200))
        bench.advance(100.0)
        assert (bench.agent.idle, bench.agent.next_timer()) == (True, None)


class TestTheirOffer:
    def test_an_update_is_told_and_answered_without_an_ack(self) -> None:
        bench, session = called()
        bench.receive(from_caller("UPDATE", "up", body=SDP))
        assert bench.event(ReOffered).offer == SDP
        session.answer_offer(ANSWER, bench.now)
        ok = bench.response()
        assert (ok.code, ok.body, ok.headers.get("contact")) == (200, ANSWER, "<sip:sipagent@127.0.0.1:5060>")
        bench.advance(40.0)
        assert bench.lines() == []

    def test_an_update_without_an_offer_is_answered_at_once(self) -> None:
        bench, _ = called()
        bench.receive(from_caller("UPDATE", "up"))
        ok = bench.response()
        assert (ok.code, ok.body) == (200, b"")
        assert bench.told() == []

    def test_an_update_can_be_refused(self) -> None:
        bench, session = called()
        bench.receive(from_caller("UPDATE", "up", body=SDP))
        session.refuse_offer(488, bench.now)
        assert bench.lines() == ["488"]
        bench.receive(from_caller("UPDATE", "up2", cseq=3, body=SDP))
        assert len(bench.told()) == 2

    def test_a_second_update_before_the_answer_is_500(self) -> None:
        bench, _ = called()
        bench.receive(from_caller("UPDATE", "up", body=SDP))
        bench.receive(from_caller("UPDATE", "up2", cseq=3, body=SDP))
        refused = bench.response()
        assert (refused.code, refused.headers.get("retry-after")) == (500, "4")

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
    def test_one_that_meets_ours_is_491(self, method: str) -> None:
        bench, session = called()
        offering(bench, session)
        bench.receive(from_caller(method, "up", body=SDP))
        assert bench.lines() == ["491"]

    def test_a_re_invite_that_overtakes_the_ack_is_491(self) -> None:
        bench, session = called()
        bench.receive(from_caller("INVITE", "re", body=SDP))
        session.answer_offer(ANSWER, bench.now)
        bench.receive(from_caller("INVITE", "re2", cseq=3, body=SDP))
        assert bench.lines() == ["200", "491"]

    def test_an_update_in_an_early_call_of_theirs_waits_for_our_answer(self) -> None:
        bench = Bench()
        bench.receive(request("INVITE", body=SDP))
        bench.receive(from_caller("UPDATE", "up", body=SDP))
        assert bench.lines() == ["100", "500"]

    def test_an_update_moves_the_far_end(self) -> None:
        bench, session = called()
        bench.receive(from_caller("UPDATE", "up", headers=("Contact: <sip:alice@127.0.0.8>",)))
        bench.sent()
        session.bye(bench.now)
        assert bench.request().uri == "sip:alice@127.0.0.8"


class TestSessionTimer:
    def test_who_is_called_grants_what_is_asked(self) -> None:
        bench = Bench()
        bench.receive(request("INVITE", body=SDP, headers=["Session-Expires: 120", "Supported: timer"]))
        bench.event(Invited).session.accept(ANSWER, bench.now)
        ok = bench.sent()[-1]
        assert ok.headers.get("session-expires") == "120;refresher=uac"
        assert ok.headers.get("require") == "timer"

    def test_too_brief_an_interval_is_422(self) -> None:
        bench = Bench()
        bench.receive(request("INVITE", body=SDP, headers=["Session-Expires: 60", "Supported: timer"]))
        refused = bench.response()
        assert (refused.code, refused.headers.get("min-se")) == (422, "90")

    def test_a_caller_that_does_not_refresh_is_hung_up_on(self) -> None:
        bench, _ = called("Session-Expires: 120;refresher=uac", "Supported: timer")
        bench.advance(87.9)
        assert bench.lines() == []
        bench.advance(0.2)
        bye = bench.request()
        assert bye.headers.get("reason") == 'SIP;cause=408;text="the session was not refreshed in time"'
        assert bench.event(Ended).by == "network"

    def test_a_caller_that_refreshes_goes_on(self) -> None:
        bench, _ = called("Session-Expires: 120;refresher=uac", "Supported: timer")
        for number in range(2, 12):
            bench.advance(60.0)
            timer = ("Session-Expires: 120;refresher=uac", "Supported: timer")
            bench.receive(from_caller("UPDATE", f"up{number}", cseq=number, headers=timer))
            assert bench.response().headers.get("session-expires") == "120;refresher=uac"
        assert bench.told() == []

    def test_we_refresh_by_update_where_the_far_end_takes_it(self) -> None:
        bench, session = called("Session-Expires: 600;refresher=uas", "Supported: timer", UPDATES)
        for _ in range(3):
            bench.advance(300.0)
            update = bench.request()
            assert (update.method, update.body) == ("UPDATE", b"")
            assert update.headers.get("session-expires") == "600;refresher=uac"
            bench.receive(answer(update, 200, headers=["Session-Expires: 600;refresher=uac"]))
        assert bench.told() == []
        assert session.state is SessionState.ESTABLISHED

    def test_we_refresh_by_re_invite_with_the_same_description_where_it_does_not(self) -> None:
        bench, _, _ = calling("Session-Expires: 600;refresher=uac")
        bench.advance(300.0)
        invite = bench.request()
        assert (invite.method, invite.body) == ("INVITE", ANSWER)
        bench.receive(answer(invite, 200, body=SDP, headers=["Session-Expires: 600;refresher=uac"]))
        assert bench.lines() == ["ACK"]
        assert bench.event(ReofferAnswered).answer == SDP

    def test_a_far_end_that_lied_about_update_is_refreshed_by_re_invite(self) -> None:
        bench, _, _ = calling("Session-Expires: 600;refresher=uac", UPDATES)
        bench.advance(300.0)
        bench.receive(answer(bench.request(), 405))
        bench.advance(0.0)
        assert bench.lines() == ["INVITE"]

    def test_a_refresh_that_fails_is_tried_until_the_session_is_over(self) -> None:
        bench, _, _ = calling("Session-Expires: 600;refresher=uac", UPDATES)
        lines = []
        while not (told := bench.told()):
            bench.advance(1.0)
            for message in bench.sent():
                lines.append((bench.now, message.method if isinstance(message, Request) else ""))
                if isinstance(message, Request) and message.method == "UPDATE":
                    bench.receive(answer(message, 503))
        assert [type(event) for event in told] == [Ended]
        assert [method for _, method in lines] == ["UPDATE"] * (len(lines) - 1) + ["BYE"]
        assert lines[0][0] == 300.0
        assert lines[-1][0] == 568.0

    def test_a_refresh_of_a_call_that_is_gone_ends_it(self) -> None:
        bench, _, _ = calling("Session-Expires: 600;refresher=uac", UPDATES)
        bench.advance(300.0)
        bench.receive(answer(bench.request(), 481))
        assert bench.lines() == ["BYE"]
        assert bench.event(Ended).by == "network"


class TestWords:
    @pytest.mark.parametrize(
        ("kind", "body"), [("application/dtmf-relay", b"Signal=7\r\nDuration=90"), ("application/dtmf", b"7")]
    )
    def test_a_key_pressed_by_info_is_told_once(self, kind: str, body: bytes) -> None:
        bench, _ = called()
        for _ in range(2):
            bench.receive(from_caller("INFO", "info", body=body, headers=(f"Content-Type: {kind}",)))
        assert bench.lines() == ["200", "200"]
        assert bench.event(KeyPressed).key == "7"

    def test_info_of_another_kind(self) -> None:
        bench, _ = called()
        bench.receive(from_caller("INFO", "a"))
        bench.receive(from_caller("INFO", "b", cseq=3, body=b"<x/>", headers=("Content-Type: application/media+xml",)))
        bench.receive(from_caller("INFO", "c", cseq=4, headers=("Info-Package: nobody-asked",)))
        bench.receive(from_caller("INFO", "d", cseq=5, body=b"!", headers=("Content-Type: application/dtmf",)))
        assert bench.lines() == ["200", "415", "469", "200"]
        assert bench.told() == []

    def test_our_keys_leave_one_after_the_other(self) -> None:
        bench, session = called()
        for key in "12":
            session.press(key, bench.now)
        first = bench.request()
        assert (first.method, first.body) == ("INFO", b"Signal=1\r\nDuration=160\r\n")
        assert first.headers.get("content-type") == "application/dtmf-relay"
        bench.receive(answer(first, 200))
        assert bench.request().body.startswith(b"Signal=2")

    def test_a_key_waits_for_the_answer_to_an_offer(self) -> None:
        bench, session = called()
        invite = offering(bench, session)
        session.press("1", bench.now)
        assert bench.lines() == []
        bench.receive(answer(invite, 488))
        assert bench.lines() == ["ACK", "INFO"]

    def test_a_key_that_nobody_knows_the_call_of_ends_it(self) -> None:
        bench, session = called()
        session.press("1", bench.now)
        bench.receive(answer(bench.request(), 481))
        assert bench.lines() == ["BYE"]
        bench.event(Ended)

    def test_a_text_is_told(self) -> None:
        bench, session = called()
        kind = ("Content-Type: text/plain; charset=latin-1",)
        bench.receive(from_caller("MESSAGE", "text", headers=kind, body=b"hello"))
        assert bench.lines() == ["200"]
        text = bench.event(TextReceived)
        assert (text.session, text.sender, text.text) == (session, "sip:alice@127.0.0.2", "hello")

    def test_a_text_outside_a_call_is_told(self) -> None:
        bench = Bench()
        bench.receive(request("MESSAGE", body=b"hi", headers=["Content-Type: text/plain;charset=nobody-knows"]))
        assert bench.lines() == ["200"]
        text = bench.event(TextReceived)
        assert (text.session, text.text) == (None, "hi")

    def test_a_picture_is_415(self) -> None:
        bench, _ = called()
        bench.receive(from_caller("MESSAGE", "picture", headers=("Content-Type: image/png",), body=b"x"))
        refused = bench.response()
        assert (refused.code, refused.headers.get("accept")) == (415, "text/plain")

    @pytest.mark.parametrize("method", ["OPTIONS", "INFO", "MESSAGE", "UPDATE", "INVITE"])
    def test_a_number_of_the_past_is_500(self, method: str) -> None:
        bench, _ = called()
        bench.receive(from_caller("OPTIONS", "opt", cseq=9))
        bench.receive(from_caller(method, "late", cseq=8))
        assert bench.lines() == ["200", "500"]
        assert bench.told() == []

    @pytest.mark.parametrize("method", ["OPTIONS", "INFO", "MESSAGE", "UPDATE", "INVITE"])
    def test_a_call_that_is_over_is_481(self, method: str) -> None:
        bench, session = called()
        session.bye(bench.now)
        bench.receive(from_caller(method, "late"))
        assert bench.lines() == ["BYE", "481"]

    def test_the_callee_of_ours_speaks_too(self) -> None:
        bench, _, invite = calling()
        bench.receive(from_callee(invite, "MESSAGE", cseq=1))
        assert bench.event(TextReceived).text == ""


def test_every_state_of_a_change_can_be_reached_and_left() -> None:
    assert {state for state, _ in CHANGE} == {state for state, _ in CHANGE.values()} == set(ChangeState)
