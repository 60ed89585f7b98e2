"""Offer and answer (RFC 3264): given what the peer wrote, when we answer or read, then this is agreed."""

import itertools
from dataclasses import replace

import pytest

from sipagent.errors import NotAcceptable
from sipagent.sdp.direction import Direction
from sipagent.sdp.offer_answer import LocalMedia, Negotiated, make_answer, make_offer, read_answer
from tests.sdp.descriptions import description, media_of

LOCAL = LocalMedia(host="192.0.2.10", port=40000, session_id=1234, version=1)


def read_ours(answer: bytes) -> Negotiated:
    """Take an answer to the offer that `LOCAL` makes."""
    return read_answer(LOCAL, make_offer(LOCAL), answer)


PLAIN = description("m=audio 30000 RTP/AVP 8 0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15")


# ---- our offer


def test_our_offer_line_by_line() -> None:
    assert make_offer(LOCAL).decode().split("\r\n") == [
        "v=0",
        "o=- 1234 1 IN IP4 192.0.2.10",
        "s=-",
        "c=IN IP4 192.0.2.10",
        "t=0 0",
        "m=audio 40000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_where_keys_are_tones_we_neither_offer_events_nor_take_them_up() -> None:
    local = replace(LOCAL, key_events=False)
    assert "telephone-event" not in make_offer(local).decode()
    answer, negotiated = make_answer(PLAIN, local)
    assert "telephone-event" not in answer.decode()
    assert (negotiated.event_payload_type, negotiated.receive_event_payload_types) == (None, {})
    assert read_answer(local, make_offer(local), PLAIN).event_payload_type is None


def test_our_offer_keeps_our_order_of_codecs_and_our_direction() -> None:
    local = replace(LOCAL, codecs=("pcma", "pcmu"), direction=Direction.SENDONLY, host="2001:db8::1")
    offer = make_offer(local).decode()
    assert "m=audio 40000 RTP/AVP 8 0 101" in offer
    assert "a=sendonly" in offer
    assert "c=IN IP6 2001:db8::1" in offer


def test_a_further_offer_repeats_the_streams_and_the_event_type_of_the_session() -> None:
    first = description("m=video 5000 RTP/AVP 31", "m=audio 30000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")
    answer, _ = make_answer(first, LOCAL)

    further = make_offer(replace(LOCAL, version=2), previous=answer)

    assert media_of(further) == [
        ("video", 0, "RTP/AVP", ("31",)),
        ("audio", 40000, "RTP/AVP", ("0", "8", "96")),
    ]


def test_a_further_offer_takes_the_place_of_a_stream_that_was_off() -> None:
    answer, _ = make_answer(description("m=audio 0 RTP/AVP 0"), LOCAL)
    assert media_of(make_offer(LOCAL, previous=answer)) == [("audio", 40000, "RTP/AVP", ("0", "8", "101"))]


# ---- our answer


def test_the_offerers_order_and_payload_types_are_kept() -> None:
    answer, agreed = make_answer(PLAIN, LOCAL)

    assert media_of(answer) == [("audio", 40000, "RTP/AVP", ("8", "0", "96"))]
    assert "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16" in answer.decode()
    assert (agreed.codec, agreed.payload_type) == ("pcma", 8)
    assert agreed.receive_payload_types == {8: "pcma", 0: "pcmu"}
    assert (agreed.event_payload_type, agreed.receive_event_payload_types) == (96, {96: 8000})
    assert (agreed.remote_host, agreed.remote_port) == ("203.0.113.5", 30000)
    assert (agreed.remote_rtcp_host, agreed.remote_rtcp_port) == ("203.0.113.5", 30001)
    assert (agreed.direction, agreed.held) == (Direction.SENDRECV, False)


def test_only_what_we_are_configured_for_is_answered() -> None:
    answer, agreed = make_answer(PLAIN, replace(LOCAL, codecs=("pcmu",)))
    assert media_of(answer) == [("audio", 40000, "RTP/AVP", ("0", "96"))]
    assert agreed.codec == "pcmu"


def test_a_codec_may_have_a_dynamic_payload_type() -> None:
    answer, agreed = make_answer(description("m=audio 30000 RTP/AVP 98", "a=rtpmap:98 pcma/8000/1"), LOCAL)
    assert "m=audio 40000 RTP/AVP 98\r\n" in answer.decode()
    assert "a=rtpmap:98 PCMA/8000\r\n" in answer.decode()
    assert (agreed.codec, agreed.payload_type, agreed.event_payload_type) == ("pcma", 98, None)


def test_a_static_payload_type_may_be_mapped_to_something_else() -> None:
    with pytest.raises(NotAcceptable):
        make_answer(description("m=audio 30000 RTP/AVP 0", "a=rtpmap:0 L16/44100"), LOCAL)


def test_events_at_another_clock_rate_are_not_ours() -> None:
    offer = description(
        "m=audio 30000 RTP/AVP 0 99 100",
        "a=rtpmap:99 telephone-event/48000",
        "a=rtpmap:100 telephone-event/8000",
    )
    assert make_answer(offer, LOCAL)[1].event_payload_type == 100


def test_other_streams_are_refused_in_their_places() -> None:
    offer = description(
        "m=video 5000 RTP/AVP 31 34",
        "m=audio 6000 RTP/SAVP 0",
        "m=audio 7000 RTP/AVPF 0",
        "m=audio 7010 RTP/AVP 0",
        "m=image 8000 udptl t38",
        "m=text 9000 RTP/AVP",
    )
    answer, agreed = make_answer(offer, LOCAL)
    assert media_of(answer) == [
        ("video", 0, "RTP/AVP", ("31", "34")),
        ("audio", 0, "RTP/SAVP", ("0",)),
        ("audio", 40000, "RTP/AVPF", ("0",)),
        ("audio", 0, "RTP/AVP", ("0",)),
        ("image", 0, "udptl", ("t38",)),
        ("text", 0, "RTP/AVP", ("0",)),
    ]
    assert agreed.remote_port == 7000


def test_the_time_of_the_offer_is_repeated() -> None:
    answer, _ = make_answer(PLAIN.replace(b"t=0 0", b"t=3034423619 3042462419"), LOCAL)
    assert b"\r\nt=3034423619 3042462419\r\n" in answer


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (description("m=audio 30000 RTP/AVP 18 3"), "we speak PCMU, PCMA"),
        (description("m=audio 30000 RTP/SAVP 0"), "RTP/SAVP"),
        (description("m=image 30000 udptl t38"), "image udptl t38"),
        (description(), "the peer offers ''"),
        (b"", "line 1"),
        (b"v=0\r\nm=audio 30000 RTP/AVP 0\r\n", "no c= line"),
        (description("m=audio 30000 RTP/AVP 0", host="phone.example.com"), "no IP address"),
        (description("m=audio 30000 RTP/AVP 0", host="224.2.1.1/127"), "multicast"),
    ],
    ids=["codecs", "SAVP", "T.38", "no stream", "empty", "no c=", "host name", "multicast"],
)
def test_an_offer_that_is_not_acceptable_says_why(offer: bytes, reason: str) -> None:
    with pytest.raises(NotAcceptable, match=reason):
        make_answer(offer, LOCAL)


