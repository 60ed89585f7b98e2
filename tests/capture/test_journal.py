"""The journal: records come back as they were, and damage is named with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.capture import journal
from sipagent.capture.journal import Record
from sipagent.errors import CaptureError

HEADER = Record(time=12.5, kind="header", data={"version": journal.VERSION, "call_id": "abc"})
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
records = st.builds(
    Record,
    time=st.floats(0, 1e9),
    kind=st.text(min_size=1),
    data=st.dictionaries(st.text().filter(lambda key: key not in ("t", "kind")), values, max_size=4),
)


def written(path: Path, *content: str) -> Path:
    path.write_text("".join(content), "utf-8")
    return path


@given(st.lists(records, max_size=5))
def test_records_come_back_as_they_were_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Record]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "call.journal.jsonl"
    assert list(journal.read(written(path, *(record.line() for record in (HEADER, *kept))))) == [HEADER, *kept]


def test_a_line_that_a_killed_process_left_half_written_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "call.journal.jsonl", HEADER.line(), Record(time=1.0, kind="id", data={}).line()[:-3])
    assert list(journal.read(path)) == [HEADER]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param([HEADER.line(), "{]\n"], r"call\.journal\.jsonl:2: not a record", id="no JSON"),
        pytest.param([HEADER.line(), "[1]\n"], r"call\.journal\.jsonl:2: not a record", id="no object"),
        pytest.param([HEADER.line(), '{"t": 1}\n'], r"call\.journal\.jsonl:2: not a record", id="no kind"),
        pytest.param(['{"t": 1, "kind": "sip"}\n'], r":1: the first record is 'sip'", id="no header"),
        pytest.param(['{"t": 1, "kind": "header", "version": 99}\n'], r"version 99.*reads 1", id="a later version"),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, content: list[str], complaint: str) -> None:
    with pytest.raises(CaptureError, match=complaint):
        list(journal.read(written(tmp_path / "call.journal.jsonl", *content)))


def test_a_missing_file_is_a_capture_error(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        list(journal.read(tmp_path / "call.journal.jsonl"))
