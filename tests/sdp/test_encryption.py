"""SRTP in offer and answer: who may speak in the clear, and whose key counts (RFC 4568, RFC 3711)."""

from base64 import b64encode
from dataclasses import replace

import pytest

from sipagent.errors import NotAcceptable
from sipagent.sdp.crypto import SUITES, Encryption
from sipagent.sdp.offer_answer import LocalMedia, make_answer, make_offer, read_answer
from tests.sdp.descriptions import attributes_of, description, media_of

KEYS = {suite: bytes([number]) * length for number, (suite, length) in enumerate(SUITES.items(), start=1)}
OFF = LocalMedia(host="192.0.2.10", port=40000, session_id=1, version=1)
OFFER = replace(OFF, encryption=Encryption.OFFER, keys=KEYS)
REQUIRE = replace(OFF, encryption=Encryption.REQUIRE, keys=KEYS)

SUITE = "AES_CM_128_HMAC_SHA1_80"
SHORT = "AES_CM_128_HMAC_SHA1_32"
THEIRS = bytes(range(30))
INLINE = f"inline:{b64encode(THEIRS).decode()}"
OURS = f"inline:{b64encode(KEYS[SUITE]).decode()}"
SECURE = description("m=audio 30000 RTP/SAVP 0", f"a=crypto:4 {SUITE} {INLINE}|2^20|1:4")
PLAIN = description("m=audio 30000 RTP/AVP 0")
EITHER = description("m=audio 30000 RTP/AVP 0", f"a=crypto:1 {SUITE} {INLINE}")


# ---- our offer


def test_who_requires_encryption_offers_nothing_else() -> None:
    offer = make_offer(REQUIRE)
    assert media_of(offer)[0][2] == "RTP/SAVP"
    assert [line.split()[:2] for line in attributes_of(offer, "crypto")] == [
        ["1", "AES_CM_128_HMAC_SHA1_80"],
        ["2", "AES_256_CM_HMAC_SHA1_80"],
        ["3", "AES_CM_128_HMAC_SHA1_32"],
    ]


def test_who_offers_it_puts_keys_beside_the_plain_profile() -> None:
    offer = make_offer(OFFER)
    assert media_of(offer)[0][2] == "RTP/AVP"
    assert len(attributes_of(offer, "crypto")) == 3


def test_who_wants_none_offers_none() -> None:
    assert attributes_of(make_offer(replace(OFFER, encryption=Encryption.OFF)), "crypto") == []


def test_a_further_offer_repeats_profile_tag_and_key() -> None:
    answer, _ = make_answer(SECURE.replace(b"SAVP", b"SAVPF"), OFFER)
    further = make_offer(OFFER, previous=answer)
    assert media_of(further)[0][2] == "RTP/SAVPF"
    assert attributes_of(further, "crypto") == attributes_of(answer, "crypto") == [f"4 {SUITE} {OURS}"]


def test_a_call_that_goes_in_the_clear_is_offered_so_again() -> None:
    answer, _ = make_answer(PLAIN, OFFER)
    assert attributes_of(make_offer(OFFER, previous=answer), "crypto") == []


@pytest.mark.parametrize(("local", "profile"), [(OFFER, "RTP/AVP"), (REQUIRE, "RTP/SAVP")], ids=["offer", "require"])
def test_a_stream_that_was_off_is_offered_with_keys_again(local: LocalMedia, profile: str) -> None:
    answer, _ = make_answer(description("m=audio 0 RTP/AVP 0"), local)
    further = make_offer(local, previous=answer)
    assert media_of(further)[0][2] == profile
    assert len(attributes_of(further, "crypto")) == 3


# ---- our answer


@pytest.mark.parametrize("local", [OFFER, REQUIRE], ids=["offer", "require"])
@pytest.mark.parametrize("offer", [SECURE, EITHER], ids=["SAVP", "AVP with a key"])
def test_a_key_is_answered_with_one_of_ours_under_its_tag(offer: bytes, local: LocalMedia) -> None:
    answer, agreed = make_answer(offer, local)

    (line,) = attributes_of(answer, "crypto")
    (asked,) = attributes_of(offer, "crypto")
    assert line == f"{asked[0]} {SUITE} {OURS}"
    assert media_of(answer)[0][2] == media_of(offer)[0][2]
    assert agreed.keys is not None
    assert (agreed.keys.suite, agreed.keys.sending, agreed.keys.receiving) == (SUITE, KEYS[SUITE], THEIRS)


def test_the_mki_of_the_peer_is_kept_and_we_use_none() -> None:
    answer, agreed = make_answer(SECURE, REQUIRE)
    assert "|" not in attributes_of(answer, "crypto")[0]
    assert agreed.keys is not None
    assert agreed.keys.mki_length == 4