# ---- where media goes


def test_the_streams_own_address_counts_more_than_the_sessions() -> None:
    agreed = make_answer(description("m=audio 30000 RTP/AVP 0", "c=IN IP6 2001:db8::9"), LOCAL)[1]
    assert agreed.remote_host == "2001:db8::9"


@pytest.mark.parametrize(
    ("attribute", "host", "port"),
    [
        ("a=rtcp:53020", "203.0.113.5", 53020),
        ("a=rtcp:53020 IN IP4 203.0.113.6", "203.0.113.6", 53020),
        ("a=rtcp:53020 IN IP4 nowhere", "203.0.113.5", 53020),
        ("a=rtcp:0", "203.0.113.5", 30001),
        ("a=rtcp:65536", "203.0.113.5", 30001),
        ("a=rtcp:" + "9" * 5000, "203.0.113.5", 30001),
        ("a=rtcp:many", "203.0.113.5", 30001),
        ("a=rtcp", "203.0.113.5", 30001),
    ],
)
def test_rtcp_may_go_elsewhere(attribute: str, host: str, port: int) -> None:
    agreed = make_answer(description("m=audio 30000 RTP/AVP 0", attribute), LOCAL)[1]
    assert (agreed.remote_rtcp_host, agreed.remote_rtcp_port) == (host, port)


# ---- hold and direction

BOTH, SEND, RECEIVE, NONE = Direction.SENDRECV, Direction.SENDONLY, Direction.RECVONLY, Direction.INACTIVE

ANSWERED = {
    (BOTH, BOTH): BOTH,
    (BOTH, SEND): SEND,
    (BOTH, RECEIVE): RECEIVE,
    (BOTH, NONE): NONE,
    (SEND, BOTH): RECEIVE,
    (SEND, SEND): NONE,
    (SEND, RECEIVE): RECEIVE,
    (SEND, NONE): NONE,
    (RECEIVE, BOTH): SEND,
    (RECEIVE, SEND): SEND,
    (RECEIVE, RECEIVE): NONE,
    (RECEIVE, NONE): NONE,
    (NONE, BOTH): NONE,
    (NONE, SEND): NONE,
    (NONE, RECEIVE): NONE,
    (NONE, NONE): NONE,
}
"""What is answered to a direction offered, given our own (RFC 3264 section 6.1)."""


