"""A captured call as one thing: NAME.pcap, NAME.journal.jsonl and NAME.golden.jsonl."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from sipagent.capture import journal, pcap
from sipagent.capture.journal import Record
from sipagent.errors import CaptureError

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
    def in_code(self) -> bool:
        """The agent that took the call was a program's own, and not that of sip.conf."""
        return bool(self.header.data.get("in_code"))

    @property
    def account(self) -> str:
        """Name of the account that was called; empty for none."""
        return self._of_account("name")

    @property
    def contact(self) -> str:
        """The URI that we were reached by (the Contact of our answers); empty if nothing says."""
        return self._of_account("contact")

    @property
    def media_host(self) -> str:
        """The address that the caller was told to send speech to: a NAT's, maybe. Empty if nothing says."""
        return next((str(record.data["host"]) for record in self.records if record.kind == "leg"), "")

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


def header_record(
    call_id: str, now: float, *, epoch: float, configuration: Mapping[str, Any], in_code: bool = False
) -> Record:
    """Return the first record of a call's journal and golden file.

    `epoch` is what times lack to seconds since 1970; `in_code`: the agent was not that of `configuration`.
    """
    data = {
        "version": journal.VERSION,
        "call_id": call_id,
        "epoch": epoch,
        "configuration": configuration,
        "in_code": in_code,
    }
    return Record(time=now, kind="header", data=data)


def _datagrams_needed(record: Record) -> int:
    """How long the capture file must be for this record to be played."""
    match record.kind:
        case "sip":
            return int(record.data["pcap"]) + 1
        case "tick":
            return int(record.data["pcap"]) + len(record.data["arrivals"])
        case _:
            return 0
