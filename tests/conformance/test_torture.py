"""Torture messages of RFC 4475, RFC 5118 and others: no exception, the right answer, and still there afterwards."""

import os
from pathlib import Path

import pytest

from sipagent.sip.message import Response
from sipagent.sip.outputs import Invited
from tests.sip.bench import Bench, request

pytestmark = pytest.mark.corpora

DROPPED = "dropped"
INVITED = "invited"
"""100 Trying, and the driver is told of a call."""

RFC_4475 = {
    "badaspec.dat": 200,  # blanks inside <…> are forgiven
    "baddate.dat": INVITED,  # Date is not looked at
    "baddn.dat": 400,  # the file ends before its blank line
    "badvers.dat": 505,
    "bcast.dat": DROPPED,
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
    "scalarlg.dat": DROPPED,
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


def files(folder: str) -> list[str]:
    """Names in a folder of the corpora; a placeholder where there are none, for the `corpora` fixture to skip."""
    root = Path(os.environ.get("SIPAGENT_CORPORA", "")).expanduser() / folder
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) or ["(no corpora)"]


def verdict(bench: Bench) -> str | int:
    """What the agent made of the datagrams so far."""
    codes = [message.code for message in bench.sent() if isinstance(message, Response)]
    if any(isinstance(event, Invited) for event in bench.told()):
        return INVITED
    return codes[0] if codes else DROPPED


def answers_options(bench: Bench) -> bool:
    bench.receive(request("OPTIONS", branch="z9hG4bKafterwards", call_id="afterwards"))
    return any(isinstance(message, Response) and message.code == 200 for message in bench.sent())


def with_crlf(message: bytes) -> bytes:
    """RFC 5118's archive has bare line feeds, and a Content-Length that fits only those."""
    head, _, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.lower().startswith((b"content-length", b"l:"))]
    body = body.replace(b"\n", b"\r\n")
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


@pytest.mark.parametrize(("name", "expected"), RFC_4475.items())
def test_rfc_4475(corpora: Path, name: str, expected: str | int) -> None:
    bench = Bench()
    bench.receive((corpora / "sip-rfc4475" / name).read_bytes())
    assert verdict(bench) == expected
    assert answers_options(bench)


@pytest.mark.parametrize(("name", "expected"), RFC_5118.items())
def test_rfc_5118(corpora: Path, name: str, expected: str | int) -> None:
    bench = Bench()
    bench.receive(with_crlf((corpora / "sip-rfc5118" / name).read_bytes()))
    assert verdict(bench) == expected
    assert answers_options(bench)


def test_every_torture_message_has_its_verdict(corpora: Path) -> None:
    assert set(files("sip-rfc4475")) == set(RFC_4475)
    assert set(files("sip-rfc5118")) == set(RFC_5118)


FOLDERS = ("sip-callflows", "sip-fuzz", "sip-jsip-torture", "sip-repo-messages", "sip-scanners")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_agent_survives_the_folder(corpora: Path, folder: str) -> None:
    bench = Bench()
    names = files(folder)
    for name in names:
        bench.receive((corpora / folder / name).read_bytes())
        assert answers_options(bench), name
        bench.advance(40.0)
    assert len(names) > 1
