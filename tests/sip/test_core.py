"""The user agent core (RFC 3261 section 8.2): what each request from nowhere gets, and where answers go."""

import pytest

from sipagent.sip.admission import Admission, Peering, Verdict
from sipagent.sip.flow import Address
from sipagent.sip.message import Response
from sipagent.sip.outputs import Invited
from tests.sip.bench import ANSWER, PEER, SDP, Bench, flow_from, request

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, REFER"


def reply(message: str) -> Response:
    bench = Bench()
    bench.receive(message)
    return bench.response()


def test_options_is_told_what_we_can() -> None:
    ok = reply(request("OPTIONS"))
    assert ok.code == 200
    assert ok.to.tag
    assert ok.headers.get("allow") == ALLOW
    assert ok.headers.get("accept") == "application/sdp, application/dtmf-relay, application/dtmf, text/plain"
    assert ok.headers.get("supported") == "100rel, norefersub, replaces, timer"


def test_a_notify_that_nobody_asked_for_is_accepted() -> None:
    assert reply(request("NOTIFY", headers=["Event: message-summary"])).code == 200


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "PUBLISH"])
def test_a_method_that_we_do_not_do_is_405(method: str) -> None:
    response = reply(request(method))
    assert (response.code, response.headers.get("allow")) == (405, ALLOW)


def test_a_method_that_nobody_knows_is_501() -> None:
    response = reply(request("NEWMETHOD"))
    assert (response.code, response.headers.get("allow")) == (501, ALLOW)


@pytest.mark.parametrize("method", ["BYE", "OPTIONS", "INVITE", "NOTIFY", "UPDATE", "PRACK", "INFO", "MESSAGE"])
def test_a_request_of_a_dialog_that_we_do_not_have_is_481(method: str) -> None:
    assert reply(request(method, recipient="<sip:6001@127.0.0.1>;tag=gone")).code == 481


@pytest.mark.parametrize("method", ["BYE", "CANCEL", "UPDATE", "PRACK", "INFO"])
def test_what_needs_a_call_is_481_without_one(method: str) -> None:
    assert reply(request(method)).code == 481


def test_an_unknown_extension_is_420() -> None:
    response = reply(request("INVITE", headers=["Require: 100rel, timer, precondition, nothingSIPpy"]))
    assert (response.code, response.headers.get("unsupported")) == (420, "nothingsippy, precondition")


def test_another_uri_scheme_is_416() -> None:
    assert reply(request("OPTIONS", uri="nobodyknows:alice")).code == 416


@pytest.mark.parametrize("header", ["Content-Type: application/isup", "Content-Type: a\r\nContent-Encoding: gzip"])
def test_a_body_that_is_no_sdp_is_415(header: str) -> None:
    response = reply(request("INVITE", headers=[header], body=b"x"))
    assert (response.code, response.headers.get("accept")) == (415, "application/sdp")


def test_an_invite_without_a_contact_is_400() -> None:
    response = reply(request("INVITE").replace("Contact: <sip:alice@127.0.0.2:5060>\r\n", ""))
    assert (response.code, response.reason) == (400, "Bad Contact or Record-Route")


def test_a_mangled_request_is_told_what_is_wrong() -> None:
    response = reply(request("OPTIONS").replace("CSeq: 1 ", "CSeq: 1 1 "))
    assert (response.code, response.reason) == (400, "Bad CSeq")
    assert response.to.tag


def test_a_mangled_request_that_no_answer_can_find_back_is_counted() -> None:
    bench = Bench()
    bench.receive(request("OPTIONS").replace("Call-ID: call-1\r\n", ""))
    assert bench.sent() == []
    assert bench.agent.counters["request-mangled"] == 1


def test_an_ack_is_never_answered() -> None:
    bench = Bench()
    bench.receive(request("ACK"))
    bench.receive(request("ACK").replace("CSeq: 1 ", "CSeq: x "))
    assert bench.sent() == []
    assert bench.agent.counters["ack-unexpected"] == 1


def test_noise_is_counted() -> None:
    bench = Bench()
    for data in (b"\r\n\r\n", b"\0", b"", b"hello", b"SIP/2.0 99999 no\r\n\r\n", b"\xff" * 9000):
        bench.receive(data)
    assert bench.sent() == []
    assert bench.agent.counters == {"keep-alive": 3, "not-sip": 3}


def test_a_response_that_nobody_waits_for_is_counted() -> None:
    bench = Bench()
    bench.receive("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\nCSeq: 1 INVITE\n\n")
    bench.receive("SIP/2.0 200 OK\n\n")
    assert bench.agent.counters["response-unexpected"] == 2


def test_the_answer_goes_back_to_the_source() -> None:
    bench = Bench()
    source = Address("127.0.0.9", 41234)
    bench.receive(request("OPTIONS", via="Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKn;rport"), source)
    ((_, response, flow),) = bench.timed()
    assert flow == flow_from(source)
    assert response.headers.rows("via") == ["SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKn;rport=41234;received=127.0.0.9"]


def test_a_repeated_request_gets_the_same_answer() -> None:
    bench = Bench()
    bench.receive(request("OPTIONS"))
    first = bytes(bench.response())
    bench.receive(request("OPTIONS"))
    assert bytes(bench.response()) == first


def test_a_forked_request_that_comes_twice_is_482() -> None:
    bench = Bench()
    bench.receive(request("INVITE"))
    assert bench.lines() == ["100"]
    bench.event(Invited)
    bench.receive(request("INVITE", branch="z9hG4bKother-way"))
    assert bench.lines() == ["482"]
    assert bench.told() == []


def test_the_product_is_named_when_it_is_to_be() -> None:
    bench = Bench(user_agent="sipagent/1")
    bench.receive(request("OPTIONS"))
    assert bench.response().headers.get("server") == "sipagent/1"


def test_a_transaction_is_gone_after_its_time() -> None:
    bench = Bench()
    bench.receive(request("OPTIONS"))
    assert not bench.agent.idle
    bench.advance(32.0)
    assert bench.agent.idle
    assert bench.agent.next_timer() is None


def test_whoever_is_in_a_call_needs_no_admission() -> None:
    admission = Admission(trunks=[Peering(name="carrier", peers=(PEER.host,))])
    bench = Bench(admission)
    bench.receive(request("INVITE", body=SDP))
    session = bench.event(Invited).session
    session.accept(ANSWER, bench.now)
    bench.sent()
    roaming = Address("203.0.113.77", 5060)
    recipient = f"<sip:6001@127.0.0.1>;tag={session.local.tag}"
    bench.receive(request("ACK", branch="z9hG4bKack", recipient=recipient), roaming)
    bench.receive(request("BYE", branch="z9hG4bKbye", recipient=recipient, cseq=2), roaming)
    assert bench.lines() == ["200"]


def test_a_stranger_cannot_end_a_call_without_its_tags() -> None:
    bench = Bench(Admission(trunks=[Peering(name="carrier", peers=(PEER.host,))], unknown=Verdict.DROP))
    bench.receive(request("INVITE", body=SDP))
    session = bench.event(Invited).session
    session.accept(ANSWER, bench.now)
    bench.sent()
    for sender, tag in (("mallory", session.local.tag), ("alice", "guess")):
        bench.receive(
            request(
                "BYE",
                branch=f"z9hG4bK{sender}",
                sender=f"<sip:alice@127.0.0.2>;tag={sender}",
                recipient=f"<sip:6001@127.0.0.1>;tag={tag}",
                cseq=2,
            ),
            Address("203.0.113.77", 5060),
        )
    assert bench.sent() == []
