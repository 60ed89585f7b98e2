"""Many legs' datagrams at a time, through real loopback sockets."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from numpy.typing import NDArray

from sipagent.media import RTP, Arrival, OpenLeg
from sipagent.media.convoy import DEPTH, PACKET
from sipagent.net.convoy_sockets import ConvoySockets, FetchedSlots
from sipagent.net.datagrams import HostPort
from sipagent.net.leg_sockets import OwnSockets
from sipagent.net.port_pair import SO_TIMESTAMPNS, PortPair

CAPACITY = 5
LEG = 70
"""The leg in row 0; row 1 has leg 71, and so on."""
Bind = Callable[..., socket.socket]


@pytest.fixture
def bind() -> Iterator[Bind]:
    """Binds sockets; what comes to them is stamped."""
    with ExitStack() as stack:

        def bind(host: str = "127.0.0.1", port: int = 0, *, stamped: bool = True) -> socket.socket:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            bound = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, int(stamped))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.settimeout(2)
            bound.bind((host, port))
            return bound

        yield bind


@pytest.fixture
def outgoing() -> NDArray[np.uint8]:
    """What the rows send: row 2 sends nothing but twos."""
    return np.repeat(np.arange(CAPACITY, dtype=np.uint8), PACKET).reshape(CAPACITY, PACKET)


@pytest.fixture
def convoy(outgoing: NDArray[np.uint8]) -> ConvoySockets:
    return ConvoySockets(outgoing)


class Seats:
    """The first rows of a convoy, each with a leg and a peer, who have nothing to say yet."""

    def __init__(self, convoy: ConvoySockets, bind: Bind, rows: int, host: str = "127.0.0.1") -> None:
        self.convoy = convoy
        self.ours = [bind(host) for _ in range(rows)]
        self.peers = [bind(host) for _ in range(rows)]
        for row, (our, peer) in enumerate(zip(self.ours, self.peers, strict=True)):
            convoy.seat(row, LEG + row, our.fileno(), address(peer))

    def say(self, row: int, *datagrams: bytes) -> None:
        """Send from a row's peer to the row, and see it arrive."""
        say(self.peers[row], self.ours[row], *datagrams)

    def fetch(self, aboard: bytes | None = None) -> FetchedSlots:
        return self.convoy.fetch(bytes([1] * len(self.ours)) if aboard is None else aboard, time.monotonic())


def say(speaker: socket.socket, listener: socket.socket, *datagrams: bytes) -> None:
    """Send, and see it arrive."""
    for data in datagrams:
        speaker.sendto(data, listener.getsockname())
    assert select.select([listener], [], [], 2)[0]


def address(bound: socket.socket) -> HostPort:
    host, port = bound.getsockname()[:2]
    return host, port


def octets(fetched: FetchedSlots, row: int, number: int) -> bytes:
    """What the arrays have of a datagram."""
    return fetched.packets[number, row, : fetched.lengths[number, row]].tobytes()


def waits(bound: socket.socket) -> bool:
    return bool(select.select([bound], [], [], 0)[0])


def test_each_row_sends_its_packet_from_its_socket_to_its_peer(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 3)
    convoy.send(b"\1\1\1")
    for row, (our, peer) in enumerate(zip(seats.ours, seats.peers, strict=True)):
        assert peer.recvfrom(2048) == (bytes([row]) * PACKET, address(our))
        assert not waits(peer), "once is enough"
    assert convoy.failed == 0


def test_rows_that_are_not_aboard_send_nothing(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 4)
    convoy.send(b"\0\1")
    assert seats.peers[1].recv(2048) == bytes([1]) * PACKET
    assert [waits(peer) for peer in seats.peers] == [False] * 4, "rows 2 and 3 were not spoken of at all"


def test_a_row_sends_what_is_in_it_now(convoy: ConvoySockets, outgoing: NDArray[np.uint8], bind: Bind) -> None:
    seats = Seats(convoy, bind, 2)
    for value in (7, 8):
        outgoing[1] = value
        convoy.send(b"\0\1")
        assert seats.peers[1].recv(2048) == bytes([value]) * PACKET


@pytest.mark.parametrize("peer", [("pbx.example.com", 5004), ("127.0.0.1", 0), ("::1", 5004), ("255.255.255.255", 9)])
def test_what_cannot_be_sent_is_counted_and_keeps_nobody_else_from_sending(
    convoy: ConvoySockets, bind: Bind, peer: HostPort
) -> None:
    seats = Seats(convoy, bind, 3)
    convoy.seat(1, LEG, seats.ours[1].fileno(), peer)
    convoy.send(b"\1\1\1")
    assert [seats.peers[row].recv(2048)[0] for row in (0, 2)] == [0, 2]
    assert convoy.failed == 1
    assert seats.fetch().counts.tolist() == [0, 0, 0]


