"""A captured call as one thing: NAME.pcap, NAME.journal.jsonl and NAME.golden.jsonl.

    datagrams in and out ──────► NAME.pcap
    everything that came in ───► NAME.journal.jsonl     datagrams by their index in the capture file
    everything that went out ──► NAME.golden.jsonl

`Captures` makes one `BundleWriter` for each call. Files are written from a thread of its own, a second's
worth at a time; a process that dies loses at most the last second.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from sipagent.capture import golden, journal, pcap
from sipagent.capture.journal import Record
from sipagent.errors import CaptureError
from sipagent.media import TickRecord
from sipagent.sip.flow import Address, Flow

log = logging.getLogger("sipagent.capture")

FLUSH_INTERVAL = 1.0
SHORTEST_SECRET = 4
"""Masking shorter ones would tear holes into ordinary text, and tell the secret by the holes."""
MASK = "***"

_SUFFIXES = (".journal.jsonl", ".golden.jsonl", ".pcap")


@dataclass(frozen=True, slots=True)
class Bundle:
    """The three files of a captured call. `base` is their common path without suffix."""

    base: Path

    @classmethod
    def at(cls, path: Path) -> "Bundle":
        """Take any of the three files, or their common name."""
        for suffix in _SUFFIXES:
            if path.name.endswith(suffix):
                return cls(path.with_name(path.name.removesuffix(suffix)))
        return cls(path)

    @property
    def pcap(self) -> Path:
        return self._file(".pcap")

    @property
    def journal(self) -> Path:
        return self._file(".journal.jsonl")

    @property
    def golden(self) -> Path:
        return self._file(".golden.jsonl")

    def _file(self, suffix: str) -> Path:
        return self.base.with_name(self.base.name + suffix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A bundle in memory. `datagrams` are those of the capture file, in its order.

    Where a killed process left more of the journal than of the capture file, the journal ends with the latter.
    """

    header: Record
    records: tuple[Record, ...]
    datagrams: tuple[pcap.Datagram, ...]

    @property
    def call_id(self) -> str:
        """The SIP Call-ID."""
        return str(self.header.data["call_id"])

    @property
    def account(self) -> str:
        """Name of the account that was called; empty for none."""
        return self._of_account("name")

    @property
    def contact(self) -> str:
        """The URI that we were reached by (the Contact of our answers); empty if nothing says."""
        return self._of_account("contact")

    @property
    def clips(self) -> Mapping[str, str]:
        """The agent's clips, where they were not the shipped ones."""
        return next((record.data for record in self.records if record.kind == "clips"), {})

    def _of_account(self, key: str) -> str:
        return next((str(record.data[key]) for record in self.records if record.kind == "account"), "")

    @classmethod
    def load(cls, bundle: Bundle) -> "Capture":
        """Read a bundle, but for its golden file. Raises CaptureError for what is missing or damaged."""
        if not bundle.journal.exists() and not bundle.pcap.exists():
            raise CaptureError(f"{bundle.pcap}: there is no such capture")
        if not bundle.journal.exists():
            raise CaptureError(
                f"{bundle.pcap}: cannot be replayed without its journal, {bundle.journal.name}; "
                "calls are captured with both by `capture = pcap` in the [record] section of sip.conf"
            )
        records = tuple(journal.read(bundle.journal))
        if not records:
            raise CaptureError(f"{bundle.journal}: empty")
        try:
            datagrams = tuple(pcap.read(bundle.pcap))
        except OSError as error:
            raise CaptureError(f"{bundle.pcap}: {error.strerror}") from error
        kept = takewhile(lambda record: _datagrams_needed(record) <= len(datagrams), records[1:])
        return cls(header=records[0], records=tuple(kept), datagrams=datagrams)


