"""The journal of a call: one JSON object a line, in the order in which the loop saw things happen.

    {"t": 81.25, "kind": "header", "version": 1, "call_id": "a84b…", "configuration": {…}}
    {"t": 81.25, "kind": "sip", "pcap": 0, "local": "192.0.2.9:5060", "remote": "192.0.2.1:5060"}
    {"t": 81.25, "kind": "id", "what": "tag", "value": "x7k2…"}
    {"t": 81.44, "kind": "frame", "provider": "openai", "text": "{\\"type\\":\\"session.created\\",…}"}
    {"t": 82.02, "kind": "tick", "leg": 1, "tick": 41, "now": 82.02, "commands": 2, "pcap": 7, "arrivals": …}

`t` is seconds on the phone's clock. The bytes of datagrams are in the capture file beside it: `pcap` is the index
of the first one there. What left the phone is not here but in the golden file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sipagent.errors import CaptureError

VERSION = 1

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line. `data` holds JSON values only."""

    time: float
    kind: str
    data: Mapping[str, Any]

    def line(self) -> str:
        """Return the record as one line of JSON with its line end."""
        return _encode({"t": self.time, "kind": self.kind, **self.data}) + "\n"


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a journal or golden file, the header first.

    A last line without its end, as a killed process leaves it, is not read. Raises CaptureError, with the line,
    for what is no record, and for a version that this program does not know.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(text.split("\n")[:-1], 1):
        record = _record(line, f"{path}:{number}")
        if number == 1:
            _check_header(record, path)
        yield record


def _record(line: str, place: str) -> Record:
    try:
        data = json.loads(line)
        return Record(time=float(data.pop("t")), kind=str(data.pop("kind")), data=data)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CaptureError(f"{place}: not a record of a call's journal ({error})") from error


def _check_header(record: Record, path: Path) -> None:
    if record.kind != "header":
        raise CaptureError(f"{path}:1: the first record is {record.kind!r}, not the header")
    if (version := record.data.get("version")) != VERSION:
        raise CaptureError(f"{path}:1: written in version {version} of the format; this program reads {VERSION}")
