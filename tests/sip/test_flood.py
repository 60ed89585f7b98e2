"""Floods: what a source may send before nobody looks, what a caller may try, and what the tables hold."""

import pytest

from sipagent.sip.admission import Admission, Peering, Verdict
from sipagent.sip.flood import (
    CALLS,
    CALLS_OF_ONE,
    KNOWN,
    SOURCES_KEPT,
    STRANGER,
    STRANGERS,
    Buckets,
    CallRates,
    Floodgate,
    Rate,
    Rejections,
)
from sipagent.sip.flow import Address
from sipagent.sip.message import Response
from sipagent.sip.outputs import Invited
from tests.sip.bench import ANSWER, PEER, SDP, Bench, flow_from, request

TRUNK = Admission(trunks=[Peering(name="carrier", peers=(PEER.host,))])
STRANGE = "203.0.113.5"


def admitted(gate: Floodgate, host: str, *, rate: int, seconds: int) -> int:
    """How many of `rate` datagrams a second get through."""
    return sum(gate.admits(host, count / rate) for count in range(rate * seconds))


def test_a_bucket_takes_its_burst_at_once_and_then_its_rate() -> None:
    buckets = Buckets(Rate(per_second=2, burst=5))
    assert [buckets.takes("a", 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert buckets.is_full("a", 100.0)
    assert not buckets.takes("a", 100.4)
    assert buckets.takes("a", 100.5)
    assert not buckets.takes("a", 100.5)
    assert [buckets.takes("a", 200.0) for _ in range(6)] == [True] * 5 + [False]


def test_buckets_are_apart() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1))
    assert buckets.takes("a", 0.0)
    assert buckets.takes("b", 0.0)
    assert not buckets.takes("a", 0.0)


def test_spoofed_sources_fill_the_table_and_no_more_and_the_loudest_is_remembered() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1))
    for number in range(10 * SOURCES_KEPT):
        buckets.takes(f"source {number}", 0.0)
        buckets.takes("loud", 0.0)
    assert len(buckets) == SOURCES_KEPT
    assert buckets.is_full("loud", 0.0)


def test_of_a_stranger_s_flood_the_first_few_are_looked_at() -> None:
    gate = Floodgate(knows=lambda host: False)
    assert admitted(gate, STRANGE, rate=20_000, seconds=10) == pytest.approx(
        STRANGER.burst + 10 * STRANGER.per_second, abs=1
    )


def test_strangers_together_are_looked_at_no_more_than_their_share() -> None:
    gate = Floodgate(knows=lambda host: False)
    looked_at = sum(gate.admits(f"10.{count % 250}.{count // 250 % 250}.1", count / 20_000) for count in range(100_000))
    assert looked_at == pytest.approx(STRANGERS.burst + 5 * STRANGERS.per_second, abs=1)
    assert len(gate) <= 2 * SOURCES_KEPT


def test_who_is_known_goes_on_while_strangers_flood() -> None:
    gate = Floodgate(knows=lambda host: host == PEER.host)
    for count in range(20_000):
        gate.admits(f"10.0.{count % 250}.1", count / 20_000)
        if count % 20 == 0:
            assert gate.admits(PEER.host, count / 20_000)


def test_a_pbx_gone_mad_has_its_limit_too() -> None:
    gate = Floodgate(knows=lambda host: True)
    assert admitted(gate, PEER.host, rate=20_000, seconds=10) == pytest.approx(
        KNOWN.burst + 10 * KNOWN.per_second, abs=1
    )


def test_one_caller_s_excess_is_480_and_everybody_s_is_503() -> None:
    rates = CallRates()
    codes = [rates.refusal("sip:a@x", 0.0) for _ in range(CALLS_OF_ONE.burst + 1)]
    assert codes == [None] * CALLS_OF_ONE.burst + [480]
    assert rates.refusal("sip:b@x", 0.0) is None
    for _ in range(CALLS.burst):
        rates.refusal("", 0.0)
    assert rates.refusal("", 0.0) == 503
    assert rates.refusal("sip:a@x", 2.0) is None


def test_rejections_are_forgotten_after_a_while_and_never_too_many() -> None:
    rejections = Rejections()
    rejections.put("call", "tag", 486, "Busy Here", 10.0)
    for number in range(SOURCES_KEPT - 1):
        rejections.put(f"other {number}", "tag", 486, "Busy Here", 10.0)
    kept = rejections.get("call", "tag", 41.9)
    assert kept is not None
    assert (kept.code, kept.reason) == (486, "Busy Here")
    assert rejections.get("call", "other", 41.9) is None
    assert rejections.get("call", "tag", 42.0) is None
    rejections.put("one more", "tag", 486, "Busy Here", 10.0)
    assert rejections.get("call", "tag", 10.0) is None


