"""The golden file: everything that left during a call, one JSON object a line, and the comparison with another run.

    {"t": 81.26, "kind": "sip", "to": "192.0.2.1:5060", "text": "SIP/2.0 200 OK\\r\\n…"}
    {"t": 82.04, "kind": "rtp", "tick": 4102, "to": "192.0.2.1:40000", "header": "80001f…", "payload": "160 bytes 5b…"}
    {"t": 82.04, "kind": "openai", "text": "{\\"type\\":\\"response.create\\",…}"}

Each kind is a channel. The order within a channel is compared; the order between channels and the times are not:
which of two channels was first within the same millisecond is the scheduler's doing. Audio stands as length and digest.

What G.722, Opus and resampling make is not the same on every machine. Of a wideband call audio stands as its level in
dBFS, and is compared as roughly as that; of its reports the count of octets is left out.
"""

import base64
import difflib
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sipagent.audio.encoding import PCM
from sipagent.audio.level import level as level_of
from sipagent.capture.journal import Record
from sipagent.media import RTCP, TickRecord
from sipagent.rtp import packet
from sipagent.rtp.packet import is_rtcp
from sipagent.sip.flow import Address

_AUDIO = re.compile(r"[A-Za-z0-9+/]{128,}={0,2}")
_LINEAR = re.compile(r'"audio": ?"([A-Za-z0-9+/]+={0,2})"')
"""Audio in a frame of ours, in which it is linear in a wideband call."""
_RTP_HEADER = 12
_EVENT = 4
"""Bytes of a telephone event, which is the same everywhere (RFC 4733 section 2.3)."""
_SENDER_REPORT = 200
_OCTET_COUNT = slice(24, 28)
"""Of a sender report (RFC 3550 section 6.4.1)."""
_BEFORE = 2
_NEAR = 3
"""dB by which two machines may differ."""


def sip_sent(data: bytes, to: object, time: float) -> Record:
    """Take down a SIP datagram that left."""
    return Record(time=time, kind="sip", data={"to": str(to), "text": data.decode("utf-8", "backslashreplace")})


def tick_sent(record: TickRecord) -> Iterator[Record]:
    """Take down all that left in a media tick, RTCP as such by whichever port it left (RFC 5761)."""
    for _, kind, destination, data in record.departures:
        told = RTCP if is_rtcp(data) else kind
        yield media_sent(told, data, Address(*destination), tick=record.tick, time=record.now, level=record.level)


def media_sent(kind: str, data: bytes, to: object, *, tick: int, time: float, level: int | None = None) -> Record:
    """Take down an RTP or RTCP datagram (`kind`) that left in media tick `tick`; `level` is that of a wideband call."""
    place: dict[str, Any] = {"tick": tick, "to": str(to)}
    if kind != "rtp":
        report = data if level is None else _without_octets(data)
        return Record(time=time, kind=kind, data={**place, "packet": report.hex()})
    header, payload = data[:_RTP_HEADER], data[_RTP_HEADER:]
    heard = {"payload": _digest(payload)} if level is None or len(payload) == _EVENT else {"level": level}
    return Record(time=time, kind=kind, data={**place, "header": header.hex(), **heard})


def frame_sent(provider: str, text: str, time: float, *, wideband: bool = False) -> Record:
    """Take down a provider frame that left. Frames with audio make a channel of their own."""
    if wideband and (audio := _LINEAR.search(text)):
        samples = base64.b64decode(audio[1])
        shown = f"{text[: audio.start(1)]}{len(samples)} bytes{text[audio.end(1) :]}"
        return Record(time=time, kind=f"{provider}-audio", data={"text": shown, "level": round(level_of(samples, PCM))})
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


def _without_octets(report: bytes) -> bytes:
    if report[1:2] != bytes([_SENDER_REPORT]):
        return report
    return report[: _OCTET_COUNT.start] + bytes(4) + report[_OCTET_COUNT.stop :]


def _channels(records: Iterable[Record]) -> "defaultdict[str, list[Mapping[str, Any]]]":
    channels: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        if record.kind != "header":
            channels[record.kind].append(record.data)
    return channels


def _first_difference(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    """Tell the first entry that differs, with what went before it; empty when all are the same."""
    pairs = enumerate(zip(then, now, strict=False))
    at = next((at for at, (a, b) in pairs if not _alike(a, b)), min(len(then), len(now)))
    if at == len(then) == len(now):
        return ""
    lines = [f"{len(then)} in the golden file, {len(now)} now; the first difference is at number {at + 1}"]
    lines += [f"    {_title(entry)}" for entry in now[max(0, at - _BEFORE) : at]]
    if at == len(now):
        lines.append(f"  - {_title(then[at])}\n  + nothing")
    elif at == len(then):
        lines.append(f"  - nothing\n  + {_title(now[at])}")
    else:
        lines += [f"  {line}" for line in _changes(then[at], now[at])]
    return "\n".join(lines)


def _alike(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two entries are the same, but for a level that differs by what machines differ."""
    near = "level" in then and "level" in now and abs(then["level"] - now["level"]) <= _NEAR
    return then == now or (near and {**then, "level": now["level"]} == now)


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