def test_a_row_that_nobody_took_sends_and_fetches_nothing(convoy: ConvoySockets) -> None:
    convoy.send(b"\1")
    assert convoy.failed == 1
    assert convoy.fetch(b"\1", 0.0).counts.tolist() == [0]


def test_a_convoy_without_anybody_aboard(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 1)
    seats.say(0, b"later")
    for aboard in (b"", b"\0"):
        convoy.send(aboard)
        fetched = seats.fetch(aboard)
        assert fetched.counts.tolist() == [0] * len(aboard)
        assert fetched.times.shape == fetched.familiar.shape == (0, len(aboard))
    assert waits(seats.ours[0])


def test_what_waits_is_fetched_in_order_of_those_aboard_only(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 4)
    seats.say(0, b"a" * PACKET, b"b" * PACKET)
    seats.say(1, b"not aboard")
    seats.say(3, b"c" * PACKET)
    fetched = seats.fetch(b"\1\0\1\1")
    assert fetched.counts.tolist() == [2, 0, 0, 1]
    assert [octets(fetched, *place) for place in ((0, 0), (0, 1), (3, 0))] == [
        b"a" * PACKET,
        b"b" * PACKET,
        b"c" * PACKET,
    ]
    assert fetched.packets.shape == (DEPTH, 4, PACKET)
    assert [[arrival.data[:1] for arrival in fetched.arrivals(row)] for row in range(4)] == [
        [b"a", b"b"],
        [],
        [],
        [b"c"],
    ]
    fetched = seats.fetch()
    assert fetched.counts.tolist() == [0, 1, 0, 0]
    assert octets(fetched, 1, 0) == b"not aboard"


def test_a_socket_that_would_wait_is_not_waited_for(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 1)
    seats.ours[0].setblocking(True)
    seats.ours[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@qq", 2, 0))
    before = time.monotonic()
    assert seats.fetch().counts.tolist() == [0]
    assert time.monotonic() - before < 1


def test_the_kernel_says_when_each_came_and_slots_are_used_again(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 2)
    for _ in range(3):
        before = time.monotonic()
        seats.say(0, b"1", b"2")
        seats.say(1, b"3")
        after = time.monotonic()
        fetched = convoy.fetch(b"\1\1", after + 1)
        times = [*fetched.times[:2, 0], fetched.times[0, 1]]
        assert times == sorted(times)
        assert before - 0.001 <= times[0] < times[-1] <= after + 0.001


@pytest.mark.parametrize("away", [100.0, -100.0])
def test_a_time_that_cannot_be_is_now(convoy: ConvoySockets, bind: Bind, away: float) -> None:
    seats = Seats(convoy, bind, 1)
    seats.say(0, b"1", b"2")
    now = time.monotonic() + away
    fetched = convoy.fetch(b"\1", now)
    assert fetched.times[:2, 0].tolist() == [now, now]
    assert [arrival.time for arrival in fetched.arrivals(0)] == [now, now]


def test_what_has_no_stamp_came_now_and_what_comes_after_it_has_its_own(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 2)
    for stamped in (True, False, True):
        seats.ours[0].setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, int(stamped))
        for row in (0, 1):
            seats.say(row, b"1", b"2")
        now = time.monotonic()
        fetched = convoy.fetch(b"\1\1", now)
        assert (fetched.times[:2] < now).tolist() == [[stamped, True]] * 2
        assert {arrival.time < now for arrival in fetched.arrivals(0)} == {stamped}


def test_a_stranger_is_told_from_the_peer(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 2)
    stranger, elsewhere = bind(), bind("127.0.0.2", address(seats.peers[0])[1])
    say(stranger, seats.ours[0], b"another port")
    seats.say(0, b"peer")
    say(elsewhere, seats.ours[0], b"another host")
    say(seats.peers[0], seats.ours[1], b"the peer of another row")
    fetched = seats.fetch()
    assert fetched.familiar[:3, 0].tolist() == [False, True, False]
    assert fetched.familiar[0, 1].tolist() is False
    assert [arrival.source for arrival in fetched.arrivals(0)] == [
        address(stranger),
        address(seats.peers[0]),
        address(elsewhere),
    ]


def test_a_row_that_another_leg_has_taken_is_that_legs(convoy: ConvoySockets, bind: Bind) -> None:
    seats = Seats(convoy, bind, 1)
    seats.say(0, b"first")
    seats.fetch()
    ours, peer = bind(), bind()
    convoy.seat(0, 99, ours.fileno(), address(peer))
    seats.say(0, b"to the leg that went ashore")
    say(peer, ours, b"second")
    fetched = seats.fetch()
    ((leg, kind, source, data, _),) = fetched.arrivals(0)
    assert (leg, kind, source, data) == (99, RTP, address(peer), b"second")
    assert fetched.familiar[0, 0]
    convoy.send(b"\1")
    assert peer.recvfrom(2048) == (bytes(PACKET), address(ours))


