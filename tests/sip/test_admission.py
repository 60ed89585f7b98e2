"""Who may ring: every reason to be let in, and what happens to the others."""

import pytest

from sipagent.sip.admission import REMEMBERED_SOURCES, Admission, Verdict
from sipagent.sip.flow import Address
from sipagent.sip.outputs import CallerTurnedAway, Invited
from tests.sip.bench import Bench, request

STRANGER = Address("203.0.113.5", 5060)


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
    assert rings(Bench(Admission(peers=["203.0.113.0/24", "2001:db8::5"])), source) == in_peers


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
    assert rings(Bench(Admission(unknown=Verdict.ACCEPT)), STRANGER)


def test_digest_is_as_silent_as_drop() -> None:
    bench = Bench(Admission(unknown=Verdict.DIGEST))
    bench.receive(request("INVITE"), STRANGER)
    assert bench.sent() == []


def test_a_wrong_network_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Admission(peers=["203.0.113.0/33"])
