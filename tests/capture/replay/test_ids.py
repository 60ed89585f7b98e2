"""Ids from a journal: each kind in its order, and harmless ones where the journal has none."""

from sipagent.capture.bundle import Capture, header_record
from sipagent.capture.journal import Record
from sipagent.capture.replay.ids import PlayedIds

CALL = "a84b4c@example.com"


def ids_of(*draws: tuple[str, object], contact: str = "") -> PlayedIds:
    """The ids of a call that drew these."""
    account = Record(time=0.0, kind="account", data={"name": "office", "contact": contact})
    records = [account] + [Record(time=0.0, kind="id", data={"what": what, "value": value}) for what, value in draws]
    header = header_record(CALL, 0.0, epoch=0.0, configuration={})
    return PlayedIds(Capture(header=header, records=tuple(records), datagrams=()))


def test_each_kind_is_served_in_its_order_however_they_were_mixed() -> None:
    ids = ids_of(("tag", "t1"), ("ssrc", 7), ("tag", "t2"))
    assert ids.number("ssrc", 32, CALL) == 7
    assert [ids.token("tag", CALL), ids.token("tag", CALL)] == ["t1", "t2"]


def test_other_calls_and_draws_of_no_call_take_nothing_from_the_journal() -> None:
    ids = ids_of(("branch", "b1"))
    assert "b1" not in {ids.token("branch"), ids.token("branch", "registration")}
    assert ids.token("branch", CALL) == "b1"


def test_past_the_journal_ids_still_differ_and_fit_their_bits() -> None:
    ids = ids_of()
    assert len({ids.token("tag", CALL) for _ in range(100)}) == 100
    assert all(0 <= ids.number("sequence", 4) < 16 for _ in range(100))


def test_we_register_the_contact_that_we_were_called_by() -> None:
    assert ids_of(contact="sip:x7k2@192.0.2.9:5060").token("contact") == "x7k2"
