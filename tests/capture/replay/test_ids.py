"""Ids from a journal: each kind in its order, and harmless ones where the journal has none."""

from sipagent.capture.journal import Record
from sipagent.capture.replay.ids import PlayedIds


def drawn(what: str, value: object) -> Record:
    return Record(time=0.0, kind="id", data={"what": what, "value": value})


def test_each_kind_is_served_in_its_order_however_they_were_mixed() -> None:
    ids = PlayedIds([drawn("tag", "t1"), drawn("ssrc", 7), drawn("tag", "t2")])
    assert ids.number("ssrc", 32, "call") == 7
    assert [ids.token("tag", "call"), ids.token("tag", "call")] == ["t1", "t2"]


def test_draws_of_no_call_take_nothing_from_the_journal() -> None:
    ids = PlayedIds([drawn("branch", "b1")])
    assert ids.token("branch") != "b1"
    assert ids.token("branch", "call") == "b1"


def test_past_the_journal_ids_still_differ_and_fit_their_bits() -> None:
    ids = PlayedIds([])
    assert len({ids.token("tag", "call") for _ in range(100)}) == 100
    assert all(0 <= ids.number("sequence", 4) < 16 for _ in range(100))
