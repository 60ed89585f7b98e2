"""The golden file: everything that left during a call, one JSON object a line, and the comparison with another run.

    {"t": 81.26, "kind": "sip", "to": "192.0.2.1:5060", "text": "SIP/2.0 200 OK\\r\\n…"}
    {"t": 82.04, "kind": "rtp", "tick": 4102, "to": "192.0.2.1:40000", "header": "80001f…", "payload": "160 bytes 5b…"}
    {"t": 82.04, "kind": "openai", "text": "{\\"type\\":\\"response.create\\",…}"}

Each kind is a channel. The order within a channel is compared; the order between channels and the times are not:
which of two channels was first within the same millisecond is the scheduler's doing. Audio stands as length and digest.
"""

import difflib
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sipagent.capture.journal import Record
from sipagent.rtp import packet

_AUDIO = re.compile(r"[A-Za-z0-9+/]{128,}={0,2}")
_RTP_HEADER = 12
_BEFORE = 2


def sip_sent(data: bytes, to: object, time: float) -> Record:
    """Take down a SIP datagram that left."""
    return Record(time=time, kind="sip", data={"to": str(to), "text": data.decode("utf-8", "backslashreplace")})


def media_sent(kind: str, data: bytes, to: object, *, tick: int, time: float) -> Record:
    """Take down an RTP or RTCP datagram (`kind`) that left in media tick `tick`."""
    if kind != "rtp":
        return Record(time=time, kind=kind, data={"tick": tick, "to": str(to), "packet": data.hex()})
    header, payload = data[:_RTP_HEADER], data[_RTP_HEADER:]
    return Record(
        time=time,
        kind=kind,
        data={"tick": tick, "to": str(to), "header": header.hex(), "payload": _digest(payload)},
    )


def frame_sent(provider: str, text: str, time: float) -> Record:
    """Take down a provider frame that left. Frames with audio make a channel of their own."""
    shown = _AUDIO.sub(lambda run: _digest(run[0].encode()), text)
    return Record(time=time, kind=provider if shown == text else f"{provider}-audio", data={"text": shown})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a run had in common with the golden file: entries of each channel, and the first difference in each."""

    counts: Mapping[str, int]
    differences: Mapping[str, str]

    @property
    def equal(self) -> bool:
        """Every channel has the same entries in the same order."""
        return not self.differences

    def __str__(self) -> str:
        if self.equal:
            return "equal: " + ", ".join(f"{count} {channel}" for channel, count in self.counts.items())
        return "\n\n".join(f"{channel}: {text}" for channel, text in self.differences.items())


def compare(golden: Iterable[Record], run: Iterable[Record]) -> Comparison:
    """Compare what left then (`golden`) with what left now (`run`)."""
    then, now = _channels(golden), _channels(run)
    differences = {}
    for channel in dict.fromkeys((*then, *now)):
        if text := _first_difference(then[channel], now[channel]):
            differences[channel] = text
    return Comparison(counts={channel: len(entries) for channel, entries in now.items()}, differences=differences)


def _digest(data: bytes) -> str:
    return f"{len(data)} bytes {hashlib.blake2b(data, digest_size=8).hexdigest()}"


def _channels(records: Iterable[Record]) -> "defaultdict[str, list[Mapping[str, Any]]]":
    channels: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        if record.kind != "header":
            channels[record.kind].append(record.data)
    return channels


def _first_difference(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    """Tell the first entry that differs, with what went before it; empty when all are the same."""
    if then == now:
        return ""
    at = next((at for at, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now)))
    lines = [f"{len(then)} in the golden file, {len(now)} now; the first difference is at number {at + 1}"]
    lines += [f"    {_title(entry)}" for entry in now[max(0, at - _BEFORE) : at]]
    if at == len(now):
        lines.append(f"  - {_title(then[at])}\n  + nothing")
    elif at == len(then):
        lines.append(f"  - nothing\n  + {_title(now[at])}")
    else:
        lines += [f"  {line}" for line in _changes(then[at], now[at])]
    return "\n".join(lines)


def _title(entry: Mapping[str, Any]) -> str:
    """One line for one entry: a SIP start line, an RTP header in words, a frame cut to fit."""
    if "header" in entry:
        return "; ".join(_words(entry))
    text = str(entry.get("text") or entry.get("packet") or entry)
    first = text.partition("\r\n")[0]
    return first if len(first) <= 100 else first[:99] + "…"


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    changes = difflib.unified_diff(_words(then), _words(now), n=_BEFORE, lineterm="")
    return [f"{line[0]} {line[1:]}" for line in changes if not line.startswith(("---", "+++", "@@"))]


def _words(entry: Mapping[str, Any]) -> list[str]:
    """An entry as lines that a person can compare."""
    lines = [f"{key} {value}" for key, value in entry.items() if key not in ("header", "text")]
    if "header" in entry:
        lines = _header_words(entry["header"]) + lines
    return lines + _text_lines(entry.get("text", ""))


def _header_words(header: str) -> list[str]:
    parsed = packet.parse(bytes.fromhex(header))
    if parsed is None:
        return [f"header {header}"]
    return [
        f"sequence {parsed.sequence}",
        f"timestamp {parsed.timestamp}",
        f"payload type {parsed.payload_type}",
        f"marker {int(parsed.marker)}",
        f"ssrc {parsed.ssrc:#x}",
    ]


def _text_lines(text: str) -> list[str]:
    """JSON is laid out with one member a line, anything else split where it is."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False).splitlines()
    except ValueError:
        return text.splitlines()