# ---- in the user agent


def invite(number: int, sender: str = "") -> str:
    sender = sender or f"<sip:caller{number}@127.0.0.2>;tag=t{number}"
    return request("INVITE", branch=f"z9hG4bK{number}", call_id=f"call-{number}", sender=sender, body=SDP)


def test_the_party_to_a_call_is_known_while_it_lasts() -> None:
    bench = Bench(Admission(unknown=Verdict.ACCEPT))
    stranger = flow_from(Address(STRANGE, 5060))
    bench.receive(request("INVITE", body=SDP), stranger.remote)
    session = bench.event(Invited).session
    assert all(bench.agent.admits(stranger, 0.0) for _ in range(2 * STRANGER.burst))
    session.reject(486, bench.now)
    bench.advance(40)
    assert not all(bench.agent.admits(stranger, 40.0) for _ in range(2 * STRANGER.burst))
    assert bench.agent.counters["flood"] > 0


def test_a_refused_call_that_is_tried_again_starts_nothing() -> None:
    bench = Bench(TRUNK)
    bench.receive(request("INVITE", body=SDP))
    bench.event(Invited).session.reject(486, bench.now)
    assert bench.lines() == ["100", "486"]
    bench.advance(10)
    bench.sent()
    again = request("INVITE", branch="z9hG4bKagain", cseq=2, body=SDP)
    bench.receive(again)
    first = bench.response()
    assert (first.code, first.reason) == (486, "Busy Here")
    bench.receive(again)
    assert bytes(bench.response()) == bytes(first), "without a transaction, the same all the same"
    assert bench.told() == []
    bench.advance(40)
    bench.receive(request("INVITE", branch="z9hG4bKlater", cseq=3, body=SDP))
    bench.event(Invited)


@pytest.mark.parametrize("code", [488, 503, 415])
def test_what_another_try_may_change_is_tried_again(code: int) -> None:
    bench = Bench(TRUNK)
    bench.receive(request("INVITE", body=SDP))
    bench.event(Invited).session.reject(code, bench.now)
    bench.receive(request("INVITE", branch="z9hG4bKagain", cseq=2, body=SDP))
    bench.event(Invited)


def test_calls_past_the_rate_are_sent_away_for_a_while_and_leave_nothing_behind() -> None:
    bench = Bench(TRUNK)
    for number in range(CALLS.burst):
        bench.receive(invite(number))
    assert len(bench.told()) == CALLS.burst
    bench.sent()
    bench.receive(invite(CALLS.burst))
    refused = bench.response()
    assert (refused.code, refused.headers.get("retry-after")) == (503, "5")
    assert bench.told() == []
    assert bench.agent.counters["too-many-calls"] == 1


def test_one_number_cannot_call_without_end() -> None:
    bench = Bench(TRUNK)
    for number in range(CALLS_OF_ONE.burst + 1):
        bench.receive(invite(number, f"<sip:mallory@127.0.0.2>;tag=t{number}"))
    assert len(bench.told()) == CALLS_OF_ONE.burst
    refused = bench.sent()[-1]
    assert isinstance(refused, Response)
    assert (refused.code, refused.headers.get("retry-after")) == (480, "5")


def test_neighbours_of_an_unconfigured_phone_may_try_it_out() -> None:
    bench = Bench(Admission(local=True))
    for number in range(2 * CALLS_OF_ONE.burst):
        bench.receive(invite(number, f"<sip:sipp@127.0.0.2>;tag=t{number}"))
    assert len(bench.told()) == 2 * CALLS_OF_ONE.burst


def test_a_standing_call_is_not_touched_by_the_limits() -> None:
    bench = Bench(TRUNK)
    bench.receive(invite(0))
    session = bench.event(Invited).session
    session.accept(ANSWER, bench.now)
    for number in range(1, CALLS.burst + 10):
        bench.receive(invite(number))
    bench.sent()
    bench.receive(
        request(
            "BYE",
            branch="z9hG4bKbye",
            call_id="call-0",
            cseq=2,
            sender="<sip:caller0@127.0.0.2>;tag=t0",
            recipient=f"<sip:6001@127.0.0.1>;tag={session.local_tag}",
        )
    )
    assert bench.response().code == 200
