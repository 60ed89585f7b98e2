"""What a datagram costs, and how late it leaves: a port for each call or one for all, by ctypes or Python's sockets.

    python -m tests.benchmarks.sockets [--seconds 5] [--streams 300] [--claim] [--json]

A thread sends and reads one RTP packet of each stream every 20 ms, scheduled as the media thread is, beside an event
loop that is idle or 60 % busy in pure Python. Microseconds are its processor time; on loopback the sender pays for
most of what the receiver's kernel does. The far end is a process of its own, and judges by the kernel's time stamps.
"""

import argparse
import asyncio
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Protocol

from sipagent.net.datagrams import BATCH, BatchOutbox, Inbox, Outbox
from sipagent.net.kernel import Grid, Readiness
from sipagent.net.port_pair import SO_TIMESTAMPNS
from sipagent.net.priority import make_urgent
from sipagent.rtp import packet
from tests.benchmarks.pacing import claim_processor, keep_busy, run_queue_wait

TICK = 0.02
TICK_NS = 20_000_000
ROOM = 4 << 20
"""Octets of buffer asked for where one socket takes the packets of all."""
WARM_UP = 10
"""Ticks that are not judged."""
PAYLOAD = bytes(160)
HostPort = tuple[str, int]


class Way(Protocol):
    """One way to move the packets of a tick."""

    sockets: list[socket.socket]

    def send(self, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        """Send one datagram for each stream."""

    def receive(self) -> int:
        """Read all that waits; returns how many."""


class OwnPorts:
    """A port for each call; sendto, and recvmmsg of each in every second tick, that keep the interpreter."""

    def __init__(self, streams: int) -> None:
        self.sockets = [bound() for _ in range(streams)]
        self._numbers = [one.fileno() for one in self.sockets]
        self._inbox, self._outbox = Inbox(), Outbox()
        self._ticks = 0

    def send(self, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        send = self._outbox.send
        for number, (data, destination) in zip(self._numbers, datagrams, strict=True):
            send(number, data, destination)

    def receive(self) -> int:
        receive = self._inbox.receive
        self._ticks += 1
        return sum(len(receive(number)) for number in self._numbers[self._ticks % 2 :: 2])


class SharedPort:
    """One port for all calls; recvmmsg and sendmmsg that keep the interpreter."""

    def __init__(self, streams: int) -> None:
        self.sockets = [bound(room=ROOM)]
        self._number = self.sockets[0].fileno()
        self._inbox, self._outbox = Inbox(), BatchOutbox()

    def send(self, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        self._outbox.send(self._number, datagrams)

    def receive(self) -> int:
        count = got = BATCH
        while got == BATCH:
            got = len(self._inbox.receive(self._number))
            count += got
        return count - BATCH


class OwnPlainPorts:
    """A port for each call, with Python's epoll and sockets."""

    def __init__(self, streams: int) -> None:
        self.sockets = [bound() for _ in range(streams)]
        self._by_number = {one.fileno(): one for one in self.sockets}
        self._epoll = select.epoll()
        for number in self._by_number:
            self._epoll.register(number, select.EPOLLIN)

    def send(self, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        for one, (data, destination) in zip(self.sockets, datagrams, strict=True):
            one.sendto(data, destination)

    def receive(self) -> int:
        count = 0
        while ready := self._epoll.poll(0):
            for number, _ in ready:
                self._by_number[number].recvmsg(2048, 64)
                count += 1
        return count


class SharedPlainPort:
    """One port for all calls, with Python's sockets."""

    def __init__(self, streams: int) -> None:
        self.sockets = [bound(room=ROOM)]

    def send(self, datagrams: Sequence[tuple[bytes, HostPort]]) -> None:
        send = self.sockets[0].sendto
        for data, destination in datagrams:
            send(data, destination)

    def receive(self) -> int:
        receive, count = self.sockets[0].recvmsg, 0
        with contextlib.suppress(BlockingIOError):
            while True:
                receive(2048, 64)
                count += 1
        return count


WAYS: dict[str, Callable[[int], Way]] = {
    "port per call, ctypes": OwnPorts,
    "port per call, Python": OwnPlainPorts,
    "shared port, ctypes": SharedPort,
    "shared port, Python": SharedPlainPort,
}


def bound(*, room: int = 0) -> socket.socket:
    """A loopback socket whose datagrams come with their time, and with room for so many octets if the kernel grants."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    if room:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    one.bind(("127.0.0.1", 0))
    return one


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One measured case: µs of processor time a datagram, and ms off each stream's own grid at the far end."""

    way: str
    busy: bool
    send_us: float
    receive_us: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    lost: int
    """Packets that left and did not arrive."""
    run_queue_percent: float
    """Share of the time in which the loop wanted a processor and did not get one: over 1, the host was too busy."""

    @property
    def name(self) -> str:
        return f"{self.way}, loop {'60 % busy' if self.busy else 'idle'}"

    @property
    def summary(self) -> str:
        return (
            f"{self.send_us} µs to send, {self.receive_us} µs to receive; off the grid p50 {self.p50_ms} ms, "
            f"p99 {self.p99_ms} ms, max {self.max_ms} ms; {self.lost} lost; "
            f"waiting for a processor {self.run_queue_percent} %"
        )


# ---- the far end, in its own process


def be_far_end(streams: int, ticks: int) -> None:
    """Exchange packets with the ports that the standard input names; then print when each stream's packets came."""
    sockets = [bound() for _ in range(streams)]
    numbers = [one.fileno() for one in sockets]
    print(json.dumps([one.getsockname()[1] for one in sockets]), flush=True)
    ports = json.loads(sys.stdin.readline())
    destinations = [("127.0.0.1", port) for port in ports]
    inbox, outbox, readiness, grid = Inbox(), Outbox(), Readiness(), Grid(TICK)
    came: dict[int, list[tuple[int, int]]] = {number: [] for number in numbers}
    for number in numbers:
        readiness.add(number)
    for tick in range(ticks + 3 * WARM_UP):
        grid.wait(tick + 1)
        if tick < ticks:
            for number, destination in zip(numbers, destinations, strict=True):
                outbox.send(number, rtp(tick), destination)
        for number in readiness.ready():
            came[number] += [(wall_ns, int.from_bytes(data[2:4])) for _, data, wall_ns in inbox.receive(number)]
    print(json.dumps(list(came.values())), flush=True)


def rtp(sequence: int) -> bytes:
    return packet.build(0, sequence, sequence * 160, 7, PAYLOAD)


# ---- the phone's thread


@dataclass(slots=True)
class Account:
    """What the thread has done, in datagrams and seconds of processor time."""

    sent: int = 0
    received: int = 0
    sending: float = 0.0
    receiving: float = 0.0


def exchange(way: Way, far: Sequence[HostPort], ticks: int, account: Account) -> None:
    """Send and read the packets of so many ticks, and keep the account."""
    make_urgent()
    grid, tick = Grid(TICK), 0
    while tick < ticks:
        tick = grid.wait(tick + 1)
        data = rtp(tick)
        datagrams = [(data, one) for one in far]
        begun = time.thread_time()
        way.send(datagrams)
        sent = time.thread_time()
        account.received += way.receive()
        account.receiving += time.thread_time() - sent
        account.sending += sent - begun
        account.sent += len(datagrams)
    grid.close()


def measure(name: str, *, busy: bool, streams: int, seconds: float, attempts: int = 6) -> Figures:
    """Run one case, again while the host has no processor for it; returns the attempt that waited least."""
    results: list[Figures] = []
    while len(results) < attempts and not any(result.run_queue_percent <= 1.0 for result in results):
        results.append(_measure_once(name, busy=busy, streams=streams, seconds=seconds))
    return min(results, key=lambda result: result.run_queue_percent)


def _measure_once(name: str, *, busy: bool, streams: int, seconds: float) -> Figures:
    ticks = round(seconds / TICK)
    argv = [sys.executable, "-m", __spec__.name, "--far-end", str(streams), "--ticks", str(ticks)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as far:
        assert far.stdin is not None
        assert far.stdout is not None
        ends = [("127.0.0.1", port) for port in json.loads(far.stdout.readline())]
        way = WAYS[name](streams)
        ports = [one.getsockname()[1] for one in way.sockets]
        far.stdin.write(json.dumps(ports * (streams // len(ports))) + "\n")
        far.stdin.flush()
        account = Account()
        waited = asyncio.run(beside_a_loop(way, ends, ticks, account, busy=busy))
        came = json.loads(far.stdout.read())
    for one in way.sockets:
        one.close()
    return judge(name, came, account, busy=busy, waited=waited)


async def beside_a_loop(way: Way, far: Sequence[HostPort], ticks: int, account: Account, *, busy: bool) -> float:
    """Returns the percentage of the time that the loop spent in run queues."""
    waited = run_queue_wait()
    work = asyncio.get_running_loop().create_task(keep_busy()) if busy else None
    await asyncio.to_thread(exchange, way, far, ticks, account)
    if work is not None:
        work.cancel()
    return (run_queue_wait() - waited) / (ticks * TICK) * 100


def judge(name: str, came: list[list[tuple[int, int]]], account: Account, *, busy: bool, waited: float) -> Figures:
    """Sum up what both ends have seen."""
    off = sorted(distance for stream in came for distance in distances(stream))
    return Figures(
        way=name,
        busy=busy,
        send_us=round(account.sending / account.sent * 1e6, 2),
        receive_us=round(account.receiving / max(1, account.received) * 1e6, 2),
        p50_ms=round(median(off), 3),
        p99_ms=round(quantiles(off, n=100)[98], 3),
        max_ms=round(off[-1], 3),
        lost=account.sent - sum(map(len, came)),
        run_queue_percent=round(waited, 2),
    )


def distances(stream: list[tuple[int, int]]) -> Iterator[float]:
    """How far each packet was from the stream's own 20 ms grid, in milliseconds."""
    lags = [time_ns - sequence * TICK_NS for time_ns, sequence in stream[WARM_UP:]]
    usual = median(lags)
    return (abs(lag - usual) / 1e6 for lag in lags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--claim", action="store_true", help="schedule the loop in real time: for a host in use")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--far-end", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ticks", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.far_end:
        be_far_end(options.far_end, options.ticks)
        return
    if options.claim:
        claim_processor()
    sys.setswitchinterval(0.0002)
    cases = [(way, busy) for way in WAYS for busy in (False, True)]
    results = [measure(way, busy=busy, streams=options.streams, seconds=options.seconds) for way, busy in cases]
    if options.json:
        sys.stdout.write(json.dumps({result.name: result.summary for result in results}, indent=1) + "\n")
        return
    sys.stdout.write(table(results))


def table(results: list[Figures]) -> str:
    """Lay the results out for people."""
    heads = ["                                     ", "send µs", "receive µs", "p50 ms", "p99 ms", "max ms"]
    lines = ["  ".join([*heads, "lost", "run queue %"])]
    lines += [
        f"{r.name:37}  {r.send_us:7.2f}  {r.receive_us:10.2f}  {r.p50_ms:7.3f}  {r.p99_ms:7.3f}  {r.max_ms:7.3f}"
        f"  {r.lost:4}  {r.run_queue_percent:11}"
        for r in results
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
