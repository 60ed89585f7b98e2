"""SRTP: packets of ours against the RFCs' numbers, and what becomes of packets that are not the peer's."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sipagent.rtp import packet, rtcp
from sipagent.rtp.srtp import FAILURES_IN_A_ROW, Srtp, SrtpKeys

SUITES = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30, "AES_256_CM_HMAC_SHA1_80": 46}
LONG_TAG, SHORT_TAG, AES_256 = SUITES
PEER = 0xCAFEBABE
REPORT = rtcp.serialise([rtcp.ReceiverReport(ssrc=PEER, blocks=()), rtcp.SourceDescription(cnames=((PEER, "peer"),))])


def keys(sending: int, receiving: int, suite: str = LONG_TAG, mki_length: int = 0) -> SrtpKeys:
    length = SUITES[suite]
    return SrtpKeys(
        suite=suite, sending=bytes([sending]) * length, receiving=bytes([receiving]) * length, mki_length=mki_length
    )


def pair(suite: str = LONG_TAG) -> tuple[Srtp, Srtp]:
    """Us, and the peer that has the same two keys."""
    return Srtp(keys(1, 2, suite)), Srtp(keys(2, 1, suite))


def media(number: int, ssrc: int = PEER) -> bytes:
    """The packet of this extended sequence number."""
    return packet.build(0, number % 0x10000, number * 160 % 0x100000000, ssrc, bytes([number % 256]) * 160)


# ---- as the RFCs have it


def protected(master: bytes, suite: str) -> bytes:
    """A packet of 32 zeros, so that what is in it is the key stream; number 0x1234 from PEER."""
    session = Srtp(SrtpKeys(suite=suite, sending=master, receiving=master))
    return session.protect(packet.build(0, 0x1234, 0xDECAFBAD, PEER, bytes(32)))


def expected(cipher_key: str, cipher_salt: str, authentication_key: str) -> tuple[bytes, bytes]:
    """What RFC 3711 sections 4.1.1 and 4.2 make of the same packet with these session keys."""
    vector = int(cipher_salt, 16) << 16 ^ PEER << 64 ^ 0x1234 << 16
    aes = Cipher(algorithms.AES(bytes.fromhex(cipher_key)), modes.CTR(vector.to_bytes(16, "big")))
    header = packet.build(0, 0x1234, 0xDECAFBAD, PEER, b"")
    body = header + aes.encryptor().update(bytes(32))
    return body, hmac.new(bytes.fromhex(authentication_key), body + bytes(4), hashlib.sha1).digest()


@pytest.mark.parametrize(("suite", "tag"), [(LONG_TAG, 10), (SHORT_TAG, 4)])
def test_session_keys_are_those_of_rfc_3711_appendix_b_3(suite: str, tag: int) -> None:
    master = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")
    body, digest = expected(
        "C61E7A93744F39EE10734AFE3FF7A087",
        "30CBBC08863D8C85D49DB34A9AE1",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
    )
    assert protected(master, suite) == body + digest[:tag]


@pytest.mark.corpora
def test_session_keys_of_aes_256_are_those_of_rfc_6188(corpora: Path) -> None:
    vector = json.loads((corpora / "srtp" / "rfc6188-aes256-kdf.json").read_text())
    master = bytes.fromhex(vector["master_key"] + vector["master_salt"])
    body, digest = expected(vector["cipher_key"], vector["cipher_salt"], vector["auth_key"])
    assert protected(master, AES_256) == body + digest[:10]


@pytest.mark.corpora
def test_the_packet_of_the_corpus(corpora: Path) -> None:
    vector = json.loads((corpora / "srtp" / "aes-cm-128-hmac-sha1-80-packet.json").read_text())
    master = bytes.fromhex(vector["master_key"] + vector["master_salt"])
    session = Srtp(SrtpKeys(suite=LONG_TAG, sending=master, receiving=master))
    plain, secret = bytes.fromhex(vector["rtp"]), bytes.fromhex(vector["srtp"])
    assert session.protect(plain) == secret
    assert session.open(secret) == plain


# ---- there and back


@pytest.mark.parametrize("suite", SUITES)
def test_what_one_side_protects_the_other_opens(suite: str) -> None:
    ours, theirs = pair(suite)
    for number in range(3):
        secret = theirs.protect(media(number))
        assert media(number)[12:] not in secret
        assert ours.open(secret) == media(number)
    assert ours.open(theirs.protect(REPORT)) == REPORT
    assert theirs.open(ours.protect(media(7, 0x1234))) == media(7, 0x1234)
    assert (ours.rejected, ours.replayed) == (0, 0)


def test_numbers_roll_over_though_packets_about_it_are_lost_or_swapped() -> None:
    ours, theirs = pair()
    numbers = [65530, 65533, 65535, 65534, 65537, 65536, 65600, *range(66000, 200000, 9000)]
    secrets = {number: theirs.protect(media(number)) for number in sorted(numbers)}
    assert [ours.open(secrets[number]) for number in numbers] == [media(number) for number in numbers]


def test_another_source_with_the_same_key_is_the_peer_too() -> None:
    ours, theirs = pair()
    assert ours.open(theirs.protect(media(65000, 1))) == media(65000, 1)
    assert ours.open(theirs.protect(media(3, 2))) == media(3, 2)
    assert ours.open(theirs.protect(media(65001, 1))) == media(65001, 1)


def test_what_comes_twice_is_opened_once() -> None:
    ours, theirs = pair()
    secret = theirs.protect(media(1))
    assert ours.open(secret) is not None
    assert ours.open(secret) is None
    assert (ours.replayed, ours.rejected) == (1, 0)


def test_what_somebody_changed_on_the_way_is_rejected_and_what_follows_is_heard() -> None:
    ours, theirs = pair()
    secret = theirs.protect(media(1))
    for place in range(len(secret)):
        changed = secret[:place] + bytes([secret[place] ^ 1]) + secret[place + 1 :]
        assert ours.open(changed) is None
    assert ours.open(secret) == media(1)
    assert ours.rejected == len(secret)


@pytest.mark.parametrize("length", [0, 1, 2, 11, 12, 21, 1500, 1501, 9000])
def test_what_is_no_packet_is_rejected(length: int) -> None:
    for first in (b"\x00\x00", b"\x80\x00", b"\x80\xc9", b"\x9f\x00"):
        ours, _ = pair()
        assert ours.open((first + bytes(9000))[:length]) is None
        assert ours.rejected == 1


@pytest.mark.corpora
def test_packets_of_the_fuzzers_change_nothing(corpora: Path) -> None:
    inputs = [path for path in sorted((corpora / "srtp").rglob("*")) if path.is_file() and "fuzz" in str(path)]
    inputs += sorted((corpora / "srtp").glob("pjsip-srtp-*"))
    assert len(inputs) > 80
    ours, theirs = pair()
    for number, path in enumerate(inputs):
        assert ours.open(path.read_bytes()) is None, path.name
        assert ours.open(theirs.protect(media(number))) == media(number), path.name


@pytest.mark.parametrize("suite", SUITES)
def test_an_mki_of_the_peers_is_left_out(suite: str) -> None:
    theirs = Srtp(keys(2, 1, suite))
    ours = Srtp(keys(1, 2, suite, mki_length=4))
    tag = 4 if suite == SHORT_TAG else 10
    secret, report = theirs.protect(media(1)), theirs.protect(REPORT)
    assert ours.open(secret[:-tag] + b"\x00\x00\x00\x01" + secret[-tag:]) == media(1)
    assert ours.open(report[:-10] + b"\x00\x00\x00\x01" + report[-10:]) == REPORT
    assert ours.open(b"\x80\x00") is None


# ---- the wrong key


def test_a_peer_with_another_key_than_it_told_is_known_after_a_second() -> None:
    ours, stranger = Srtp(keys(1, 2)), Srtp(keys(9, 1))
    for number in range(FAILURES_IN_A_ROW):
        assert not ours.take_failure()
        assert ours.open(stranger.protect(media(number))) is None
    assert ours.rejected == FAILURES_IN_A_ROW
    assert [ours.take_failure(), ours.take_failure()] == [True, False]
    ours.rekey(keys(1, 3))
    for number in range(FAILURES_IN_A_ROW):
        ours.open(stranger.protect(media(100 + number)))
    assert ours.take_failure()


def test_a_stranger_who_sends_beside_the_peer_proves_nothing_against_it() -> None:
    ours, theirs = pair()
    stranger = Srtp(keys(9, 1))
    for number in range(3 * FAILURES_IN_A_ROW):
        ours.open(stranger.protect(media(number)))
        ours.open(theirs.protect(media(number)))
    assert not ours.take_failure()


# ---- new keys in the midst of a call


def after(packets: int) -> tuple[Srtp, Srtp]:
    """A pair that has exchanged so many packets from the peer, a few of which are enough to tell of all."""
    ours, theirs = pair()
    for number in (*range(0, packets - 1, 0x4000), packets - 1):
        assert ours.open(theirs.protect(media(number))) == media(number)
    return ours, theirs


@pytest.mark.parametrize("packets", [10, 0x10000, 0x10001, 250_000])
def test_the_same_keys_again_keep_the_count(packets: int) -> None:
    ours, theirs = after(packets)
    ours.rekey(keys(1, 2))
    assert ours.open(theirs.protect(media(packets))) == media(packets)


@pytest.mark.parametrize("packets", [10, 0x10000, 0x10001, 250_000])
def test_a_new_key_of_the_peers_goes_on_counting(packets: int) -> None:
    ours, _ = after(packets)
    ours.rekey(keys(1, 3))
    theirs = Srtp(keys(3, 1))
    for number in (*range(0, packets - 1, 0x4000), packets - 1):
        theirs.protect(media(number))
    for number in range(packets, packets + 3):
        assert ours.open(theirs.protect(media(number))) == media(number)


@pytest.mark.parametrize("packets", [10, 0x10000, 250_000])
def test_a_new_key_of_the_peers_may_count_from_zero(packets: int) -> None:
    ours, _ = after(packets)
    ours.rekey(keys(1, 3))
    theirs = Srtp(keys(3, 1))
    for number in range(packets, packets + 3):
        assert ours.open(theirs.protect(media(number))) == media(number)


def test_after_new_keys_the_old_one_opens_nothing() -> None:
    ours, theirs = after(10)
    ours.rekey(keys(1, 3))
    assert ours.open(theirs.protect(media(10))) is None
    assert ours.rejected == 1


def test_a_new_key_of_ours_counts_from_zero() -> None:
    ours, _ = pair()
    for number in (0, 0x7000, 0xE000, 0x15000):
        ours.protect(media(number))
    ours.rekey(keys(4, 2))
    newcomer = Srtp(keys(2, 4))
    assert newcomer.open(ours.protect(media(0x15001))) == media(0x15001)


def test_keys_are_not_shown() -> None:
    assert "x01" not in repr(keys(1, 2))
