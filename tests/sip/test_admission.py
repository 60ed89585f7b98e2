"""Who may ring: every reason to be let in, and what happens to the others."""

import pytest

from sipagent.sip.admission import REMEMBERED_SOURCES, Admission, Peering, Verdict
from sipagent.sip.flow import Address
from sipagent.sip.outputs import CallerTurnedAway, Invited
from tests.sip.bench import SDP, Bench, request

STRANGER = Address("203.0.113.5", 5060)


def carrier(*peers: str, name: str = "carrier", called: tuple[str, ...] = ()) -> Peering:
    return Peering(name=name, peers=peers, called=called)


def rings(bench: Bench, source: Address, uri: str = "sip:6001@127.0.0.1") -> bool:
    bench.receive(request("INVITE", uri=uri), source)
    return any(isinstance(event, Invited) for event in bench.told())


@pytest.mark.parametrize(
    ("host", "in_local", "in_peers"),
    [
        ("127.0.0.2", True, False),
        ("::1", True, False),
        ("10.1.2.3", True, False),
        ("192.168.1.1", True, False),
        ("fd00::1", True, False),
        ("203.0.113.5", False, True),
        ("::ffff:203.0.113.5", False, True),
        ("203.0.114.5", False, False),
        ("2001:db8::5", False, True),
        ("0.0.0.0", False, False),
    ],
)
def test_local_and_peer_addresses(host: str, in_local: bool, in_peers: bool) -> None:
    source = Address(host, 5060)
    assert rings(Bench(Admission(local=True)), source) == in_local
    assert rings(Bench(Admission(trunks=[carrier("203.0.113.0/24", "2001:db8::5")])), source) == in_peers


def test_a_trusted_host_may_ring_from_any_port() -> None:
    admission = Admission()
    admission.trust_host(STRANGER.host)
    assert rings(Bench(admission), Address(STRANGER.host, 49152))


def test_whoever_names_our_contact_may_ring_until_it_is_gone() -> None:
    admission = Admission()
    admission.trust_contact("token1")
    assert rings(Bench(admission), STRANGER, "sip:token1@127.0.0.1")
    assert not rings(Bench(admission), STRANGER, "sip:token2@127.0.0.1")
    admission.distrust_contact("token1")
    assert not rings(Bench(admission), STRANGER, "sip:token1@127.0.0.1")


