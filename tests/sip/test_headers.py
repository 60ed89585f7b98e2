"""name-addr, Via and CSeq (RFC 3261 section 20), in the shapes that peers really send."""

import pytest

from sipagent.sip.flow import Address
from sipagent.sip.headers import CSeq, NameAddr, Via, parse_number
from tests.sip.bench import PEER, flow_from


@pytest.mark.parametrize(
    ("text", "name", "uri", "tag"),
    [
        ('"Bell, Alexander" <sip:a.g.bell@example.com>;tag=43', "Bell, Alexander", "sip:a.g.bell@example.com", "43"),
        ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", "323"),
        ("A. Bell <sip:a@b.example>", "A. Bell", "sip:a@b.example", ""),
        ("sip:vivekg@chair.example.com ; tag    = 19", "", "sip:vivekg@chair.example.com", "19"),
        ("< sip:alice@example.com;lr >; Tag=x", "", "sip:alice@example.com;lr", "x"),
        (r'"J Rosenberg \\\"" <sip:jdr@example.com>', 'J Rosenberg \\"', "sip:jdr@example.com", ""),
        (
            '"<sip:joe@big.org>;tag=no"<sip:really@example.com>',
            "<sip:joe@big.org>;tag=no",
            "sip:really@example.com",
            "",
        ),
        ("<tel:+1-201-555-0123>", "", "tel:+1-201-555-0123", ""),
    ],
)
def test_an_address_is_read(text: str, name: str, uri: str, tag: str) -> None:
    address = NameAddr.parse(text)
    assert (address.display_name, str(address.uri), address.tag) == (name, uri, tag)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", '"Mr. J. User <sip:j@example.com>', '"Alice" sip:alice@example.com', "<sip:a@b.example", "<sip:a@b.example>x"],
)
def test_a_broken_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=" "):
        NameAddr.parse(text)


def test_bytes_of_a_name_that_are_no_utf8_stay_printable() -> None:
    name = NameAddr.parse(b'"J\xf6rg" <sip:joerg@example.com>'.decode("utf-8", "surrogateescape")).display_name
    assert name == "J�rg"


@pytest.mark.parametrize(
    ("text", "transport", "sent_by", "branch"),
    [
        ("SIP/2.0/UDP 192.0.2.2;branch=390skdjuw", "UDP", "192.0.2.2", "390skdjuw"),
        (
            "SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9",
            "TCP",
            "spindle.example.com",
            "z9hG4bK9",
        ),
        ("sip / 2.0 / udp [2001:db8::9]: 6050 ;branch=a", "UDP", "[2001:db8::9]:6050", "a"),
        ("SIP/2.0/UNKNOWN t4.example.com", "UNKNOWN", "t4.example.com", ""),
    ],
)
def test_a_via_is_read(text: str, transport: str, sent_by: str, branch: str) -> None:
    via = Via.parse(text)
    assert (via.transport, via.sent_by, via.branch) == (transport, sent_by, branch)


@pytest.mark.parametrize("text", ["", "SIP/7.0/UDP a.example", "SIP/2.0/UDP", "SIP/2.0/UDP a.example:x", "HTTP/1.1 a"])
def test_a_broken_via_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=" "):
        Via.parse(text)


def test_our_via_asks_for_the_source_port() -> None:
    assert str(Via.of(flow_from(PEER), "b1")) == "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKb1;rport"


@pytest.mark.parametrize(
    ("via", "returned"),
    [
        (
            "SIP/2.0/UDP 10.0.0.9:5060;branch=b;rport",
            "SIP/2.0/UDP 10.0.0.9:5060;branch=b;rport=4999;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP 192.0.2.9:4999;rport;branch=b",
            "SIP/2.0/UDP 192.0.2.9:4999;rport=4999;branch=b;received=192.0.2.9",
        ),
        ("SIP/2.0/UDP pc.example.com;branch=b", "SIP/2.0/UDP pc.example.com;branch=b;received=192.0.2.9"),
        ("SIP/2.0/UDP 192.0.2.9;branch=b", "SIP/2.0/UDP 192.0.2.9;branch=b"),
    ],
)
def test_a_via_returns_with_the_source_it_came_from(via: str, returned: str) -> None:
    assert str(Via.parse(via).stamped(Address("192.0.2.9", 4999))) == returned


def test_a_cseq_is_read() -> None:
    assert CSeq.parse(" 0009 \t INVITE") == CSeq.parse("9\tINVITE") == CSeq(9, "INVITE")
    assert CSeq.parse("2147483647 ACK").number == 2**31 - 1


@pytest.mark.parametrize("text", ["", "INVITE", "1", "-1 INVITE", "2147483648 INVITE", "1 IN VITE", "٣ INVITE"])
def test_a_broken_cseq_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=" "):
        CSeq.parse(text)


def test_a_number_has_an_end() -> None:
    assert parse_number(" 0000000000000070 ") == 70
    with pytest.raises(ValueError, match="too large"):
        parse_number("1" * 5000)
