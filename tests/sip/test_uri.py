"""URIs (RFC 3261 section 19.1): what is read is written back, and what is wrong is said."""

import pytest

from sipagent.sip.flow import Address
from sipagent.sip.uri import Uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sip:alice:secret@example.com:5070;transport=udp?subject=x",
        "sips:+358-555-1234567;phone-context=4@gateway.example.net;user=phone",
        "sip:example.com",
        "sip:a%40b@[2001:db8::1]:5060;lr",
        "sip:user;par=u%40example.net@example.com",
        "tel:+1-201-555-0123;phone-context=example.com",
        "isbn:2983792873",
    ],
)
def test_a_uri_is_written_as_it_was_read(text: str) -> None:
    assert str(Uri.parse(text)) == text


def test_the_parts_of_a_uri() -> None:
    uri = Uri.parse("SIP:al%69ce:pw@Example.com:5070;transport=UDP;lr?subject=hello")
    assert (uri.scheme, uri.user, uri.username, uri.host, uri.port) == (
        "sip",
        "al%69ce:pw",
        "alice",
        "Example.com",
        5070,
    )
    assert uri.parameters.get("transport") == "UDP"
    assert uri.parameters.get("lr") == ""
    assert uri.parameters.get("maddr") is None
    assert uri.headers == "subject=hello"
    assert str(uri.bare()) == "sip:al%69ce:pw@Example.com:5070"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "sip:",
        "sip:alice@",
        "sip:@example.com",
        "sip:alice@exa mple.com",
        "<sip:alice@example.com>",
        "sip:alice@example.com:port",
        "sip:alice@example.com:65536",
        "sip:2001:db8::10",
        "sip:alice@[2001:db8::1",
        "sip:alice@[not-an-address]",
        "sip:\udcff@example.com",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=" "):
        Uri.parse(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("sip:alice@192.0.2.1", Address("192.0.2.1", 5060)),
        ("sips:alice@192.0.2.1", Address("192.0.2.1", 5061)),
        ("sip:[2001:db8::1]:5070", Address("2001:db8::1", 5070)),
        ("sip:alice@example.com:5060", None),
        ("sip:alice@192.0.2.256", None),
    ],
)
def test_only_an_address_literal_is_an_address(text: str, address: Address | None) -> None:
    assert Uri.parse(text).address == address
