"""Whole calls from elsewhere, drawn in RFCs or captured: every message is read, and the dialogs are as they should be.

The tables in `verdicts` say what each file holds, as we read it; the captures are held to what the corpora's manifest
counted by other means, too.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.capture import pcap
from sipagent.sip.message import Request, Response, check, parse
from tests.conformance.judge import table, with_crlf

pytestmark = pytest.mark.corpora

Message = Request | Response
CAPTURES = ("pcap-call", "pcap-hostile", "pcap-sip")
NOT_UDP = {
    "bruteshark-DTMFsipinfo.pcap",  # PPPoE
    "ipfixprobe-sip.pcap",  # some of its INVITEs are IP fragments
    "pcpp-sip_resp.pcap",  # one of its responses, too
    "sipnab-sip-over-tcp.pcap",
    "suricata-sip-tcp-method.pcap",
    "suricata-sip-tcp-pattern-matching.pcap",
}
"""Captures with messages that our reader of UDP captures passes over."""


def summary(messages: list[Message]) -> str:
    """What a file holds: its messages, those that are mangled, and its calls."""
    mangled = sum(flaw(message) is not None for message in messages)
    calls = {message.call_id for message in messages if isinstance(message, Request) and message.method == "INVITE"}
    return f"{len(messages)} messages, {mangled} mangled, {len(calls)} calls"


def flaw(message: Message) -> object:
    return check(message) if isinstance(message, Request) else message.flaw


# ---- flows of the RFCs (RFC 5626 draws some messages without Via: mangled)


def drawn(path: Path) -> list[Message]:
    """The messages of a flow: blocks of YAML, indented by two."""
    blocks = re.split(r"^- \|\+\n", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
    messages = [parse(with_crlf(re.sub(r"^  ", "", block, flags=re.MULTILINE).encode())) for block in blocks]
    return [message for message in messages if message is not None]


def answered(messages: list[Message]) -> Iterator[tuple[Response, Request | None]]:
    """Each response, with the request before it that it answers (RFC 3261 section 17.1.3)."""
    requests: dict[tuple[str, str], Request] = {}
    for message in messages:
        key = message.via.branch, message.cseq.method
        if isinstance(message, Request):
            requests[key] = message
        else:
            yield message, requests.get(key)


def test_flows_are_read_whole(corpora: Path) -> None:
    flows = {path.name: summary(drawn(path)) for path in (corpora / "sip-callflows").glob("*.yaml")}
    assert flows == table("sip-callflows")


def test_each_response_of_a_flow_answers_a_request_of_the_same_dialog(corpora: Path) -> None:
    for path in sorted((corpora / "sip-callflows").glob("misc-rfc[34]*.yaml")):  # RFC 5626 leaves hops out
        for response, request in answered(drawn(path)):
            assert request is not None, path.name
            assert response.call_id == request.call_id, path.name
            assert response.cseq == request.cseq, path.name
            assert not request.to.tag or response.to.tag == request.to.tag, path.name


# ---- captures


def captured(path: Path) -> list[Message]:
    """The SIP in a capture's UDP datagrams."""
    messages = [parse(datagram.data) for datagram in pcap.read(path)]
    return [message for message in messages if message is not None]


@pytest.mark.parametrize("folder", CAPTURES)
def test_captures_are_read_whole(corpora: Path, folder: str) -> None:
    files = [path for path in (corpora / folder).iterdir() if path.name not in NOT_UDP]
    assert {path.name: summary(captured(path)) for path in files} == table(folder)


def test_captures_hold_the_messages_that_others_count(corpora: Path) -> None:
    rows = map(json.loads, (corpora / "manifest.jsonl").read_text("utf-8").splitlines())
    for row in rows:
        folder, _, name = row["path"].partition("/")
        if folder not in CAPTURES or name in NOT_UDP:
            continue
        messages = captured(corpora / row["path"])
        methods = Counter(message.method for message in messages if isinstance(message, Request))
        codes = Counter(str(message.code) for message in messages if isinstance(message, Response))
        assert (methods, codes) == (Counter(row["meta"]["methods"]), Counter(row["meta"]["codes"])), name
