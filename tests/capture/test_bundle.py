"""A captured call is found by any of its files, and says what it lacks."""

from pathlib import Path

import pytest

from sipagent.capture.bundle import Bundle, Capture
from sipagent.errors import CaptureError


@pytest.mark.parametrize("name", ["call", "call.pcap", "call.journal.jsonl", "call.golden.jsonl"])
def test_any_of_the_three_names_the_bundle(tmp_path: Path, name: str) -> None:
    assert Bundle.at(tmp_path / name) == Bundle(tmp_path / "call")


def test_a_name_with_dots_is_kept() -> None:
    assert Bundle.at(Path("call.2024.pcap")).journal == Path("call.2024.journal.jsonl")


def test_a_capture_without_journal_says_what_it_lacks(tmp_path: Path, bundle: Bundle) -> None:
    bundle.journal.unlink()
    with pytest.raises(CaptureError, match=r"call\.pcap: cannot be replayed without its journal, call\.journal\.jsonl"):
        Capture.load(bundle)


def test_a_journal_without_capture_file_says_so(bundle: Bundle) -> None:
    bundle.pcap.unlink()
    with pytest.raises(CaptureError, match=r"call\.pcap: No such file"):
        Capture.load(bundle)


def test_a_capture_file_that_a_killed_process_left_short_ends_the_journal_with_it(bundle: Bundle) -> None:
    bundle.pcap.write_bytes(bundle.pcap.read_bytes()[:-400])
    assert [record.kind for record in Capture.load(bundle).records] == ["sip", "id", "leg", "open", "frame", "tick"]
