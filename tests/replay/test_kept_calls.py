"""The calls in `pcaps/`, made with real peers: each replays equal to its golden file, twice."""

from pathlib import Path

import pytest

from sipagent.testing import replay

KEPT = sorted((Path(__file__).parents[2] / "pcaps").glob("*.pcap"))


@pytest.mark.parametrize("capture", KEPT, ids=lambda capture: capture.stem)
def test_a_kept_call_replays_equal_twice(capture: Path) -> None:
    replay(capture)
    replay(capture)


@pytest.mark.parametrize("capture", KEPT, ids=lambda capture: capture.stem)
def test_a_kept_call_has_its_line_in_the_list(capture: Path) -> None:
    assert capture.stem in (capture.parent / "README.md").read_text("utf-8")
