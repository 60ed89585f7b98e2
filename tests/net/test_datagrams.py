"""Datagrams through real loopback sockets, one at a time and many."""

import select
import socket
import time
from collections.abc import Callable

import pytest

from sipagent.net.datagrams import BATCH, BatchOutbox, Inbox, Outbox, Received
from sipagent.net.port_pair import PortPair
from sipagent.net.ports import PortPool

Read = Callable[[socket.socket], list[Received]]


@pytest.fixture
def read() -> Read:
    """Reads all that waits in a socket, batch by batch."""
    inbox = Inbox()
    return lambda bound: [one for batch in iter(lambda: inbox.receive(bound.fileno()), []) for one in batch]


def arrive(bound: socket.socket) -> None:
    """Wait until something can be read."""
    assert select.select([bound], [], [], 2)[0]


def test_an_empty_socket_has_nothing(read: Read, pair: PortPair) -> None:
    assert read(pair.rtp) == []


def test_datagrams_come_in_order_with_their_source_and_the_kernels_time(
    read: Read, pair: PortPair, far: socket.socket
) -> None:
    before = time.time_ns()
    for number in range(10):
        far.sendto(bytes([number]) * number, ("127.0.0.1", pair.port))
    after = time.time_ns()
    arrive(pair.rtp)
    received = read(pair.rtp)
    assert [data for _, data, _ in received] == [bytes([number]) * number for number in range(10)]
    assert {source for source, _, _ in received} == {far.getsockname()}
    times = [wall_ns for _, _, wall_ns in received]
    assert times == sorted(times)
    assert before - 1_000_000 <= times[0] <= times[-1] <= after + 1_000_000


def test_a_source_is_the_same_object_each_time(read: Read, pair: PortPair, far: socket.socket) -> None:
    far.sendto(b"1", ("127.0.0.1", pair.port))
    far.sendto(b"2", ("127.0.0.1", pair.port))
    arrive(pair.rtp)
    (first, _, _), (second, _, _) = read(pair.rtp)
    assert first is second


def test_a_socket_without_time_stamps_is_read_too(read: Read, pair: PortPair, far: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind(("127.0.0.1", 0))
        far.sendto(b"unknown time", plain.getsockname())
        arrive(plain)
        assert read(plain) == [(far.getsockname(), b"unknown time", 0)]
    far.sendto(b"known time", ("127.0.0.1", pair.port))
    arrive(pair.rtp)
    ((_, _, wall_ns),) = read(pair.rtp)
    assert wall_ns > 0, "the slot is as good as new"


def test_more_than_a_batch_is_read_and_slots_are_used_again(read: Read, pair: PortPair, far: socket.socket) -> None:
    for round_number in range(3):
        for number in range(BATCH + 5):
            far.sendto(b"%d %d" % (round_number, number), ("127.0.0.1", pair.port))
        arrive(pair.rtp)
        got = read(pair.rtp)
        assert [data for _, data, _ in got] == [b"%d %d" % (round_number, number) for number in range(BATCH + 5)]


def test_a_datagram_too_long_for_rtp_is_cut_off(read: Read, pair: PortPair, far: socket.socket) -> None:
    far.sendto(bytes(9000), ("127.0.0.1", pair.port))
    far.sendto(b"next", ("127.0.0.1", pair.port))
    arrive(pair.rtp)
    assert [len(data) for _, data, _ in read(pair.rtp)] == [2048, 4]


def test_what_is_sent_arrives(pair: PortPair, far: socket.socket) -> None:
    outbox = Outbox()
    outbox.send(pair.rtp.fileno(), b"RTP\0with zeros\0", far.getsockname())
    assert far.recvfrom(100) == (b"RTP\0with zeros\0", ("127.0.0.1", pair.port))
    assert outbox.failed == 0


def test_a_batch_arrives_in_order_and_each_datagram_where_it_should(pair: PortPair, far: socket.socket) -> None:
    outbox = BatchOutbox()
    sent = [b"%d" % number * (number % 7 + 1) for number in range(2 * BATCH + 3)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        ends = [far, other]
        outbox.send(pair.rtp.fileno(), [(data, ends[number % 2].getsockname()) for number, data in enumerate(sent)])
        assert [ends[number % 2].recv(100) for number in range(len(sent))] == sent
    assert outbox.failed == 0


NOWHERE = [
    ("pbx.example.com", 5004),
    ("", 5004),
    ("127.0.0.1", 0),
    ("127.0.0.1", 99999),
    ("::1", 5004),
    ("255.255.255.255", 9),
]


@pytest.mark.parametrize("destination", NOWHERE)
def test_what_cannot_be_sent_is_counted(pair: PortPair, destination: tuple[str, int]) -> None:
    outbox = Outbox()
    outbox.send(pair.rtp.fileno(), b"x", destination)
    assert outbox.failed == 1


def test_what_cannot_be_sent_keeps_nothing_else_of_its_batch_from_leaving(pair: PortPair, far: socket.socket) -> None:
    outbox = BatchOutbox()
    here = far.getsockname()
    batch = [(b"0", here), *((b"x", destination) for destination in NOWHERE), (b"1", here), (b"x", NOWHERE[2])]
    outbox.send(pair.rtp.fileno(), batch)
    assert [far.recv(100), far.recv(100)] == [b"0", b"1"]
    assert outbox.failed == len(NOWHERE) + 1


def test_what_is_too_long_is_not_sent(pair: PortPair, far: socket.socket) -> None:
    single, batches, here = Outbox(), BatchOutbox(), far.getsockname()
    single.send(pair.rtp.fileno(), bytes(2049), here)
    batches.send(pair.rtp.fileno(), [(b"0", here), (bytes(9000), here), (bytes(2048), here)])
    assert [far.recv(9000), far.recv(9000)] == [b"0", bytes(2048)]
    assert single.failed == batches.failed == 1


def test_ipv6_goes_both_ways(read: Read) -> None:
    try:
        pair = PortPool(27140, 27149, "::1").lease(0.0)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    Outbox().send(pair.rtp.fileno(), b"six", ("::1", pair.port + 1))
    BatchOutbox().send(pair.rtp.fileno(), [(b"seven", ("::1", pair.port + 1))])
    arrive(pair.rtcp)
    assert [(source, data) for source, data, _ in read(pair.rtcp)] == [
        (("::1", pair.port), b"six"),
        (("::1", pair.port), b"seven"),
    ]
    pair.rtp.close()
    pair.rtcp.close()