@pytest.mark.parametrize(("offered", "own"), list(itertools.product(Direction, Direction)))
def test_each_direction_gets_its_answer(offered: Direction, own: Direction) -> None:
    offer = description("m=audio 30000 RTP/AVP 0", f"a={offered.value}")

    answer, agreed = make_answer(offer, replace(LOCAL, direction=own))

    assert agreed.direction is ANSWERED[offered, own]
    assert f"a={agreed.direction.value}\r\n" in answer.decode()
    assert agreed.held is (offered in (SEND, NONE))


def test_directions_seen_from_the_other_side() -> None:
    assert {direction: direction.reversed for direction in Direction} == {
        BOTH: BOTH,
        SEND: RECEIVE,
        RECEIVE: SEND,
        NONE: NONE,
    }


def test_the_sessions_direction_counts_where_the_stream_has_none() -> None:
    assert make_answer(description("a=sendonly", "m=audio 30000 RTP/AVP 0"), LOCAL)[1].held
    assert not make_answer(description("a=sendonly", "m=audio 30000 RTP/AVP 0", "a=sendrecv"), LOCAL)[1].held


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_hold_by_an_address_that_is_none(host: str) -> None:
    version = "IP6" if ":" in host else "IP4"
    offer = description("m=audio 30000 RTP/AVP 0", f"c=IN {version} {host}")

    answer, agreed = make_answer(offer, LOCAL)

    assert b"a=recvonly\r\n" in answer
    assert b"c=IN IP4 192.0.2.10\r\n" in answer
    assert (agreed.direction, agreed.held) == (RECEIVE, True)
    assert agreed.remote_rtcp_port == 0


def test_a_stream_offered_with_port_0_is_answered_so() -> None:
    answer, agreed = make_answer(description("m=audio 0 RTP/AVP 0"), LOCAL)
    assert media_of(answer) == [("audio", 0, "RTP/AVP", ("0",))]
    assert (agreed.direction, agreed.held) == (NONE, True)
    assert (agreed.remote_port, agreed.remote_rtcp_port) == (0, 0)


def test_after_hold_the_call_is_back_as_it_was() -> None:
    before = make_answer(PLAIN, LOCAL)[1]
    held = make_answer(PLAIN + b"a=inactive\r\n", LOCAL)[1]
    after = make_answer(PLAIN, LOCAL)[1]
    assert (held.direction, held.held) == (NONE, True)
    assert after == before


# ---- the peer's answer


def test_an_answer_chooses_the_codec() -> None:
    agreed = read_answer(
        LOCAL, make_offer(LOCAL), description("m=audio 30000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000")
    )
    assert (agreed.codec, agreed.payload_type, agreed.event_payload_type) == ("pcma", 8, 101)
    assert agreed.direction is BOTH


def test_an_answer_may_number_events_its_own_way_yet_ours_may_come() -> None:
    agreed = read_answer(
        LOCAL, make_offer(LOCAL), description("m=audio 30000 RTP/AVP 0 97", "a=rtpmap:97 telephone-event/8000")
    )
    assert agreed.event_payload_type == 97
    assert agreed.receive_event_payload_types == {97: 8000, 101: 8000}


def test_an_answer_that_only_sends_holds_us() -> None:
    agreed = read_ours(description("m=audio 30000 RTP/AVP 0", "a=sendonly"))
    assert (agreed.direction, agreed.held) == (RECEIVE, True)


def test_an_answer_to_our_own_hold() -> None:
    holding = replace(LOCAL, direction=SEND)
    agreed = read_answer(holding, make_offer(holding), description("m=audio 30000 RTP/AVP 0", "a=recvonly"))
    assert (agreed.direction, agreed.held) == (SEND, False)


@pytest.mark.parametrize(
    "answer",
    [description("m=audio 0 RTP/AVP 0"), description("m=audio 30000 RTP/AVP 18"), description(), b"busy"],
    ids=["refused", "no codec of ours", "no stream", "no SDP"],
)
def test_an_answer_that_leaves_nothing_is_not_acceptable(answer: bytes) -> None:
    with pytest.raises(NotAcceptable):
        read_ours(answer)


@pytest.mark.parametrize(
    ("offerer", "answerer", "spoken"),
    [
        (("pcmu", "pcma"), ("pcma", "pcmu"), "pcmu"),
        (("pcma", "pcmu"), ("pcmu", "pcma"), "pcma"),
        (("pcmu", "pcma"), ("pcma",), "pcma"),
    ],
)
def test_both_ends_of_one_call_agree(offerer: tuple[str, ...], answerer: tuple[str, ...], spoken: str) -> None:
    here = replace(LOCAL, codecs=offerer)
    there = replace(LOCAL, codecs=answerer, host="203.0.113.5", port=30000)

    offer = make_offer(here)
    answer, agreed_there = make_answer(offer, there)
    agreed_here = read_answer(here, offer, answer)

    assert agreed_here.codec == agreed_there.codec == spoken
    assert (agreed_here.remote_host, agreed_here.remote_port) == (there.host, there.port)
    assert (agreed_there.remote_host, agreed_there.remote_port) == (here.host, here.port)
