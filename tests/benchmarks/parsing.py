"""How long it takes to read an INVITE with SDP, as a PBX sends it.

python -m tests.benchmarks.parsing [--json]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

from sipagent.sdp.description import SessionDescription
from sipagent.sdp.offer_answer import LocalMedia, make_offer
from sipagent.sip.message import Request, check, parse

BARS = {"an INVITE, its headers and its SDP": 60.0}
"""Microseconds, at most."""

_BATCHES = 500
_PER_BATCH = 20
_OFFER = make_offer(LocalMedia(host="192.0.2.1", port=40000, session_id=3848276298220188, version=1))
INVITE = (
    "\r\n".join(
        [
            "INVITE sip:6001-4f1c9a7be0d2a3c1@192.0.2.10:5060 SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKPj2f8a9c3e-6d1b-4b7a-9f21-0c3f1f2d9c55",
            "Via: SIP/2.0/UDP 198.51.100.7:5060;received=198.51.100.7;rport=5060;branch=z9hG4bK-524287-1",
            "Record-Route: <sip:192.0.2.1;lr;ftag=a73kszlfl>",
            'From: "Alice Adams" <sip:1001@pbx.example.com>;tag=a73kszlfl',
            "To: <sip:6001@pbx.example.com>",
            'Contact: "Alice Adams" <sip:1001@192.0.2.1:5060>',
            "Call-ID: 8f3c1e0a-7b52-4c9d-a8a1-2b6f5d0e9c77",
            "CSeq: 31862 INVITE",
            "Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, REFER",
            "Supported: 100rel, timer, replaces, norefersub, histinfo",
            "Session-Expires: 1800",
            "Min-SE: 90",
            'P-Asserted-Identity: "Alice Adams" <sip:1001@pbx.example.com>',
            "Max-Forwards: 69",
            "User-Agent: Asterisk PBX 20.5.0",
            "Content-Type: application/sdp",
            f"Content-Length: {len(_OFFER)}",
            "",
            "",
        ]
    ).encode()
    + _OFFER
)


def read_head() -> None:
    """The message, and the headers that every request needs."""
    message = parse(INVITE)
    assert isinstance(message, Request)
    assert check(message) is None


def read_description() -> None:
    SessionDescription.parse(_OFFER)


def read() -> None:
    """All that is read before anybody decides about the call."""
    read_head()
    read_description()


def microseconds(work: Callable[[], None]) -> float:
    """Processor time of one run, in the best of many batches: what others took away is not the parser's."""
    batches = []
    for _ in range(_BATCHES):
        begun = time.thread_time()
        for _ in range(_PER_BATCH):
            work()
        batches.append(time.thread_time() - begun)
    return round(min(batches) / _PER_BATCH * 1e6, 1)


def measure() -> dict[str, float]:
    """Figures by name, in microseconds."""
    return {
        "an INVITE, its headers and its SDP": microseconds(read),
        "the message and its headers": microseconds(read_head),
        "the session description": microseconds(read_description),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    figures = measure()
    if options.json:
        print(json.dumps({f"{name}, µs": value for name, value in figures.items()}))
        return 0
    for name, value in figures.items():
        print(f"{value:8.1f} µs  {name}" + (f"  (bar: {BARS[name]:.0f} µs)" if name in BARS else ""))
    return 0 if all(figures[name] <= bar for name, bar in BARS.items()) else 4


if __name__ == "__main__":
    sys.exit(main())