class BundleWriter:
    """The tap of one call: takes down all that enters and leaves it, and hands it to the files in its own time.

    `epoch` is what a time on the phone's clock lacks to seconds since 1970. Without `executor` files are written
    where the writer is called.
    """

    def __init__(
        self,
        bundle: Bundle,
        header: Record,
        *,
        epoch: float = 0.0,
        secrets: Iterable[str] = (),
        executor: Executor | None = None,
    ) -> None:
        self._bundle = bundle
        self._epoch = epoch
        self._secrets = tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
        self._executor = executor
        self._local = Address("0.0.0.0", 0)
        self._packets = 0
        self._time = header.time
        self._flushed = header.time
        self._pending: dict[Path, list[bytes]] = {
            bundle.pcap: [pcap.FILE_HEADER],
            bundle.journal: [],
            bundle.golden: [],
        }
        self._write(bundle.journal, header)
        self._write(bundle.golden, header)

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        """One SIP datagram, in or out."""
        self._time = time
        if sent:
            self._packet(flow.local, flow.remote, data, time)
            self._write(self._bundle.golden, golden.sip_sent(data, flow.remote, time))
        else:
            where = {"pcap": self._packets, "local": str(flow.local), "remote": str(flow.remote)}
            self._packet(flow.remote, flow.local, data, time)
            self._write(self._bundle.journal, Record(time=time, kind="sip", data=where))
        self._flush_when_due()

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        """One frame of a provider's socket, in or out."""
        self._time = time
        if sent:
            self._write(self._bundle.golden, golden.frame_sent(provider, text, time))
        else:
            data = {"provider": provider, "text": text}
            self._write(self._bundle.journal, Record(time=time, kind="frame", data=data))

    def tick(self, record: TickRecord, time: float) -> None:
        """One media tick: its datagrams to the capture file, the rest to the journal."""
        self._time = time
        self._write(self._bundle.journal, _tick_record(record, self._packets, time))
        for arrival in record.arrivals:
            self._packet(Address(*arrival.source), self._port_of(arrival.kind), arrival.data, arrival.time)
        for departure in record.departures:
            remote = Address(*departure.destination)
            self._packet(self._port_of(departure.kind), remote, departure.data, record.now)
            left = golden.media_sent(departure.kind, departure.data, remote, tick=record.tick, time=record.now)
            self._write(self._bundle.golden, left)
        self._flush_when_due()

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        """Anything else. A draw of an id has no time of its own: it belongs to what happened last."""
        if kind == "leg":
            self._local = Address(str(data["host"]), int(str(data["port"])))
        self._time = max(time, self._time)
        self._write(self._bundle.journal, Record(time=self._time, kind=kind, data=data))

    def close(self) -> None:
        """Write what is left, and up to when nothing else happened."""
        self._write(self._bundle.journal, Record(time=self._time, kind="end", data={}))
        self._flush()

    def _port_of(self, kind: str) -> Address:
        """RTCP has the port after RTP's (RFC 3550 section 11)."""
        return Address(self._local.host, self._local.port + (kind == "rtcp"))

    def _packet(self, source: Address, destination: Address, data: bytes, time: float) -> None:
        nanoseconds = round((time + self._epoch) * 1e9)
        datagram = pcap.Datagram(time=nanoseconds, source=source, destination=destination, data=data)
        self._pending[self._bundle.pcap].append(pcap.record(datagram))
        self._packets += 1

    def _write(self, path: Path, record: Record) -> None:
        line = record.line()
        for secret in self._secrets:
            line = _masked(line, secret)
        self._pending[path].append(line.encode())

    def _flush_when_due(self) -> None:
        if self._time >= self._flushed + FLUSH_INTERVAL:
            self._flush()

    def _flush(self) -> None:
        self._flushed = self._time
        content = {path: b"".join(parts) for path, parts in self._pending.items() if parts}
        self._pending = {path: [] for path in self._pending}
        if self._executor is None:
            _append(content)
        else:
            self._executor.submit(_append, content)


class Departures:
    """A tap that keeps in memory what left, to be compared with a golden file."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        """Keep a SIP datagram that left."""
        if sent:
            self.records.append(golden.sip_sent(data, flow.remote, time))

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        """Keep a provider frame that left."""
        if sent:
            self.records.append(golden.frame_sent(provider, text, time))

    def tick(self, record: TickRecord, time: float) -> None:
        """Keep the RTP and RTCP that left in a tick."""
        for departure in record.departures:
            remote = Address(*departure.destination)
            left = golden.media_sent(departure.kind, departure.data, remote, tick=record.tick, time=record.now)
            self.records.append(left)

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        """What is noted did not leave."""

    def close(self) -> None:
        """The call is over."""
        self.closed = True


class Captures:
    """Captures every call: called with a Call-ID, it makes the call's tap.

    `base` names the files of a call, without suffix; `configuration` is what a replay must know to build the same
    phone; `secrets` are masked in every line.
    """

    def __init__(
        self,
        base: Callable[[str], Path],
        *,
        clock: Callable[[], float] = time.monotonic,
        configuration: Mapping[str, Any],
        secrets: Iterable[str] = (),
    ) -> None:
        self._base = base
        self._clock = clock
        self._configuration = configuration
        self._secrets = tuple(secrets)
        self._executor = ThreadPoolExecutor(1, "capture")

    def __call__(self, call_id: str) -> BundleWriter:
        now = self._clock()
        epoch = time.time() - now
        header = header_record(call_id, now, epoch=epoch, configuration=self._configuration)
        return BundleWriter(
            Bundle(self._base(call_id)), header, epoch=epoch, secrets=self._secrets, executor=self._executor
        )

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._executor.shutdown(wait=True)


def header_record(call_id: str, now: float, *, epoch: float, configuration: Mapping[str, Any]) -> Record:
    """Return the first record of a call's journal and golden file."""
    data = {"version": journal.VERSION, "call_id": call_id, "epoch": epoch, "configuration": configuration}
    return Record(time=now, kind="header", data=data)


def _tick_record(record: TickRecord, first_packet: int, time: float) -> Record:
    data: dict[str, Any] = {
        "leg": record.leg,
        "tick": record.tick,
        "now": record.now,
        "commands": record.commands,
        "pcap": first_packet,
        "arrivals": [[arrival.kind, arrival.time] for arrival in record.arrivals],
    }
    if record.opened is not None:
        data["opened"] = {name: getattr(record.opened, name) for name in ("wall_offset", "rtp_timeout", "uplink_ms")}
    return Record(time=time, kind="tick", data=data)


def _masked(line: str, secret: str) -> str:
    """Mask a secret in a line of JSON, where it may stand quoted once (a value) or twice (inside a frame)."""
    quoted = json.dumps(secret, ensure_ascii=False)[1:-1]
    for form in (json.dumps(quoted, ensure_ascii=False)[1:-1], quoted):
        line = line.replace(form, MASK)
    return line


def _datagrams_needed(record: Record) -> int:
    """How long the capture file must be for this record to be played."""
    match record.kind:
        case "sip":
            return int(record.data["pcap"]) + 1
        case "tick":
            return int(record.data["pcap"]) + len(record.data["arrivals"])
        case _:
            return 0


def _append(content: Mapping[Path, bytes]) -> None:
    try:
        for path, data in content.items():
            with path.open("ab") as file:
                file.write(data)
    except OSError as error:
        log.warning("the capture of a call is incomplete: %s: %s", error.filename, error.strerror)
