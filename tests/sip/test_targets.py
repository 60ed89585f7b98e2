"""The rules of finding servers, without a network: transports, weights, servers that failed, ways round."""

import pytest

from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.targets import (
    Holds,
    Pointer,
    Service,
    Way,
    address_of,
    asked_transport,
    by_weight,
    service_name,
    services_pointed_at,
    way_round,
    ways_to,
)
from sipagent.sip.uri import Uri

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS


# ---- transports (RFC 3263 section 4.1)


@pytest.mark.parametrize(
    ("uri", "preferred", "transport"),
    [
        ("sip:example.com", None, None),
        ("sip:example.com", TCP, TCP),
        ("sip:example.com;transport=tcp", UDP, TCP),
        ("sip:example.com;transport=TLS", None, TLS),
        ("sips:example.com", UDP, TLS),
        ("sips:example.com;transport=tcp", None, TLS),
    ],
)
def test_a_uri_asks_for_its_transport_before_the_account_does(
    uri: str, preferred: Transport | None, transport: Transport | None
) -> None:
    assert asked_transport(Uri.parse(uri), preferred) is transport


def test_a_transport_that_we_do_not_speak_is_an_error() -> None:
    with pytest.raises(ValueError, match="SCTP"):
        asked_transport(Uri.parse("sip:example.com;transport=sctp"), None)


@pytest.mark.parametrize(
    ("uri", "transport", "address"),
    [
        ("sip:192.0.2.1", UDP, Address("192.0.2.1", 5060)),
        ("sip:192.0.2.1", TLS, Address("192.0.2.1", 5061)),
        ("sip:[2001:db8::1]:5080", TCP, Address("2001:db8::1", 5080)),
        ("sip:example.com;maddr=192.0.2.9", UDP, Address("192.0.2.9", 5060)),
        ("sip:example.com:5060", UDP, None),
    ],
)
def test_an_address_needs_no_dns(uri: str, transport: Transport, address: Address | None) -> None:
    assert address_of(Uri.parse(uri), transport) == address


# ---- NAPTR


def pointer(order: int, preference: int, service: str, flags: str = "s") -> Pointer:
    replacement = f"{service.lower()}.example.com"
    return Pointer(order=order, preference=preference, flags=flags, service=service, replacement=replacement)


def test_the_domain_prefers_among_the_transports_that_we_speak() -> None:
    pointers = [
        pointer(90, 50, "SIP+D2T"),
        pointer(100, 50, "SIP+D2U"),
        pointer(50, 50, "SIPS+D2T"),
        pointer(10, 10, "SIP+D2S"),
        pointer(20, 10, "E2U+sip", flags="u"),
    ]
    assert services_pointed_at(pointers, {UDP, TCP, TLS}) == [
        (TLS, "sips+d2t.example.com"),
        (TCP, "sip+d2t.example.com"),
        (UDP, "sip+d2u.example.com"),
    ]
    assert services_pointed_at(pointers, {UDP}) == [(UDP, "sip+d2u.example.com")]


def test_within_an_order_the_preference_counts() -> None:
    pointers = [pointer(10, 2, "SIP+D2T"), pointer(10, 1, "SIP+D2U")]
    assert [transport for transport, _ in services_pointed_at(pointers, {UDP, TCP})] == [UDP, TCP]


@pytest.mark.parametrize(
    ("transport", "name"),
    [(UDP, "_sip._udp.example.com"), (TCP, "_sip._tcp.example.com"), (TLS, "_sips._tcp.example.com")],
)
def test_each_transport_has_its_name_in_dns(transport: Transport, name: str) -> None:
    assert service_name(transport, "example.com") == name


# ---- SRV


def service(host: str, priority: int, weight: int) -> Service:
    return Service(priority=priority, weight=weight, port=5060, host=host)


SHARED = [service("backup", 20, 0), service("light", 10, 1), service("heavy", 10, 3), service("spare", 10, 0)]


@pytest.mark.parametrize(
    ("lots", "order"),
    [
        ([0, 0, 0], ["spare", "light", "heavy", "backup"]),
        ([1, 3, 0], ["light", "heavy", "spare", "backup"]),
        ([2, 1, 0], ["heavy", "light", "spare", "backup"]),
        ([4, 0, 1], ["heavy", "spare", "light", "backup"]),
    ],
)
def test_priority_goes_first_and_weight_by_lot(lots: list[int], order: list[str]) -> None:
    drawn = iter([*lots, 0])
    assert [item.host for item in by_weight(SHARED, lambda most: next(drawn))] == order


