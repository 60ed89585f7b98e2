"""Codecs in offer and answer: which number means what, to whom."""

from dataclasses import replace

import pytest

from sipagent.errors import NotAcceptable
from sipagent.sdp.offer_answer import LocalMedia, make_answer, make_offer, read_answer
from tests.sdp.descriptions import attributes_of, description, media_of

LOCAL = LocalMedia(host="192.0.2.10", port=40000, codecs=("opus", "g722", "pcma"), session_id=1, version=1)
OPUS = "a=rtpmap:111 opus/48000/2"
BROWSER = description(
    "m=audio 30000 RTP/AVP 111 9 0 8 13 110 126",
    OPUS,
    "a=fmtp:111 minptime=10; UseInbandFEC=1;stereo",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:126 telephone-event/8000",
)


# ---- our offer


def test_codecs_are_offered_in_our_order_with_key_presses_for_each_clock() -> None:
    offer = make_offer(LOCAL)
    assert media_of(offer) == [("audio", 40000, "RTP/AVP", ("111", "9", "8", "110", "101"))]
    assert attributes_of(offer, "rtpmap") == [
        "111 opus/48000/2",
        "9 G722/8000",
        "8 PCMA/8000",
        "110 telephone-event/48000",
        "101 telephone-event/8000",
    ]
    assert attributes_of(offer, "fmtp") == [
        "111 maxplaybackrate=24000",
        "110 0-16",
        "101 0-16",
    ]


def test_who_has_no_opus_offers_one_number_for_key_presses() -> None:
    assert media_of(make_offer(replace(LOCAL, codecs=("g722",)))) == [("audio", 40000, "RTP/AVP", ("9", "101"))]


def test_a_further_offer_keeps_every_number_that_the_peer_has_given() -> None:
    first = description(
        "m=audio 30000 RTP/AVP 96 8 111", "a=rtpmap:96 opus/48000/2", "a=rtpmap:111 telephone-event/8000"
    )
    answer, _ = make_answer(first, LOCAL)

    further = make_offer(replace(LOCAL, version=2), previous=answer)

    assert media_of(further)[0][3] == ("96", "9", "8", "110", "111")


def test_a_number_that_means_something_else_already_is_not_taken() -> None:
    first = description("m=audio 30000 RTP/AVP 111", "a=rtpmap:111 PCMA/8000")
    answer, _ = make_answer(first, LOCAL)

    further = make_offer(LOCAL, previous=answer)

    assert attributes_of(further, "rtpmap")[:3] == ["96 opus/48000/2", "9 G722/8000", "111 PCMA/8000"]


# ---- our answer


def test_of_many_codecs_those_in_common_are_answered_in_the_offerers_order() -> None:
    answer, agreed = make_answer(BROWSER, LOCAL)

    assert media_of(answer) == [("audio", 40000, "RTP/AVP", ("111", "9", "8", "110", "126", "13"))]
    assert (agreed.codec, agreed.payload_type) == ("opus", 111)
    assert agreed.receive_payload_types == {111: "opus", 9: "g722", 8: "pcma"}
    assert (agreed.event_payload_type, agreed.event_clock) == (110, 48000)
    assert agreed.receive_event_payload_types == {110: 48000, 126: 8000}
    assert agreed.comfort_noise_payload_type == 13


def test_what_a_codec_is_asked_to_be_is_told() -> None:
    agreed = make_answer(BROWSER, LOCAL)[1]
    assert agreed.codec_parameters == {"minptime": "10", "useinbandfec": "1"}
    assert make_answer(BROWSER, replace(LOCAL, codecs=("g722",)))[1].codec_parameters == {}


def test_without_opus_its_key_presses_are_left_out_too() -> None:
    answer, agreed = make_answer(BROWSER, replace(LOCAL, codecs=("g722",)))
    assert media_of(answer)[0][3] == ("9", "126", "13")
    assert (agreed.event_payload_type, agreed.event_clock) == (126, 8000)


def test_opus_beside_key_presses_at_8000_is_what_many_phones_offer() -> None:
    offer = description(
        "m=audio 30000 RTP/AVP 107 101", "a=rtpmap:107 OPUS/48000/2", "a=rtpmap:101 telephone-event/8000"
    )
    answer, agreed = make_answer(offer, LOCAL)
    assert media_of(answer)[0][3] == ("107", "101")
    assert (agreed.codec, agreed.event_payload_type, agreed.event_clock) == ("opus", 101, 8000)


