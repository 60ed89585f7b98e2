"""The fuzzer's targets without the fuzzer: the committed inputs, and those that once broke a promise."""

from pathlib import Path

import pytest

from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS

FINDINGS = {
    "a ping after a length that cannot be read": (
        "framing",
        b"\x00OPTIONS sip:us@192.0.2.1 SIP/2.0\r\nl: six\r\n\r\n\r\n\r\n",
    ),
    "a carriage return inside a folded line: no response could be written": (
        "signalling",
        b"-OPTIONS sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bK1\r\n"
        b"From: <sip:a@127.0.0.2>;tag=a\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1\r\n x\r OPTIONS\r\n\r\n",
    ),
    "a reliable 183 without RSeq: the call could not be taken back": (
        "signalling",
        b"cSIP/2.0 183 Words\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKbranch1\r\n"
        b"From: <sip:6001@127.0.0.1>;tag=tag1\r\nTo: <sip:bob@127.0.0.2>;tag=peer\r\nCall-ID: callid1\r\n"
        b"CSeq: 32769 INVITE\r\nContact: <sip:bob@127.0.0.2>\r\nRequire: 100rel\r\n\r\n",
    ),
    "a port of RTCP of thousands of digits: Python will not read it": (
        "sdp",
        b"v=0\r\nc=IN IP4 127.0.0.2\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:" + b"9" * 5000 + b"\r\n",
    ),
}
"""What it was, the target, and the input, cut down to what matters."""


@pytest.mark.parametrize(("target", "data"), FINDINGS.values(), ids=FINDINGS)
def test_what_was_found_stays_mended(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_corpus_breaks_no_promise(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_the_corpus_holds_every_seed() -> None:
    assert {(target, name): data for target, name, data in seeds()}.items() <= {
        (path.parent.name, path.name): path.read_bytes() for path in CORPUS.glob("*/*")
    }.items()
    assert {target for target, _, _ in seeds()} == set(TARGETS)