def test_each_lot_is_drawn_up_to_the_weight_that_is_left() -> None:
    asked: list[int] = []

    def draw(most: int) -> int:
        asked.append(most)
        return most

    assert [item.host for item in by_weight(SHARED, draw)] == ["heavy", "light", "spare", "backup"]
    assert asked == [4, 1, 0, 0]


# ---- servers that failed


def flow_to(host: str, transport: Transport = UDP) -> Flow:
    return Flow(transport=transport, local=Address("192.0.2.1", 5060), remote=Address(host, 5060))


FIRST, SECOND = flow_to("192.0.2.10"), flow_to("192.0.2.11")


def flows(*, large: bool = False, holds: Holds | None = None, now: float = 0.0) -> list[Flow]:
    return [way.flow for way in ways_to([FIRST, SECOND], large=large, holds=holds or Holds(), now=now)]


def test_a_server_that_failed_comes_last_for_five_minutes() -> None:
    holds = Holds()
    holds.put(FIRST, 100.0)
    assert flows(holds=holds, now=399.0) == [SECOND, FIRST]
    assert flows(holds=holds, now=400.0) == [FIRST, SECOND]


def test_a_large_request_goes_to_each_server_by_tcp_first() -> None:
    tcp = [flow_to(server.remote.host, TCP) for server in (FIRST, SECOND)]
    assert flows(large=True) == [tcp[0], FIRST, tcp[1], SECOND]
    holds = Holds()
    holds.put(tcp[0], 0.0)
    assert flows(large=True, holds=holds) == [FIRST, tcp[1], SECOND, tcp[0]]


def test_a_large_request_over_a_stream_stays_there() -> None:
    server = flow_to("192.0.2.10", TLS)
    assert ways_to([server], large=True, holds=Holds(), now=0.0) == [Way(server=server, flow=server)]


def test_a_server_comes_last_for_as_long_as_it_asked_for_but_no_longer_than_an_hour() -> None:
    holds = Holds()
    holds.put(FIRST, 0.0, retry_after=300)
    holds.put(SECOND, 0.0, retry_after=10**9)
    assert (holds.held(FIRST, 299.0), holds.held(FIRST, 300.0)) == (True, False)
    assert (holds.held(SECOND, 3599.0), holds.held(SECOND, 3600.0)) == (True, False)


def test_a_server_that_answers_is_held_no_longer() -> None:
    holds = Holds()
    holds.put(FIRST, 0.0)
    holds.lift(FIRST)
    assert not holds.held(FIRST, 1.0)


def test_a_server_that_is_held_on_one_transport_is_free_on_another() -> None:
    holds = Holds()
    holds.put(flow_to("192.0.2.10", TCP), 0.0)
    assert not holds.held(FIRST, 1.0)


# ---- a connection that is gone (RFC 3261 section 18.2.2)


def response(via: str) -> bytes:
    return f"SIP/2.0 200 OK\r\nVia: {via}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("via", "address"),
    [
        ("SIP/2.0/TCP 192.0.2.2:5070;branch=z9hG4bK1", Address("192.0.2.2", 5070)),
        ("SIP/2.0/TCP 10.0.0.2:5070;received=192.0.2.2;rport=40123", Address("192.0.2.2", 5070)),
        ("SIP/2.0/TCP pbx.example.com;received=192.0.2.2", Address("192.0.2.2", 5060)),
        ("SIP/2.0/TLS [2001:db8::2];branch=z9hG4bK1", Address("2001:db8::2", 5061)),
        ("SIP/2.0/TCP pbx.example.com", None),
        ("nonsense", None),
    ],
)
def test_a_response_goes_to_where_its_request_came_from_at_the_port_of_the_via(via: str, address: Address) -> None:
    assert way_round(response(via)) == address


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ("", Address("192.0.2.3", 5062)),
        ("Route: <sip:192.0.2.4;lr;transport=tls>, <sip:192.0.2.5;lr>\r\n", Address("192.0.2.4", 5061)),
        ("Route: <sip:proxy.example.com;lr>\r\n", None),
        ("Route: nonsense\r\n", None),
    ],
)
def test_a_request_goes_to_its_first_hop(headers: str, address: Address | None) -> None:
    assert way_round(f"BYE sip:a@192.0.2.3:5062 SIP/2.0\r\n{headers}Content-Length: 0\r\n\r\n".encode()) == address


def test_what_is_no_message_goes_nowhere() -> None:
    assert way_round(b"\r\n\r\n") is None