def test_the_offerers_order_of_suites_is_kept() -> None:
    offer = description(
        "m=audio 30000 RTP/SAVP 0",
        f"a=crypto:1 NULL {INLINE}",
        f"a=crypto:2 {SHORT} {INLINE}",
        f"a=crypto:3 {SUITE} {INLINE}",
    )
    agreed = make_answer(offer, REQUIRE)[1]
    assert agreed.keys is not None
    assert (agreed.keys.suite, agreed.keys.sending) == (SHORT, KEYS[SHORT])


def test_who_offers_encryption_speaks_in_the_clear_with_who_has_none() -> None:
    answer, agreed = make_answer(PLAIN, OFFER)
    assert attributes_of(answer, "crypto") == []
    assert agreed.keys is None


def test_who_wants_none_takes_the_plain_profile_and_passes_over_its_key() -> None:
    answer, agreed = make_answer(EITHER, OFF)
    assert attributes_of(answer, "crypto") == []
    assert agreed.keys is None


@pytest.mark.parametrize(
    ("offer", "local", "reason"),
    [
        (PLAIN, REQUIRE, "nothing in the clear"),
        (SECURE, OFF, "without encryption"),
        (description("m=audio 30000 RTP/SAVP 0"), OFFER, "with a key in a=crypto"),
        (
            description("m=audio 30000 RTP/SAVP 0", f"a=crypto:1 {SUITE} inline:short"),
            REQUIRE,
            f"with keys for {SUITE}",
        ),
        (description("m=audio 30000 UDP/TLS/RTP/SAVP 0", f"a=crypto:1 {SUITE} {INLINE}"), REQUIRE, "UDP/TLS/RTP/SAVP"),
    ],
    ids=["plain", "SAVP", "no key", "bad key", "DTLS"],
)
def test_what_cannot_be_agreed_on_is_told_without_a_key(offer: bytes, local: LocalMedia, reason: str) -> None:
    with pytest.raises(NotAcceptable, match=reason) as caught:
        make_answer(offer, local)
    assert "inline" not in str(caught.value)


def test_of_two_streams_the_encrypted_one_is_taken() -> None:
    offer = PLAIN + b"".join(line + b"\r\n" for line in SECURE.split(b"\r\n")[5:7])
    answer, agreed = make_answer(offer, OFFER)
    assert [(profile, port > 0) for _, port, profile, _ in media_of(answer)] == [("RTP/AVP", False), ("RTP/SAVP", True)]
    assert agreed.keys is not None
    assert make_answer(offer, OFF)[1].keys is None


def test_a_stream_that_is_off_needs_no_key() -> None:
    answer, agreed = make_answer(description("m=audio 0 RTP/SAVP 0"), REQUIRE)
    assert media_of(answer) == [("audio", 0, "RTP/SAVP", ("0",))]
    assert (agreed.keys, agreed.remote_port) == (None, 0)


# ---- the peer's answer


@pytest.mark.parametrize("local", [OFFER, REQUIRE], ids=["offer", "require"])
@pytest.mark.parametrize("suite", SUITES)
def test_the_answer_says_which_of_our_keys_we_send_with(local: LocalMedia, suite: str) -> None:
    offer = make_offer(local)
    there = LocalMedia(
        host="203.0.113.5",
        port=30000,
        session_id=2,
        version=1,
        encryption=Encryption.OFFER,
        keys={suite: bytes([9]) * SUITES[suite]},
    )
    answer, agreed_there = make_answer(offer, there)
    agreed = read_answer(local, offer, answer)
    assert agreed.keys is not None
    assert agreed_there.keys is not None
    assert (agreed.keys.suite, agreed.keys.sending, agreed.keys.receiving) == (suite, KEYS[suite], there.keys[suite])
    assert (agreed_there.keys.sending, agreed_there.keys.receiving) == (there.keys[suite], KEYS[suite])


def test_an_answer_without_a_key_is_plain_where_that_may_be() -> None:
    assert read_answer(OFFER, make_offer(OFFER), PLAIN).keys is None
    with pytest.raises(NotAcceptable):
        read_answer(REQUIRE, make_offer(REQUIRE), PLAIN)
    with pytest.raises(NotAcceptable):
        read_answer(REQUIRE, make_offer(REQUIRE), description("m=audio 30000 RTP/SAVP 0"))


def test_who_requires_encryption_believes_no_key_that_answers_nothing() -> None:
    with pytest.raises(NotAcceptable):
        read_answer(REQUIRE, make_offer(OFF), EITHER)


def test_a_key_that_answers_none_of_ours_is_passed_over() -> None:
    assert read_answer(OFF, make_offer(OFF), EITHER).keys is None


def test_the_keys_of_a_description_are_not_shown() -> None:
    assert "x01" not in repr(REQUIRE)
    assert "x01" not in repr(make_answer(SECURE, REQUIRE)[1])