@pytest.fixture
def six(convoy: ConvoySockets, bind: Bind) -> Seats:
    try:
        return Seats(convoy, bind, 2, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


def test_ipv6_goes_both_ways(convoy: ConvoySockets, six: Seats) -> None:
    convoy.send(b"\1\1")
    assert six.peers[1].recv(2048) == bytes([1]) * PACKET
    for _ in range(2):
        six.say(0, b"six")
        say(six.peers[0], six.ours[1], b"stranger")
        fetched = six.fetch()
        assert fetched.familiar[0, :].tolist() == [True, False]
        assert [arrival.source for row in (0, 1) for arrival in fetched.arrivals(row)] == [address(six.peers[0])] * 2


@pytest.mark.parametrize("host", ["::2", "1::1", "127.0.0.1"])
def test_a_stranger_is_told_by_all_of_an_ipv6_address(convoy: ConvoySockets, six: Seats, host: str) -> None:
    convoy.seat(0, LEG, six.ours[0].fileno(), (host, address(six.peers[0])[1]))
    six.say(0, b"from ::1")
    assert not six.fetch().familiar[0, 0]


def test_a_row_is_of_one_family_after_the_other(convoy: ConvoySockets, bind: Bind, six: Seats) -> None:
    for host in ("::1", "127.0.0.1", "::1"):
        seats = Seats(convoy, bind, 1, host)
        seats.say(0, b"whoever I am")
        fetched = seats.fetch()
        assert fetched.familiar[0, 0]
        assert fetched.arrivals(0)[0].source == address(seats.peers[0])


class Twins:
    """Two sockets that everything comes to at the same nanosecond: a leg with a port of its own, and a row."""

    HOST = "127.255.255.255"
    """The loopback's broadcast address: whoever is bound to it gets a copy, with one stamp."""

    def __init__(self, convoy: ConvoySockets, bind: Bind, reports: socket.socket) -> None:
        self.row = bind(self.HOST)
        self.alone = bind(self.HOST, address(self.row)[1])
        self.peer, self.stranger = bind(), bind()
        for speaker in (self.peer, self.stranger):
            speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.convoy = convoy
        self.convoy.seat(1, LEG, self.row.fileno(), address(self.peer))
        self.own = OwnSockets()
        opened = OpenLeg(leg=LEG, ssrc=1, sequence=1, timestamp=1, cname="twin")
        self.own.open(opened, PortPair(port=address(self.alone)[1], rtp=self.alone, rtcp=reports))

    def say(self, speaker: socket.socket, data: bytes) -> None:
        say(speaker, self.row, data)
        say(speaker, self.alone)

    def both(self) -> tuple[list[Arrival], list[Arrival], FetchedSlots]:
        """What came to the row, what came to the one alone, and what the arrays say of the row."""
        now = time.monotonic()
        fetched = self.convoy.fetch(b"\0\1", now)
        return fetched.arrivals(1), self.own.receive(now, [LEG]), fetched


@pytest.fixture
def twins(convoy: ConvoySockets, bind: Bind, monkeypatch: pytest.MonkeyPatch) -> Twins:
    """Twins who compare the wall clock with the monotonic one at the same moment: for their times to be the same."""
    wall, monotonic = time.time_ns(), time.monotonic_ns()
    monkeypatch.setattr(time, "time_ns", lambda: wall)
    monkeypatch.setattr(time, "monotonic_ns", lambda: monotonic)
    return Twins(convoy, bind, bind())


def test_arrivals_are_those_of_a_leg_that_is_moved_alone(twins: Twins) -> None:
    twins.say(twins.peer, bytes(range(PACKET)))
    assert (both := twins.both())[0] == both[1] != []
    twins.say(twins.stranger, b"a stranger")
    twins.say(twins.peer, b"")
    twins.say(twins.peer, bytes(range(256)) * 30)
    in_the_row, alone, fetched = twins.both()
    assert in_the_row == alone
    assert [len(arrival.data) for arrival in alone] == [10, 0, 2048]
    assert fetched.lengths[:3, 1].tolist() == [10, 0, 2048]
    assert fetched.times[:3, 1].tolist() == [arrival.time for arrival in alone]
    assert fetched.familiar[:3, 1].tolist() == [False, True, True]
    assert twins.both()[:2] == ([], [])


@pytest.mark.parametrize("count", [DEPTH - 1, DEPTH, DEPTH + 1, 3 * DEPTH])
def test_arrivals_are_all_that_waits_however_many_they_are(twins: Twins, count: int) -> None:
    for number in range(count):
        twins.say(twins.stranger if number % 3 == 2 else twins.peer, b"%d" % number)
    in_the_row, alone, fetched = twins.both()
    assert fetched.counts.tolist() == [0, min(count, DEPTH)]
    assert [arrival.data for arrival in alone] == [b"%d" % number for number in range(count)]
    assert in_the_row == alone
    assert twins.both()[:2] == ([], [])