def test_key_presses_at_a_clock_without_a_codec_are_left_out() -> None:
    offer = description("m=audio 30000 RTP/AVP 8 110", "a=rtpmap:110 telephone-event/48000")
    answer, agreed = make_answer(offer, LOCAL)
    assert media_of(answer)[0][3] == ("8",)
    assert (agreed.event_payload_type, agreed.event_clock) == (None, 8000)


@pytest.mark.parametrize("rtpmap", ["opus/48000/2", "OPUS/48000", "Opus/48000/1"])
def test_opus_is_understood_however_it_is_written(rtpmap: str) -> None:
    answer, agreed = make_answer(description("m=audio 30000 RTP/AVP 98", f"a=rtpmap:98 {rtpmap}"), LOCAL)
    assert agreed.codec == "opus"
    assert attributes_of(answer, "rtpmap") == ["98 opus/48000/2"]


@pytest.mark.parametrize("rtpmap", ["PCMA/8000/2", "PCMA/16000", "PCMA", "PCMA/8000/1/1", "PCMA/eight", "/8000"])
def test_what_is_no_codec_of_ours_is_not_answered(rtpmap: str) -> None:
    with pytest.raises(NotAcceptable, match="we speak opus, G722, PCMA in"):
        make_answer(description("m=audio 30000 RTP/AVP 98", f"a=rtpmap:98 {rtpmap}"), LOCAL)


def test_comfort_noise_is_agreed_to_where_it_is_offered() -> None:
    answer, agreed = make_answer(description("m=audio 30000 RTP/AVP 8 13"), LOCAL)
    assert attributes_of(answer, "rtpmap") == ["8 PCMA/8000", "13 CN/8000"]
    assert agreed.comfort_noise_payload_type == 13
    assert make_answer(description("m=audio 30000 RTP/AVP 8"), LOCAL)[1].comfort_noise_payload_type is None


# ---- the peer's answer


def test_the_peer_may_send_by_our_numbers_though_it_answers_with_its_own() -> None:
    answer = description("m=audio 30000 RTP/AVP 96 97", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/48000")
    agreed = read_answer(LOCAL, make_offer(LOCAL), answer)
    assert (agreed.codec, agreed.payload_type) == ("opus", 96)
    assert agreed.receive_payload_types == {96: "opus", 111: "opus"}
    assert (agreed.event_payload_type, agreed.event_clock) == (97, 48000)
    assert agreed.receive_event_payload_types == {97: 48000, 110: 48000}


def test_a_number_of_ours_means_what_our_offer_said_whatever_the_answer_says() -> None:
    answer = description("m=audio 30000 RTP/AVP 8 111 9", "a=rtpmap:111 G722/8000")
    agreed = read_answer(LOCAL, make_offer(LOCAL), answer)
    assert agreed.receive_payload_types == {8: "pcma", 111: "g722", 9: "g722"}

    swapped = description("m=audio 30000 RTP/AVP 9 111", "a=rtpmap:9 opus/48000/2", "a=rtpmap:111 G722/8000")
    agreed = read_answer(LOCAL, make_offer(LOCAL), swapped)
    assert (agreed.codec, agreed.payload_type) == ("opus", 9)
    assert agreed.receive_payload_types == {9: "g722", 111: "opus"}


# ---- RTCP on the port of RTP


def test_rtcp_on_the_port_of_rtp_is_agreed_to_where_it_is_offered() -> None:
    answer, agreed = make_answer(description("m=audio 30000 RTP/AVP 8", "a=rtcp-mux", "a=rtcp:30005"), LOCAL)
    assert attributes_of(answer, "rtcp-mux") == [""]
    assert (agreed.rtcp_mux, agreed.remote_rtcp_port) == (True, 30000)


def test_it_stays_so_in_a_further_offer_and_ends_with_an_answer_without() -> None:
    answer, _ = make_answer(description("m=audio 30000 RTP/AVP 8", "a=rtcp-mux"), LOCAL)
    further = make_offer(LOCAL, previous=answer)
    assert attributes_of(further, "rtcp-mux") == [""]
    assert read_answer(LOCAL, further, description("m=audio 30000 RTP/AVP 8", "a=rtcp-mux")).rtcp_mux
    agreed = read_answer(LOCAL, further, description("m=audio 30000 RTP/AVP 8"))
    assert (agreed.rtcp_mux, agreed.remote_rtcp_port) == (False, 30001)


def test_we_do_not_ask_for_it() -> None:
    assert attributes_of(make_offer(LOCAL), "rtcp-mux") == []
    assert not read_answer(LOCAL, make_offer(LOCAL), description("m=audio 30000 RTP/AVP 8", "a=rtcp-mux")).rtcp_mux
