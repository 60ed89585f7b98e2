"""Requests that find another way: the next server (RFC 3263 section 4.3), and TCP where UDP is too small for them."""

import pytest

from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Request, Response
from sipagent.sip.outputs import Answered, Cancelled, Refused
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, brief, flow_from

SECOND = Address("127.0.0.3", 5060)
CALLER = Identity(uri=Uri.parse("sip:6001@pbx.example.com"))
LARGE = ANSWER + b"a=x-filler:" + b"x" * 1300 + b"\r\n"
PATIENCE = 32.0

Left = list[tuple[str, str, Address]]


def calling(bench: Bench, *servers: Flow, offer: bytes = ANSWER) -> InviteSession:
    first, *others = servers or (flow_from(PEER), flow_from(SECOND))
    return bench.agent.invite(
        target=Uri.parse("sip:bob@example.com"), flow=first, others=others, identity=CALLER, offer=offer, now=bench.now
    )


def messages(bench: Bench) -> list[tuple[Request | Response, Flow]]:
    return [(message, flow) for _, message, flow in bench.timed()]


def left(bench: Bench) -> Left:
    """What left since the last look: method, transport and whereto."""
    return [(brief(message), flow.transport.value, flow.remote) for message, flow in messages(bench)]


def only(bench: Bench) -> tuple[Request, Flow]:
    ((message, flow),) = messages(bench)
    assert isinstance(message, Request)
    return message, flow


# ---- the next server


def test_a_server_that_is_silent_is_left_for_the_next() -> None:
    bench = Bench()
    session = calling(bench)
    first, _ = messages(bench)[0]
    bench.advance(PATIENCE)
    *_, (second, flow) = messages(bench)
    assert flow.remote == SECOND
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert (second.call_id, second.cseq, second.body) == (first.call_id, first.cseq, first.body)
    assert second.via.branch != first.via.branch
    bench.receive(answer(second, 200, body=SDP), SECOND)
    assert bench.event(Answered).session is session
    assert left(bench)[-1][0] == "ACK"


def test_a_server_that_cannot_be_reached_is_left_at_once() -> None:
    bench = Bench()
    calling(bench)
    bench.agent.transport_failed(flow_from(PEER), bench.now)
    assert left(bench) == [("INVITE", "UDP", PEER), ("INVITE", "UDP", SECOND)]


def test_a_server_out_of_service_is_acknowledged_and_left() -> None:
    bench = Bench()
    calling(bench)
    invite, _ = only(bench)
    bench.receive(answer(invite, 503))
    assert left(bench) == [("ACK", "UDP", PEER), ("INVITE", "UDP", SECOND)]
    bench.receive(answer(invite, 503))  # it did not get our ACK
    assert left(bench) == [("ACK", "UDP", PEER)]
    assert bench.told() == []


@pytest.mark.parametrize("code", [404, 486, 500, 603])
def test_any_other_refusal_is_the_answer(code: int) -> None:
    bench = Bench()
    calling(bench)
    invite, _ = only(bench)
    bench.receive(answer(invite, code))
    assert bench.event(Refused).code == code
    assert left(bench) == [("ACK", "UDP", PEER)]


def test_when_all_have_failed_the_last_failure_is_told() -> None:
    bench = Bench()
    calling(bench)
    bench.agent.transport_failed(flow_from(PEER), bench.now)
    bench.agent.transport_failed(flow_from(SECOND), bench.now)
    assert bench.event(Refused).code == 503
    bench.advance(64.0)
    assert bench.agent.idle


def test_the_next_call_goes_first_to_the_server_that_answers() -> None:
    bench = Bench()
    calling(bench)
    bench.agent.transport_failed(flow_from(PEER), bench.now)
    left(bench)
    session = calling(bench)
    assert left(bench) == [("INVITE", "UDP", SECOND)]
    assert session.flow == flow_from(SECOND)


def test_a_server_is_left_alone_for_as_long_as_it_asked() -> None:
    bench = Bench()
    calling(bench)
    bench.receive(answer(only(bench)[0], 503, headers=["Retry-After: 600"]))
    bench.advance(599.0)
    left(bench)
    calling(bench)
    assert left(bench)[0][2] == SECOND
    bench.advance(600.0)
    left(bench)
    calling(bench)
    assert left(bench)[0][2] == PEER


