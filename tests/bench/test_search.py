"""The search for the most calls that are carried."""

import pytest

from sipagent.bench.search import FIRST, Search


def found(capacity: int, *, full_at: int | None = None, most: int = 5000) -> tuple[int, list[int]]:
    """Search on a machine that carries so many; its processor is full at `full_at`. Returns what was tried, too."""
    search, tried = Search(most=most), []
    while (calls := search.next) is not None:
        tried.append(calls)
        search.take(calls, is_carried=calls <= capacity, room=(full_at or 10**6) / calls)
    return search.carried, tried


@pytest.mark.parametrize("capacity", [1, 7, 50, 77, 310, 800, 4999])
def test_it_finds_what_a_machine_carries(capacity: int) -> None:
    carried, tried = found(capacity)
    assert capacity - max(5, capacity * 0.05) <= carried <= capacity
    assert len(tried) < 15


def test_it_never_tries_what_the_processor_has_no_room_for() -> None:
    carried, tried = found(10_000, full_at=420)
    assert 400 <= carried == max(tried) <= 420


def test_it_never_tries_more_than_the_machine_can_try() -> None:
    assert found(10_000, most=150) == (150, [FIRST, 100, 150])


def test_a_machine_that_carries_nothing_is_known_as_such() -> None:
    carried, tried = found(0)
    assert carried == 0
    assert tried[0] == FIRST
