"""`sipagent replay`: a kept call, run again from the command line."""

import json
import shutil
from pathlib import Path

from sipagent.audio import wav
from tests.cli.conftest import Command

KEPT = Path(__file__).parents[2] / "pcaps"


def copied(sipagent: Command, name: str = "plain") -> Path:
    """Copy a kept call into the working directory, with what leaves today as its golden file."""
    for path in KEPT.glob(f"{name}.*"):
        shutil.copy(path, path.name)
    assert sipagent("replay", f"{name}.pcap", "--update").exit_code == 0
    return Path(f"{name}.golden.jsonl")


def test_a_call_that_replays_equal(sipagent: Command) -> None:
    copied(sipagent)
    result = sipagent("replay", "plain.pcap")
    assert result.exit_code == 0, result.output


def test_a_call_that_differs_is_shown_and_fails_until_it_is_updated(sipagent: Command) -> None:
    golden = copied(sipagent)
    kept = golden.read_text()
    golden.write_text(kept.replace("200 OK", "200 Fine"))
    result = sipagent("replay", "plain.journal.jsonl")
    assert result.exit_code == 1
    assert "200 Fine" in result.output
    assert "200 OK" in result.output

    assert sipagent("replay", "plain.pcap", "--update").exit_code == 0
    assert golden.read_text() == kept
    assert sipagent("replay", "plain.pcap").exit_code == 0


def test_for_programs_the_comparison_is_an_object(sipagent: Command) -> None:
    copied(sipagent)
    line = json.loads(sipagent("replay", "plain.pcap", "--json").stdout)
    assert (line["type"], line["equal"], line["differences"]) == ("Replay", True, {})
    assert line["counts"]["sip"] > 2
    assert line["call_id"]


def test_both_sides_are_heard(sipagent: Command) -> None:
    copied(sipagent)
    assert sipagent("replay", "plain.pcap", "--wav", "plain.wav").exit_code == 0
    left, right = wav.read(Path("plain.wav").read_bytes()).samples
    assert (abs(left) > 1000).any()
    assert (abs(right) > 1000).any()


def test_what_is_missing_is_named(sipagent: Command) -> None:
    result = sipagent("replay", "nowhere.pcap")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    copied(sipagent)
    Path("plain.journal.jsonl").unlink()
    result = sipagent("replay", "plain.pcap")
    assert result.exit_code == 2
    assert "plain.journal.jsonl" in result.stderr
