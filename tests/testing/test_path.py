"""The path of the tests' networks: what it loses and how late the rest comes, the same for the same seed."""

from itertools import islice, pairwise

import pytest

from sipagent.testing.path import Path, at_random, by_pattern, in_bursts

SENT = [number * 0.02 for number in range(20_000)]


def bursts(losses: list[bool]) -> list[int]:
    """The lengths of all runs of losses."""
    return [len(run) for run in "".join("x" if lost else " " for lost in losses).split()]


def test_without_trouble_everything_comes_after_the_delay() -> None:
    path = Path(delay=0.03)
    assert [path.carry(sent) for sent in SENT[:5]] == pytest.approx([0.03, 0.05, 0.07, 0.09, 0.11])


def test_jitter_lets_neighbours_change_places_unless_one_holds_up_the_next() -> None:
    loose, strict = Path(jitter=0.04, seed=3), Path(jitter=0.04, overtakes=False, seed=3)
    came = [(loose.carry(sent) or 0.0, strict.carry(sent) or 0.0, sent) for sent in SENT]
    assert all(sent <= early <= sent + 0.04 and early <= late <= sent + 0.04 for early, late, sent in came)
    assert any(second < first for (first, _, _), (second, _, _) in pairwise(came))
    assert all(first <= second for (_, first, _), (_, second, _) in pairwise(came))


def test_random_losses_are_their_share_and_mostly_alone() -> None:
    losses = list(islice(at_random(0.03, seed=1), 20_000))
    assert sum(losses) / len(losses) == pytest.approx(0.03, abs=0.005)
    assert sum(bursts(losses)) / len(bursts(losses)) < 1.1


def test_bursts_have_their_share_and_their_length() -> None:
    losses = list(islice(in_bursts(0.05, 3, seed=1), 20_000))
    assert sum(losses) / len(losses) == pytest.approx(0.05, abs=0.01)
    assert sum(bursts(losses)) / len(bursts(losses)) == pytest.approx(3, abs=0.4)


def test_a_pattern_begins_again_at_its_end() -> None:
    path = Path(losses=by_pattern([False, True, False]))
    assert [path.carry(0.0) for _ in range(6)] == [0.0, None, 0.0, 0.0, None, 0.0]


def test_the_same_seed_is_the_same_path() -> None:
    first, second, other = (
        [path.carry(sent) for sent in SENT]
        for path in (Path(jitter=0.04, losses=at_random(0.1, seed), seed=seed) for seed in (5, 5, 6))
    )
    assert first == second != other
