"""Torture messages of RFC 4475 and RFC 5118: no exception, the right answer, and still there afterwards."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conformance.judge import DROPPED, INVITED, UNEXPECTED, answers_options, verdict, with_crlf
from tests.sip.bench import Bench

pytestmark = pytest.mark.corpora

RFC_4475 = {
    "badaspec.dat": 200,  # blanks inside <…> are forgiven
    "baddate.dat": INVITED,  # Date is not looked at
    "baddn.dat": 400,  # the file ends before its blank line
    "badvers.dat": 505,
    "bcast.dat": UNEXPECTED,
    "bigcode.dat": DROPPED,
    "cparam01.dat": 405,  # REGISTER: we are no registrar
    "dblreq.dat": 405,
    "escruri.dat": INVITED,  # headers of a Request-URI are ignored
    "insuf.dat": DROPPED,  # without Call-ID, From and To no response can be made
    "invut.dat": 415,
    "longreq.dat": INVITED,
    "ltgtruri.dat": 400,
    "lwsdisp.dat": 200,
    "lwsruri.dat": 400,
    "mcl01.dat": 400,
    "mismatch01.dat": 400,
    "mismatch02.dat": 400,
    "multi01.dat": 400,
    "ncl.dat": 400,
    "quotbal.dat": 400,
    "regbadct.dat": 405,
    "regescrt.dat": 405,
    "scalar02.dat": 400,
    "scalarlg.dat": UNEXPECTED,
    "transports.dat": 200,
    "unksm2.dat": 405,
    "wsinv.dat": 481,  # well read: it belongs to a dialog that we do not have
    "zeromf.dat": 200,  # Max-Forwards is for proxies
}
RFC_5118 = {
    "ipv4-mapped-ipv6.dat": INVITED,
    "ipv6-bad.dat": 400,
    "ipv6-good.dat": 405,
    "ipv6-in-sdp.dat": INVITED,
    "mult-ip-in-header.dat": 481,  # a BYE of no dialog
    "port-unambiguous.dat": 405,
    "via-received-param-with-delim.dat": 481,
}


@pytest.mark.parametrize(("name", "expected"), RFC_4475.items())
def test_rfc_4475(corpora: Path, name: str, expected: str | int) -> None:
    bench = Bench()
    bench.receive((corpora / "sip-rfc4475" / name).read_bytes())
    assert verdict(bench) == str(expected)
    assert answers_options(bench)


@pytest.mark.parametrize(("name", "expected"), RFC_5118.items())
def test_rfc_5118(corpora: Path, name: str, expected: str | int) -> None:
    bench = Bench()
    bench.receive(with_crlf((corpora / "sip-rfc5118" / name).read_bytes()))
    assert verdict(bench) == str(expected)
    assert answers_options(bench)


@pytest.mark.parametrize(("folder", "verdicts"), [("sip-rfc4475", RFC_4475), ("sip-rfc5118", RFC_5118)])
def test_every_torture_message_has_its_verdict(corpora: Path, folder: str, verdicts: Mapping[str, str | int]) -> None:
    assert {path.name for path in (corpora / folder).iterdir()} == set(verdicts)
