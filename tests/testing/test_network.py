"""The network in memory: who gets what, when, and the same every time."""

import asyncio

import pytest

from sipagent.testing.clock import run
from sipagent.testing.network import HostPort, Network

ALICE, BOB = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


class Mailbox:
    """Remembers what arrived and when."""

    def __init__(self) -> None:
        self.arrived: list[tuple[float, bytes, HostPort]] = []

    def __call__(self, data: bytes, source: HostPort) -> None:
        self.arrived.append((asyncio.get_running_loop().time(), data, source))

    @property
    def data(self) -> list[bytes]:
        return [data for _, data, _ in self.arrived]


def exchange(network: Network, count: int) -> list[tuple[float, bytes, HostPort]]:
    """Send `count` numbered datagrams from Alice to Bob, one every 20 ms; return what Bob got."""

    async def main() -> list[tuple[float, bytes, HostPort]]:
        bob = Mailbox()
        alice = network.bind(*ALICE, Mailbox())
        network.bind(*BOB, bob)
        for number in range(count):
            alice.send(b"%d" % number, BOB)
            await asyncio.sleep(0.02)
        await asyncio.sleep(5)
        return bob.arrived

    return run(main())


def test_a_datagram_takes_the_delay() -> None:
    assert exchange(Network(delay=0.25), 1) == [(0.25, b"0", ALICE)]


def test_datagrams_of_one_moment_keep_their_order() -> None:
    async def main() -> list[bytes]:
        network, bob = Network(delay=0.01), Mailbox()
        network.bind(*BOB, bob)
        for number in range(50):
            network.send(ALICE, BOB, b"%d" % number)
        await asyncio.sleep(1)
        return bob.data

    assert run(main()) == [b"%d" % number for number in range(50)]


def test_loss_duplicates_and_reordering_come_from_the_seed() -> None:
    def arrivals(seed: int) -> list[tuple[float, bytes, HostPort]]:
        return exchange(Network(delay=0.01, jitter=0.1, loss=0.2, duplicate=0.2, seed=seed), 200)

    first = arrivals(1)
    assert first == arrivals(1)
    assert first != arrivals(2)
    numbers = [int(data) for _, data, _ in first]
    assert len(set(numbers)) < 200
    assert len(numbers) > len(set(numbers))
    assert numbers != sorted(numbers)


def test_the_trace_tells_what_was_sent_and_how_often_it_was_carried() -> None:
    network = Network(drops=lambda datagram: datagram.data == b"1")
    assert [data for _, data, _ in exchange(network, 3)] == [b"0", b"2"]
    assert [(sent.data, sent.copies) for sent in network.sent] == [(b"0", 1), (b"1", 0), (b"2", 1)]


def test_no_listener_is_reported_to_the_sender_a_delay_later() -> None:
    async def main() -> list[tuple[float, HostPort]]:
        network, refusals = Network(delay=0.5), []
        loop = asyncio.get_running_loop()
        alice = network.bind(*ALICE, Mailbox(), refused=lambda where: refusals.append((loop.time(), where)))
        alice.send(b"anyone?", BOB)
        await asyncio.sleep(1)
        return refusals

    assert run(main()) == [(0.5, BOB)]


def test_a_closed_address_receives_nothing_and_can_be_bound_again() -> None:
    async def main() -> tuple[list[bytes], list[bytes]]:
        network, first, second = Network(delay=0.1), Mailbox(), Mailbox()
        endpoint = network.bind(*BOB, first)
        network.send(ALICE, BOB, b"too late")
        endpoint.close()
        await asyncio.sleep(1)
        network.bind(*BOB, second)
        network.send(ALICE, BOB, b"in time")
        await asyncio.sleep(1)
        return first.data, second.data

    assert run(main()) == ([], [b"in time"])


def test_port_0_takes_a_free_port_and_a_taken_one_is_an_error() -> None:
    network = Network()
    first, second = network.bind("10.0.0.1", 0, Mailbox()), network.bind("10.0.0.1", 0, Mailbox())
    assert first.address != second.address
    with pytest.raises(OSError, match="in use"):
        network.bind(*first.address, Mailbox())
