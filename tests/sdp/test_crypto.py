"""Keys in SDP: which lines of a peer's we go with, and what we write ourselves (RFC 4568)."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from sipagent.sdp.crypto import SUITES, Crypto, MediaKeys, chosen, lines_of, suites_in
from sipagent.sdp.description import SessionDescription

KEY = bytes(range(30))
INLINE = f"inline:{b64encode(KEY).decode()}"
LONG = f"inline:{b64encode(bytes(range(46))).decode()}"
SUITE = "AES_CM_128_HMAC_SHA1_80"


def test_a_line_is_a_tag_a_suite_and_a_key() -> None:
    assert Crypto.parse(f"1 {SUITE} {INLINE}") == Crypto(tag=1, suite=SUITE, key=KEY)


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_comes_back_as_it_was_written(suite: str) -> None:
    line = Crypto(tag=7, suite=suite, key=bytes(range(SUITES[suite])))
    assert Crypto.parse(line.serialise()) == line


@pytest.mark.parametrize(
    ("options", "mki_length"),
    [("|2^20", 0), ("|1048576", 0), ("|2^20|1:4", 4), ("|1:32", 32), ("|66051:128", 128)],
)
def test_a_lifetime_is_passed_over_and_the_length_of_an_mki_kept(options: str, mki_length: int) -> None:
    line = Crypto.parse(f"1 {SUITE} {INLINE}{options}")
    assert line == Crypto(tag=1, suite=SUITE, key=KEY, mki_length=mki_length)


@pytest.mark.parametrize("hint", ["WSH=128", "-KDR=3", "WSH=64 -FUTURE"])
def test_hints_are_passed_over(hint: str) -> None:
    assert Crypto.parse(f"1 {SUITE} {INLINE} {hint}") is not None


@pytest.mark.parametrize(
    "value",
    [
        "",
        SUITE,
        f"1 {SUITE}",
        f"x {SUITE} {INLINE}",
        f"01 {SUITE} {INLINE}",
        f"-1 {SUITE} {INLINE}",
        f"1 F8_128_HMAC_SHA1_80 {INLINE}",
        f"1 {SUITE} inline:short",
        f"1 {SUITE} inline:{'!' * 40}",
        f"1 {SUITE} {LONG}",
        f"1 AES_256_CM_HMAC_SHA1_80 {INLINE}",
        f"1 {SUITE} uri:{b64encode(KEY).decode()}",
        f"1 {SUITE} {INLINE}|soon",
        f"1 {SUITE} {INLINE}|1:129",
        f"1 {SUITE} {INLINE}|1:4;{INLINE}|2:4",
        f"1 {SUITE} {INLINE} UNENCRYPTED_SRTP",
        f"1 {SUITE} {INLINE} UNAUTHENTICATED_SRTP",
        f"1 {SUITE} {INLINE} KDR=1",
        f"1 {SUITE} {INLINE} FEC_ORDER=FEC_SRTP",
    ],
)
def test_a_line_that_asks_for_what_we_do_not_do_is_no_line(value: str) -> None:
    assert Crypto.parse(value) is None


def test_the_first_usable_line_of_the_peer_is_chosen() -> None:
    values = ["1 F8_128_HMAC_SHA1_80 inline:AAAA", f"2 AES_CM_128_HMAC_SHA1_32 {INLINE}", f"3 {SUITE} {INLINE}"]
    assert chosen(values, {SUITE: KEY, "AES_CM_128_HMAC_SHA1_32": KEY}) == Crypto.parse(values[1])
    assert chosen(values, {SUITE: KEY}) == Crypto.parse(values[2])
    assert chosen(values, {}) is None


def test_an_offer_numbers_its_lines() -> None:
    keys = {suite: bytes(length) for suite, length in SUITES.items()}
    assert [(line.tag, line.suite) for line in lines_of(keys)] == list(enumerate(SUITES, start=1))


def test_no_key_is_shown_by_what_holds_it() -> None:
    keys = MediaKeys(suite=SUITE, sending=KEY, receiving=KEY)
    for value in (Crypto(tag=1, suite=SUITE, key=KEY), keys):
        assert "x01" not in repr(value)
        assert "AAEC" not in repr(value)


def test_what_is_told_of_lines_is_the_name_of_their_suites() -> None:
    values = [f"1 {SUITE} {INLINE}", f"1 {INLINE}", "", "1 f8 inline:AAAA", "2 F8_128 inline:AAAA"]
    assert suites_in(values) == [SUITE, "F8_128"]


@pytest.mark.corpora
def test_each_line_of_the_corpus_is_taken_or_not(corpora: Path) -> None:
    lines = json.loads((corpora / "srtp" / "sdes-lines.json").read_text())
    assert len(lines) == 7
    for line in lines:
        crypto = Crypto.parse(line["line"].removeprefix("a=crypto:"))
        assert (crypto is not None) is line["expect"].startswith("accept"), line["line"][:40]


@pytest.mark.corpora
def test_no_description_of_the_corpus_has_a_key_that_fits_its_suite(corpora: Path) -> None:
    descriptions = [SessionDescription.parse(path.read_bytes()) for path in (corpora / "srtp").glob("pjsip-sdes-*")]
    lines = [line for description in descriptions for line in description.media[0].values("crypto")]
    assert (len(descriptions), len(lines)) == (9, 10)
    assert [*map(Crypto.parse, lines)] == [None] * 10
