"""Reading and writing messages (RFC 3261 section 7): lenient in, exact out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.errors import LocalProtocolError
from sipagent.sip.message import MAXIMUM_HEADERS, Headers, Request, Response, check, parse, response_to
from tests.sip.bench import PEER, SDP, request


def parsed(text: str | bytes) -> Request:
    data = text if isinstance(text, bytes) else text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    message = parse(data)
    assert isinstance(message, Request)
    return message


def flaw_of(text: str | bytes) -> tuple[int, str] | None:
    flaw = check(parsed(text))
    return (flaw.code, flaw.reason) if flaw else None


SLOPPY = """INVITE sip:6001@127.0.0.1 SIP/2.0
TO :
 sip:6001@127.0.0.1
fRoM:"Alice"<sip:alice@127.0.0.2>;tag=a
i : call-1
cSEQ: 0009
  INVITE
Supported:
k: replaces
\t, 100rel
v:SIP / 2.0 / UDP 127.0.0.2 ;branch=z9hG4bK1, SIP/2.0/TCP relay.example.com
Via: SIP/2.0/UDP far.example.com;branch=b
m: <sip:alice@127.0.0.2>
NewFangled: new
 continued
l: 0

"""


def test_compact_folded_unspaced_and_empty_headers_are_read() -> None:
    invite = parsed(SLOPPY)
    assert check(invite) is None
    assert invite.to.uri.user == "6001"
    assert (invite.from_.display_name, invite.from_.tag) == ("Alice", "a")
    assert (invite.call_id, invite.cseq.number) == ("call-1", 9)
    assert invite.headers.rows("supported") == ["", "replaces , 100rel"]
    assert invite.headers.tokens("Supported") == {"replaces", "100rel"}
    assert invite.headers.get("newfangled") == "new continued"
    assert [via.partition(";")[0].rstrip() for via in invite.headers.values("Via")] == [
        "SIP / 2.0 / UDP 127.0.0.2",
        "SIP/2.0/TCP relay.example.com",
        "SIP/2.0/UDP far.example.com",
    ]


def test_bare_line_feeds_are_read() -> None:
    assert flaw_of(SLOPPY.encode()) is None


def test_keep_alives_before_a_message_are_skipped() -> None:
    assert flaw_of("\r\n\r\n" + SLOPPY) is None


def test_a_comma_in_quotes_or_brackets_separates_nothing() -> None:
    headers = Headers([("Contact", '"Bell, A" <sip:a,b@example.com>;q=1, <sip:c@example.com>')])
    assert headers.values("contact") == ['"Bell, A" <sip:a,b@example.com>;q=1', "<sip:c@example.com>"]


def test_the_body_ends_at_content_length() -> None:
    message = parsed(request("INVITE", body=SDP).encode() + b"REGISTER sip:x SIP/2.0\r\n")
    assert message.body == SDP
    assert check(message) is None


def test_without_content_length_the_body_is_the_rest_of_the_datagram() -> None:
    data = request("INVITE", body=SDP).encode().replace(b"Content-Length: %d\r\n" % len(SDP), b"")
    assert parsed(data).body == SDP


@pytest.mark.parametrize(
    ("old", "new", "flaw"),
    [
        ("Content-Length: 0", "Content-Length: 9", (400, "Body Shorter than Content-Length")),
        ("Content-Length: 0", "Content-Length: -1", (400, "Bad Content-Length")),
        ("Content-Length: 0", "Content-Length: 0\nContent-Length: 1", (400, "Several Content-Lengths")),
        ("Max-Forwards: 70", "no colon here", (400, "Header without a Colon")),
        ("Call-ID: call-1\n", "", (400, "Missing Call-ID")),
        ("Call-ID: call-1", "Call-ID: call-1\nCall-ID: call-2", (400, "Several Call-ID Headers")),
        ("From:", "From: <sip:x@127.0.0.3>;tag=1\nf:", (400, "Several From Headers")),
        ('"Alice"', '"Alice', (400, "Bad From")),
        ("CSeq: 1", "CSeq: 36893488147419103232", (400, "Bad CSeq")),
        ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE", (400, "CSeq of Another Method")),
        ("127.0.0.2:5060;branch", "127.0.0.2:x;branch", (400, "Bad Via")),
        ("OPTIONS sip:6001@", "OPTIONS sip:6001 @", (400, "Bad Request-URI")),
        ("OPTIONS sip:6001@127.0.0.1", "OPTIONS <sip:6001@127.0.0.1>", (400, "Bad Request-URI")),
        ("SIP/2.0\n", "SIP/7.0\n", (505, "Version Not Supported")),
    ],
)
def test_a_mangled_request_names_its_flaw(old: str, new: str, flaw: tuple[int, str]) -> None:
    text = request("OPTIONS").replace("\r\n", "\n")
    assert old in text
    assert flaw_of(text.replace(old, new, 1)) == flaw


def test_a_response_is_forgiven_a_strange_line_but_not_a_missing_end() -> None:
    whole = b"SIP/2.0 200 OK\r\nno colon here\r\nCall-ID: 1\r\nContent-Length: 3\r\n\r\nabc"
    flaws = []
    for data in (whole, whole[:-1], whole[:-5]):
        response = parse(data)
        assert isinstance(response, Response)
        flaws.append(response.flaw and response.flaw.reason)
    assert flaws == [None, "Body Shorter than Content-Length", "Message without End of Headers"]


def test_a_request_cut_off_inside_its_headers_is_mangled() -> None:
    assert flaw_of(request("OPTIONS").encode()[:-4]) == (400, "Message without End of Headers")


def test_too_many_headers_are_not_read() -> None:
    text = request("OPTIONS", headers=["X-Filler: x"] * (MAXIMUM_HEADERS + 1))
    assert flaw_of(text) == (400, "Too Many Headers")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"hello",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 4294967301 better not\r\n\r\n",
        b"SIP/2.0 099 x\r\n\r\n",
        b"SIP/2.0 OK\r\n\r\n",
        b"SIP/3.0 200 OK\r\n\r\n",
        b"INV ITE sip:a@b SIP/2\r\n\r\n",
        "SIP/2.0 ²00 OK\r\n\r\n".encode(),
    ],
)
def test_what_is_no_message_is_none(data: bytes) -> None:
    assert parse(data) is None


def test_a_message_is_written_with_long_names_and_its_true_length() -> None:
    message = Request(
        method="NOTIFY",
        uri="sip:a@b.example",
        headers=Headers(
            [("v", "SIP/2.0/UDP a"), ("i", "1"), ("cseq", "1 NOTIFY"), ("l", "99"), ("www-authenticate", "x")]
        ),
        body=b"12345",
    )
    assert bytes(message) == (
        b"NOTIFY sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nCall-ID: 1\r\nCSeq: 1 NOTIFY\r\n"
        b"WWW-Authenticate: x\r\nContent-Length: 5\r\n\r\n12345"
    )


def test_bytes_that_are_no_utf8_come_back_as_they_were() -> None:
    invite = parsed(request("OPTIONS").encode().replace(b"Alice", b"J\xf6rg"))
    assert b'From: "J\xf6rg" <sip:alice@127.0.0.2>;tag=alice\r\n' in bytes(response_to(invite, 200, source=PEER))


def test_no_line_break_gets_into_a_header() -> None:
    with pytest.raises(LocalProtocolError, match="line break"):
        bytes(Response(code=200, reason="OK\r\nEvil: 1", headers=Headers()))


def test_a_response_copies_what_it_must_and_adds_a_tag() -> None:
    invite = parsed(SLOPPY)
    response = response_to(invite, 180, source=PEER, to_tag="t1", headers=[("Contact", "<sip:us@127.0.0.1>")])
    assert (response.code, response.reason) == (180, "Ringing")
    assert response.headers.rows("via") == [
        "SIP/2.0/UDP 127.0.0.2;branch=z9hG4bK1",
        "SIP/2.0/TCP relay.example.com",
        "SIP/2.0/UDP far.example.com;branch=b",
    ]
    assert response.headers.get("from") == '"Alice"<sip:alice@127.0.0.2>;tag=a'
    assert response.to.tag == "t1"
    assert response.headers.get("cseq") == "0009 INVITE"


def test_100_has_no_tag_but_the_timestamp() -> None:
    response = response_to(parsed(request("INVITE", headers=["Timestamp: 54"])), 100, source=PEER, to_tag="t1")
    assert response.to.tag == ""
    assert response.headers.get("timestamp") == "54"


def test_a_tag_that_is_there_stays() -> None:
    bye = parsed(request("BYE", recipient="<sip:6001@127.0.0.1>;tag=ours"))
    assert response_to(bye, 481, source=PEER, to_tag="new").to.tag == "ours"


@given(st.binary(max_size=600))
def test_no_bytes_raise(data: bytes) -> None:
    message = parse(data)
    if isinstance(message, Request):
        check(message)


@given(st.data())
def test_no_damage_to_a_request_raises(data: st.DataObject) -> None:
    whole = bytearray(SLOPPY.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    message = parse(bytes(whole))
    if isinstance(message, Request) and check(message) is None:
        bytes(response_to(message, 200, source=PEER, to_tag="t"))
