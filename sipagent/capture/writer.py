"""The tap that writes a call to disk as it goes on.

    datagrams in and out ──────► NAME.pcap
    everything that came in ───► NAME.journal.jsonl     datagrams by their index in the capture file
    everything that went out ──► NAME.golden.jsonl

`Captures` makes one `BundleWriter` for each call. Files are written from a thread of its own, a second's worth at a
time; a process that dies loses at most the last second.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sipagent.capture import golden, pcap
from sipagent.capture.bundle import Bundle, header_record
from sipagent.capture.journal import Record
from sipagent.media import TickRecord
from sipagent.sip.flow import Address, Flow

log = logging.getLogger("sipagent.capture")

FLUSH_INTERVAL = 1.0
SHORTEST_SECRET = 4
"""Masking shorter ones would tear holes into ordinary text, and tell the secret by the holes."""
MASK = "***"


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
        long_enough = (secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
        self._secrets = tuple(form for secret in long_enough for form in dict.fromkeys(_written_forms(secret)))
        self._executor = executor
        self._local = Address("0.0.0.0", 0)
        self._wideband = False
        self._packets = 0
        self._time = header.time
        self._flushed = header.time
        self._datagrams = [pcap.FILE_HEADER]
        self._came: list[bytes] = []
        self._left: list[bytes] = []
        self._write(self._came, header)
        self._write(self._left, header)

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        """One SIP datagram, in or out."""
        self._time = time
        if sent:
            self._packet(flow.local, flow.remote, data, time)
            self._write(self._left, golden.sip_sent(data, flow.remote, time))
        else:
            where = {"pcap": self._packets, "local": str(flow.local), "remote": str(flow.remote)}
            if flow.transport.reliable:  # the packet itself is one of UDP whatever it came by
                where |= {"transport": flow.transport.value, "connection": flow.connection}
            self._packet(flow.remote, flow.local, data, time)
            self._write(self._came, Record(time=time, kind="sip", data=where))
        self._flush_when_due()

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        """One frame of a provider's socket, in or out."""
        self._time = time
        if sent:
            self._write(self._left, golden.frame_sent(provider, text, time, wideband=self._wideband))
        else:
            data = {"provider": provider, "text": text}
            self._write(self._came, Record(time=time, kind="frame", data=data))

    def tick(self, record: TickRecord, time: float) -> None:
        """One media tick: its datagrams to the capture file, the rest to the journal."""
        self._time = time
        self._wideband = record.level is not None
        self._write(self._came, _tick_record(record, self._packets, time))
        for arrival in record.arrivals:
            self._packet(Address(*arrival.source), self._port_of(arrival.kind), arrival.data, arrival.time)
        for departure in record.departures:
            remote = Address(*departure.destination)
            self._packet(self._port_of(departure.kind), remote, departure.data, record.now)
        for left in golden.tick_sent(record):
            self._write(self._left, left)
        self._flush_when_due()

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        """Anything else. A draw of an id has no time of its own: it belongs to what happened last."""
        if kind == "leg":
            self._local = Address(str(data["host"]), int(str(data["port"])))
        self._time = max(time, self._time)
        self._write(self._came, Record(time=self._time, kind=kind, data=data))

    def close(self) -> None:
        """Write what is left, and up to when nothing else happened."""
        self._write(self._came, Record(time=self._time, kind="end", data={}))
        self._flush()

    def _port_of(self, kind: str) -> Address:
        """RTCP has the port after RTP's (RFC 3550 section 11)."""
        return Address(self._local.host, self._local.port + (kind == "rtcp"))

    def _packet(self, source: Address, destination: Address, data: bytes, time: float) -> None:
        nanoseconds = round((time + self._epoch) * 1e9)
        datagram = pcap.Datagram(time=nanoseconds, source=source, destination=destination, data=data)
        self._datagrams.append(pcap.record(datagram))
        self._packets += 1

    def _write(self, lines: list[bytes], record: Record) -> None:
        line = record.line()
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        lines.append(line.encode("utf-8", "backslashreplace"))  # half a surrogate pair becomes its JSON escape

    def _flush_when_due(self) -> None:
        if self._time >= self._flushed + FLUSH_INTERVAL:
            self._flush()

    def _flush(self) -> None:
        self._flushed = self._time
        files = (self._bundle.pcap, self._bundle.journal, self._bundle.golden)
        content = {path: b"".join(parts) for path, parts in zip(files, self._take(), strict=True) if parts}
        if self._executor is None:
            _append(content)
        else:
            self._executor.submit(_append, content)

    def _take(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """Return what waits to be written: datagrams, lines of the journal, lines of the golden file."""
        waiting = self._datagrams, self._came, self._left
        self._datagrams, self._came, self._left = [], [], []
        return waiting


class Captures:
    """Captures every call: called with a Call-ID, it makes the call's tap.

    `base` names the files of a call, without suffix; `configuration` is what a replay must know to build the same
    phone, and `in_code` that its agent is not that of the configuration; `secrets` are masked in every line.
    """

    def __init__(
        self,
        base: Callable[[str], Path],
        *,
        clock: Callable[[], float] = time.monotonic,
        configuration: Mapping[str, Any],
        in_code: bool = False,
        secrets: Iterable[str] = (),
    ) -> None:
        self._base = base
        self._clock = clock
        self._configuration = configuration
        self._in_code = in_code
        self._secrets = tuple(secrets)
        self._executor = ThreadPoolExecutor(1, "capture")

    def __call__(self, call_id: str) -> BundleWriter:
        now = self._clock()
        epoch = time.time() - now
        header = header_record(call_id, now, epoch=epoch, configuration=self._configuration, in_code=self._in_code)
        return BundleWriter(
            Bundle(self._base(call_id)), header, epoch=epoch, secrets=self._secrets, executor=self._executor
        )

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._executor.shutdown(wait=True)


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
        names = ("wall_offset", "rtp_timeout", "uplink_ms", "quiet_uplink_ms")
        data["opened"] = {name: getattr(record.opened, name) for name in names}
    return Record(time=time, kind="tick", data=data)


def _written_forms(secret: str) -> tuple[str, str]:
    """How a secret stands in a line of JSON: quoted twice inside a frame, once as a value."""
    quoted = json.dumps(secret, ensure_ascii=False)[1:-1]
    return json.dumps(quoted, ensure_ascii=False)[1:-1], quoted


def _append(content: Mapping[Path, bytes]) -> None:
    try:
        for path, data in content.items():
            with path.open("ab") as file:
                file.write(data)
    except OSError as error:
        log.warning("the capture of a call is incomplete: %s: %s", error.filename, error.strerror)