def test_a_bye_goes_to_the_server_that_took_the_call() -> None:
    bench = Bench()
    session = calling(bench)
    bench.agent.transport_failed(flow_from(PEER), bench.now)
    *_, (invite, _) = messages(bench)
    assert isinstance(invite, Request)
    bench.receive(answer(invite, 200, body=SDP, headers=["Contact: <sip:bob@pbx.example.com>"]), SECOND)
    session.bye(bench.now)
    assert left(bench) == [("ACK", "UDP", SECOND), ("BYE", "UDP", SECOND)]


def test_a_cancel_goes_the_way_of_its_invite() -> None:
    bench = Bench()
    session = calling(bench)
    bench.agent.transport_failed(flow_from(PEER), bench.now)
    *_, (invite, _) = messages(bench)
    assert isinstance(invite, Request)
    bench.receive(answer(invite, 180), SECOND)
    session.cancel(bench.now)
    cancel, flow = only(bench)
    assert (cancel.method, flow.remote) == ("CANCEL", SECOND)
    assert cancel.via == invite.via


def test_a_call_that_was_taken_back_rings_nowhere_else() -> None:
    bench = Bench()
    session = calling(bench)
    session.cancel(bench.now)
    bench.agent.transport_failed(flow_from(PEER), bench.now)
    assert left(bench) == [("INVITE", "UDP", PEER)]
    bench.event(Cancelled)


def test_a_cancelled_call_is_forgotten_on_every_way_it_took() -> None:
    bench = Bench()
    session = calling(bench)
    bench.receive(answer(only(bench)[0], 503))
    *_, (invite, _) = messages(bench)
    assert isinstance(invite, Request)
    bench.receive(answer(invite, 180), SECOND)
    session.cancel(bench.now)
    bench.advance(64.0)
    assert isinstance(bench.told()[-1], Cancelled)
    assert bench.agent.idle


# ---- large requests (RFC 3261 section 18.1.1)


def tcp(remote: Address = PEER) -> Flow:
    return flow_from(remote, transport=Transport.TCP)


def test_what_is_too_large_for_a_datagram_goes_by_tcp() -> None:
    bench = Bench(has_tcp=True)
    session = calling(bench, offer=LARGE)
    invite, flow = only(bench)
    assert flow == tcp()
    assert invite.via.transport == "TCP"
    assert session.flow == flow_from(PEER)
    bench.receive(answer(invite, 180), flow=flow)
    session.cancel(bench.now)
    assert left(bench) == [("CANCEL", "TCP", PEER)]


def test_where_nobody_takes_tcp_it_goes_by_udp_all_the_same() -> None:
    bench = Bench(has_tcp=True)
    calling(bench, offer=LARGE)
    left(bench)
    bench.agent.transport_failed(tcp(), bench.now, "Connection refused")
    invite, flow = only(bench)
    assert flow == flow_from(PEER)
    assert invite.via.transport == "UDP"
    calling(bench, offer=LARGE)
    assert left(bench) == [("INVITE", "UDP", PEER)]  # and the next one at once


def test_what_fits_goes_by_udp() -> None:
    bench = Bench(has_tcp=True)
    calling(bench)
    assert left(bench) == [("INVITE", "UDP", PEER)]


def test_without_tcp_everything_goes_by_udp() -> None:
    bench = Bench()
    calling(bench, offer=LARGE)
    assert left(bench) == [("INVITE", "UDP", PEER)]


# ---- streams


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_over_a_stream_nothing_is_sent_twice(transport: Transport) -> None:
    bench = Bench()
    flow = flow_from(PEER, transport=transport)
    session = calling(bench, flow)
    invite, _ = only(bench)
    assert invite.via.transport == transport.value
    assert invite.headers.get("contact") == f"<sip:sipagent@127.0.0.1:5060;transport={transport.value.lower()}>"
    bench.advance(PATIENCE)
    assert left(bench) == []
    assert bench.event(Refused).session is session
    assert bench.agent.idle
