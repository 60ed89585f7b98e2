"""What a phone makes of messages from elsewhere, and the tables of what it should: file names and verdicts."""

from collections.abc import Mapping
from pathlib import Path

from sipagent.sip.message import Response
from sipagent.sip.outputs import Invited
from tests.sip.bench import Bench, request

INVITED = "invited"
"""100 Trying, and the driver is told of a call."""
UNEXPECTED = "unexpected"
"""A response or an ACK, well read, for which nobody waits."""
DROPPED = "dropped"

_TABLES = Path(__file__).with_name("verdicts")


def verdict(bench: Bench) -> str:
    """What the agent made of the only datagram so far: one of the words above, or the code of its answer."""
    codes = [message.code for message in bench.sent() if isinstance(message, Response)]
    if any(isinstance(event, Invited) for event in bench.told()):
        return INVITED
    if codes:
        return str(codes[0])
    return UNEXPECTED if {"response-unexpected", "ack-unexpected"} & bench.agent.counters.keys() else DROPPED


def answers_options(bench: Bench) -> bool:
    """Whether it is still there."""
    bench.receive(request("OPTIONS", branch="z9hG4bKafterwards", call_id="afterwards"))
    return any(isinstance(message, Response) and message.code == 200 for message in bench.sent())


def with_crlf(message: bytes) -> bytes:
    """Some archives have bare line feeds, and a Content-Length that fits only those, if any."""
    head, _, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.lower().startswith((b"content-length", b"l:"))]
    body = body.replace(b"\n", b"\r\n")
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def table(name: str) -> Mapping[str, str]:
    """A committed table: the name of a file, and the verdict on it."""
    rows = (line.partition(" ") for line in (_TABLES / f"{name}.txt").read_text("utf-8").splitlines())
    return {file: said for file, _, said in rows}
