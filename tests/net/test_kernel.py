"""The system calls of the media thread, on real loopback sockets."""

import select
import socket
import time
from collections.abc import Iterator

import pytest

from sipagent.net.kernel import BATCH, Grid, Inbox, Outbox, Readiness
from sipagent.net.ports import PortPair, PortPool


@pytest.fixture
def pair() -> Iterator[PortPair]:
    ports = PortPool(27100, 27139, "127.0.0.1")
    pair = ports.lease(0.0)
    yield pair
    ports.release(pair, 0.0)


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(2)
        yield bound


def arrive(pair: PortPair) -> None:
    """Wait until something can be read."""
    assert select.select([pair.rtp], [], [], 2)[0]


def test_an_empty_socket_has_nothing(pair: PortPair) -> None:
    assert Inbox().receive(pair.rtp.fileno()) == []


def test_datagrams_come_in_order_with_their_source_and_the_kernels_time(pair: PortPair, far: socket.socket) -> None:
    inbox = Inbox()
    before = time.time_ns()
    for number in range(10):
        far.sendto(bytes([number]) * number, ("127.0.0.1", pair.port))
    after = time.time_ns()
    arrive(pair)
    received = inbox.receive(pair.rtp.fileno())
    assert [one.data for one in received] == [bytes([number]) * number for number in range(10)]
    assert {one.source for one in received} == {far.getsockname()}
    times = [one.wall_ns for one in received]
    assert times == sorted(times)
    assert before - 1_000_000 <= times[0] <= times[-1] <= after + 1_000_000


def test_one_batch_at_a_time_and_the_slots_can_be_used_again(pair: PortPair, far: socket.socket) -> None:
    inbox = Inbox()
    for round_number in range(3):
        for number in range(BATCH + 5):
            far.sendto(b"%d %d" % (round_number, number), ("127.0.0.1", pair.port))
        arrive(pair)
        got = inbox.receive(pair.rtp.fileno()) + inbox.receive(pair.rtp.fileno())
        assert [one.data for one in got] == [b"%d %d" % (round_number, number) for number in range(BATCH + 5)]


def test_a_datagram_too_long_for_rtp_is_cut_off(pair: PortPair, far: socket.socket) -> None:
    far.sendto(bytes(9000), ("127.0.0.1", pair.port))
    far.sendto(b"next", ("127.0.0.1", pair.port))
    arrive(pair)
    assert [len(one.data) for one in Inbox().receive(pair.rtp.fileno())] == [2048, 4]


def test_what_is_sent_arrives(pair: PortPair, far: socket.socket) -> None:
    outbox = Outbox()
    outbox.send(pair.rtp.fileno(), b"RTP\0with zeros\0", far.getsockname())
    assert far.recvfrom(100) == (b"RTP\0with zeros\0", ("127.0.0.1", pair.port))
    assert outbox.failed == 0


@pytest.mark.parametrize(
    "destination",
    [
        ("pbx.example.com", 5004),
        ("", 5004),
        ("127.0.0.1", 0),
        ("127.0.0.1", 99999),
        ("::1", 5004),
        ("255.255.255.255", 9),
    ],
)
def test_what_cannot_be_sent_is_counted(pair: PortPair, destination: tuple[str, int]) -> None:
    outbox = Outbox()
    outbox.send(pair.rtp.fileno(), b"x", destination)
    assert outbox.failed == 1


def test_ipv6_goes_both_ways() -> None:
    try:
        pair = PortPool(27140, 27149, "::1").lease(0.0)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    Outbox().send(pair.rtp.fileno(), b"six", ("::1", pair.port + 1))
    assert select.select([pair.rtcp], [], [], 2)[0]
    (received,) = Inbox().receive(pair.rtcp.fileno())
    assert (received.source, received.data) == (("::1", pair.port), b"six")
    pair.rtp.close()
    pair.rtcp.close()


def test_only_sockets_with_something_to_read_are_ready(pair: PortPair, far: socket.socket) -> None:
    readiness = Readiness()
    readiness.add(pair.rtp.fileno())
    readiness.add(pair.rtcp.fileno())
    assert readiness.ready() == []
    far.sendto(b"x", ("127.0.0.1", pair.port + 1))
    assert select.select([pair.rtcp], [], [], 2)[0]
    assert readiness.ready() == [pair.rtcp.fileno()]
    readiness.remove(pair.rtcp.fileno())
    assert readiness.ready() == []
    readiness.close()


def test_the_grid_is_absolute() -> None:
    grid = Grid(0.005)
    begin = time.monotonic()
    passed = sum(grid.wait() for _ in range(3))
    time.sleep(0.022)  # a real clock is what is tested: the grid must not move by it
    late = grid.wait()
    assert late >= 4
    passed += late
    passed += grid.wait()
    elapsed = time.monotonic() - begin
    assert passed * 0.005 <= elapsed < passed * 0.005 + 0.05
    grid.close()
