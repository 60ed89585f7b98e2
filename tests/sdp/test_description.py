"""Session descriptions: lenient in what arrives, exact in what leaves (RFC 8866)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.sdp.description import Attribute, MediaDescription, Origin, SdpError, SessionDescription

DESK_PHONE = (
    b"v=0\r\n"
    b"o=desk 7 8 IN IP4 192.0.2.7\r\n"
    b"s=call\r\n"
    b"c=IN IP4 192.0.2.7\r\n"
    b"t=0 0\r\n"
    b"a=sendrecv\r\n"
    b"m=audio 30000 RTP/AVP 8 101\r\n"
    b"c=IN IP6 2001:db8::7\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\n"
    b"m=video 0 RTP/AVP 31\r\n"
)


def test_every_line_finds_its_place() -> None:
    description = SessionDescription.parse(DESK_PHONE)

    assert description.origin == Origin(username="desk", session_id="7", version="8", host="192.0.2.7")
    assert description.host == "192.0.2.7"
    assert description.attributes == (Attribute("sendrecv"),)
    audio, video = description.media
    assert audio == MediaDescription(
        media="audio",
        port=30000,
        protocol="RTP/AVP",
        formats=("8", "101"),
        host="2001:db8::7",
        attributes=(Attribute("rtpmap", "101 telephone-event/8000"),),
    )
    assert (description.host_of(audio), description.host_of(video)) == ("2001:db8::7", "192.0.2.7")
    assert (audio.attribute("rtpmap"), audio.attribute("ptime")) == ("101 telephone-event/8000", None)


def test_what_was_parsed_is_serialised_to_the_same_bytes() -> None:
    assert SessionDescription.parse(DESK_PHONE).serialise() == DESK_PHONE


@pytest.mark.parametrize(
    "body",
    [
        DESK_PHONE.replace(b"\r\n", b"\n"),
        DESK_PHONE.replace(b"\r\n", b"\r"),
        DESK_PHONE + b"\r\n\r\n",
        DESK_PHONE.replace(b"t=0 0\r\n", b"b=AS:64\r\ny=0100\r\nt=0 0\r\n"),
        DESK_PHONE.replace(b"t=0 0\r\n", b""),
        DESK_PHONE.replace(b"t=0 0\r\n", b"t=now later\r\n"),
        DESK_PHONE.replace(b"30000", b"30000/1"),
    ],
    ids=["bare LF", "bare CR", "blank lines", "unknown lines", "no t=", "t= without numbers", "a count of ports"],
)
def test_sloppy_bodies_mean_the_same(body: bytes) -> None:
    assert SessionDescription.parse(body) == SessionDescription.parse(DESK_PHONE)


def test_origin_and_name_may_be_missing() -> None:
    description = SessionDescription.parse(b"v=0\nm=audio 4000 RTP/AVP 0\n")
    assert (description.origin, description.name, len(description.media)) == (None, "-", 1)


def test_a_user_name_may_have_blanks() -> None:
    origin = SessionDescription.parse(b"v=0\no=Front Desk 1 2 IN IP4 192.0.2.7\n").origin
    assert origin is not None
    assert (origin.username, origin.session_id) == ("Front Desk", "1")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", "line 1"),
        (b"\r\n", "line 1"),
        (b"m=audio 4000 RTP/AVP 0\r\n", "line 1"),
        (b"v=1\r\n", "line 1"),
        (b"v=0\r\nnonsense\r\n", "line 2"),
        (b"v=0\r\no=a b c\r\n", "line 2"),
        (b"v=0\r\nc=IN\r\n", "line 2"),
        (b"v=0\r\nc=ATM NSAP 47.0091\r\n", "line 2"),
        (b"v=0\r\nc=IN IP4 192.0.2.1/ttl\r\n", "line 2"),
        (b"v=0\r\n\r\nm=audio\r\n", "line 3"),
        (b"v=0\r\nm=audio 65536 RTP/AVP 0\r\n", "line 2"),
        (b"v=0\r\nm=audio -1 RTP/AVP 0\r\n", "line 2"),
        (b"v=0\r\nm=audio " + b"9" * 5000 + b" RTP/AVP 0\r\n", "line 2"),
    ],
)
def test_what_cannot_be_understood_is_named_by_its_line(body: bytes, line: str) -> None:
    with pytest.raises(SdpError, match=line):
        SessionDescription.parse(body)


@pytest.mark.parametrize("line", [b" a=crypto:1 %s inline:%s", b"crypto:1 %s inline:%s", b"inline:%s%s"])
def test_a_key_in_a_line_that_cannot_be_understood_is_not_repeated(line: bytes) -> None:
    key = b"WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    with pytest.raises(SdpError, match="line 2") as refused:
        SessionDescription.parse(b"v=0\r\n" + line % (b"AES_CM_128_HMAC_SHA1_80", key))
    assert "WVNf" not in str(refused.value)


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_refused(noise: bytes) -> None:
    try:
        description = SessionDescription.parse(b"v=0\r\n" + noise)
    except SdpError:
        return
    assert SessionDescription.parse(description.serialise()).media == description.media
