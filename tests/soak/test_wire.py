"""The wire of the soak: late, out of order, lost, as its path says, and never before its time."""

from sipagent.testing.path import Path, by_pattern
from tests.soak.wire import LOSS, Wire, bad_path


def test_what_arrives_does_so_when_its_path_says() -> None:
    wire, arrived = Wire(), list[str]()
    slow, dead = Path(delay=0.03), Path(losses=by_pattern([True]))
    wire.carry(slow, 0.0, lambda: arrived.append("slow"))
    wire.carry(dead, 0.0, lambda: arrived.append("lost"))
    wire.carry(None, 0.01, lambda: arrived.append("at once"))

    wire.deliver(0.0)
    assert arrived == []
    wire.deliver(0.01)
    assert arrived == ["at once"]
    wire.deliver(0.03)
    assert arrived == ["at once", "slow"]
    assert (wire.carried, wire.lost) == (3, 1)


def test_the_network_of_the_soak_loses_and_delays() -> None:
    path = bad_path(seed=3)
    arrivals = [path.carry(number * 0.02) for number in range(20_000)]
    lost = sum(arrival is None for arrival in arrivals)
    assert 0.7 * LOSS < lost / len(arrivals) < 1.3 * LOSS
    late = [arrival - number * 0.02 for number, arrival in enumerate(arrivals) if arrival is not None]
    assert 0.01 <= min(late) < max(late) <= 0.04