def test_a_stranger_hears_nothing_and_is_reported_once() -> None:
    bench = Bench(Admission())
    bench.receive(request("INVITE"), STRANGER)
    event = bench.event(CallerTurnedAway)
    assert (event.source, event.method, event.verdict) == (STRANGER, "INVITE", Verdict.DROP)
    assert event.cure == "[trunk NAME] peers = 203.0.113.5"
    for method in ("OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "NEWMETHOD"):
        bench.receive(request(method, branch=f"z9hG4bK{method}"), STRANGER)
    bench.receive(request("INVITE").replace("Call-ID: call-1\r\n", ""), STRANGER)
    assert bench.sent() == []
    assert bench.told() == []
    assert bench.agent.idle


def test_every_stranger_is_reported_while_memory_lasts() -> None:
    bench = Bench(Admission())
    for number in range(REMEMBERED_SOURCES + 10):
        bench.receive(request("OPTIONS"), Address(f"203.0.{number // 250}.{number % 250}", 5060))
    assert len(bench.told()) == REMEMBERED_SOURCES
    assert bench.agent.counters["turned-away"] == REMEMBERED_SOURCES + 10


def test_reject_says_403_and_accept_lets_everybody_in() -> None:
    bench = Bench(Admission(unknown=Verdict.REJECT))
    bench.receive(request("INVITE"), STRANGER)
    assert bench.response().code == 403
    assert bench.agent.idle, "nothing is kept of it"
    assert rings(Bench(Admission(unknown=Verdict.ACCEPT)), STRANGER)


def test_a_wrong_network_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Admission(trunks=[carrier("203.0.113.0/33")])


def test_a_host_is_trusted_from_the_moment_on_even_if_it_was_a_stranger() -> None:
    admission = Admission()
    assert not rings(Bench(admission), STRANGER)
    admission.trust_host(STRANGER.host)
    assert rings(Bench(admission), STRANGER)


# ---- whose call it is


def line_of(bench: Bench, uri: str, source: Address = STRANGER) -> str:
    bench.receive(request("INVITE", uri=uri, body=SDP), source)
    return bench.event(Invited).session.account


@pytest.mark.parametrize(
    ("number", "line"),
    [("5551", "sales"), ("555", "sales"), ("+155512", "abroad"), ("4567", "rest"), ("5551;npdi", "sales")],
)
def test_the_first_trunk_that_takes_the_number_has_the_call(number: str, line: str) -> None:
    peer = STRANGER.host
    trunks = [
        carrier(peer, name="sales", called=("555*",)),
        carrier(peer, name="abroad", called=("+1*", "00*")),
        carrier(peer, name="rest"),
    ]
    bench = Bench(Admission(trunks=trunks), trunks=[trunk.name for trunk in trunks])
    assert line_of(bench, f"sip:{number}@127.0.0.1") == line


def test_a_number_that_no_trunk_takes_is_404() -> None:
    bench = Bench(Admission(trunks=[carrier(STRANGER.host, called=("555*",))]), trunks=["carrier"])
    bench.receive(request("INVITE", uri="sip:666@127.0.0.1"), STRANGER)
    assert bench.response().code == 404
    assert bench.event(CallerTurnedAway).cure == "[trunk NAME] called = 666"
    bench.receive(request("INVITE", branch="z9hG4bKn", call_id="call-2", uri="sip:667@127.0.0.1"), STRANGER)
    assert bench.response().code == 404
    assert bench.told() == [], "a peer is told of once"
    bench.receive(request("OPTIONS", branch="z9hG4bKo", uri="sip:666@127.0.0.1"), STRANGER)
    assert bench.response().code == 200


def test_a_registrar_that_is_a_trunk_too_is_the_trunk_unless_it_calls_our_contact() -> None:
    bench = Bench(Admission(trunks=[carrier(STRANGER.host, called=("555*",))]), trunks=["carrier"])
    registration = bench.registers(STRANGER)
    assert line_of(bench, f"sip:{registration.token}@127.0.0.1") == "office"
    bench.receive(request("INVITE", uri="sip:5551@127.0.0.1", call_id="call-2", body=SDP, branch="z9hG4bK2"), STRANGER)
    assert bench.event(Invited).session.account == "carrier"
    bench.receive(request("INVITE", uri="sip:9@127.0.0.1", call_id="call-3", body=SDP, branch="z9hG4bK3"), STRANGER)
    assert bench.event(Invited).session.account == "office"


# ---- who says so

ASSERTED = ["P-Asserted-Identity: <sip:+15551234@carrier.example.com>", "Diversion: <sip:100@pbx.example.com>"]


def test_an_identity_that_a_peer_asserts_is_believed() -> None:
    bench = Bench(Admission(trunks=[carrier(STRANGER.host)]))
    bench.receive(request("INVITE", headers=ASSERTED, body=SDP), STRANGER)
    headers = bench.event(Invited).session.request.headers
    assert headers.get("p-asserted-identity") == "<sip:+15551234@carrier.example.com>"


def test_an_identity_that_a_stranger_asserts_is_left_out() -> None:
    bench = Bench(Admission(unknown=Verdict.ACCEPT))
    bench.receive(request("INVITE", headers=ASSERTED, body=SDP), STRANGER)
    headers = bench.event(Invited).session.request.headers
    assert headers.get("p-asserted-identity") is None
    assert headers.get("diversion") == "<sip:100@pbx.example.com>"
