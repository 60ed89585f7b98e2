"""How evenly RTP leaves: a spoken answer on one and on twenty calls, judged by kernel time stamps at the receiver.

    python -m tests.benchmarks.pacing [--seconds 60] [--calls 1,20] [--claim] [--json]

The phone's side is the real media thread on loopback sockets, once with an idle event loop and once with a loop that
is 60 % busy in pure Python. The receiver is a process of its own. Exit code 4 when a bar is missed; with --json, which
is for `make bench`, the figures are one JSON object and the code is 0.
"""

import argparse
import asyncio
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from sipagent.media import Leg, StreamSettings
from sipagent.net.media_thread import MediaStatistics, MediaThread
from sipagent.net.ports import PortPool

SO_TIMESTAMPNS = 35
TICK_NS = 20_000_000
TOGETHER_NS = 1_000_000
BAR_MS = 2.0
"""What 99 packets of a hundred may be off the grid."""
BUSY, PERIOD = 0.006, 0.010
"""The busy loop computes for 6 ms, and is idle for 4."""
RTP = struct.Struct("!BBHII")
TIMESPEC = struct.Struct("@qq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet at the receiver: kernel time, RTP header, and the number of its speech frame."""

    time_ns: int
    sequence: int
    timestamp: int
    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """One measured case. Milliseconds are distances from each call's own 20 ms grid."""

    calls: int
    loop: str
    """What the event loop does meanwhile."""
    seconds: float
    packets: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    gaps: int
    repeats: int
    discontinuities: int
    bunch: int
    """The most packets of one call that came together."""
    run_queue_percent: float
    """Share of the time in which the loop wanted a processor and did not get one: over 1, the host was too busy."""

    @property
    def name(self) -> str:
        return f"{self.calls} call{'s' * (self.calls > 1)}, loop {self.loop}"

    @property
    def summary(self) -> str:
        return (
            f"off the grid p50 {self.p50_ms} ms, p99 {self.p99_ms} ms, max {self.max_ms} ms; {self.packets} packets, "
            f"{self.gaps} gaps, {self.repeats} repeats, {self.discontinuities} discontinuities; "
            f"waiting for a processor {self.run_queue_percent} %"
        )

    @property
    def passed(self) -> bool:
        return self.p99_ms < BAR_MS and not (self.gaps or self.repeats or self.discontinuities)


# ---- the receiver, in its own process


def receive(calls: int) -> None:
    """Bind so many sockets, say where, take packets until the standard input ends, and print them all as JSON."""
    sockets = [_receiving_socket() for _ in range(calls)]
    print(json.dumps([bound.getsockname()[1] for bound in sockets]), flush=True)
    packets: dict[int, list[tuple[int, int, int, int]]] = {bound.fileno(): [] for bound in sockets}
    poller = select.poll()
    by_number = {bound.fileno(): bound for bound in sockets}
    for number in (*by_number, sys.stdin.fileno()):
        poller.register(number, select.POLLIN | select.POLLHUP)
    while True:
        for number, _ in poller.poll():
            if number not in by_number:
                print(json.dumps(list(packets.values())), flush=True)
                return
            packets[number].append(_take(by_number[number]))


def _receiving_socket() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    bound.bind(("127.0.0.1", 0))
    return bound


def _take(bound: socket.socket) -> tuple[int, int, int, int]:
    data, ancillary, _, _ = bound.recvmsg(2048, 64)
    seconds, nanoseconds = next(TIMESPEC.unpack(value) for _, kind, value in ancillary if kind == SO_TIMESTAMPNS)
    _, _, sequence, timestamp, _ = RTP.unpack_from(data)
    return seconds * 1_000_000_000 + nanoseconds, sequence, timestamp, int.from_bytes(data[12:16])


# ---- the phone


Work = Callable[[], Coroutine[None, None, None]]
"""What the event loop does beside the calls, until it is cancelled."""


async def idle() -> None:
    """Leave the loop to the calls."""


async def speak(ports: list[int], *, seconds: float, work: Work) -> tuple[float, MediaStatistics]:
    """Say so many seconds, to every port on a call of its own.

    Returns the percentage of time spent in run queues, and the media thread's own account.
    """
    loop = asyncio.get_running_loop()
    plane = MediaThread(PortPool(30000, 30000 + 4 * len(ports), "127.0.0.1"))
    plane.start(loop)
    for port in ports:
        leg = plane.open_leg(
            host="127.0.0.1",
            ssrc=port,
            sequence=65000,
            timestamp=2**32 - 8000,
            cname="bench",
            on_event=lambda event: None,
        )
        _begin(leg, port, frames=round(seconds * 50))
    working = loop.create_task(work())
    waited = run_queue_wait()
    await asyncio.sleep(seconds + 0.5)
    waited = run_queue_wait() - waited
    working.cancel()
    plane.close()
    return waited / (seconds + 0.5) * 100, plane.statistics()


def run_queue_wait() -> float:
    """Seconds that the loop's thread has been ready to run and did not."""
    return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9


def _begin(leg: Leg, port: int, *, frames: int) -> None:
    leg.set_media(
        StreamSettings(
            remote_host="127.0.0.1",
            remote_port=port,
            remote_rtcp_host="127.0.0.1",
            remote_rtcp_port=9,
            codec="pcmu",
            payload_type=0,
            receive_payload_types={0: "pcmu"},
        )
    )
    leg.speak(b"".join(number.to_bytes(4) * 40 for number in range(1, frames + 1)))


async def keep_busy() -> None:
    while True:
        end = time.perf_counter() + BUSY
        number = 0
        while time.perf_counter() < end:
            number = (number * 31 + 7) % 1009
        await asyncio.sleep(PERIOD - BUSY)


WORKS: dict[str, Work] = {"idle": idle, "60 % busy": keep_busy}


def claim_processor() -> None:
    """Schedule the loop in real time too, as if the host had nothing else to do. The far end, a child, stays ordinary.

    For a host that others use: a loop that has the interpreter and no processor keeps both from the media thread.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


# ---- the judgement


def measure(calls: int, *, loop: str, work: Work, seconds: float, attempts: int = 3) -> Pacing:
    """Run one case; again, if it fails on a host that had no processor for it."""
    for _ in range(attempts - 1):
        result, _ = measure_once(calls, loop=loop, work=work, seconds=seconds)
        if result.passed or result.run_queue_percent <= 1.0:
            return result
    return measure_once(calls, loop=loop, work=work, seconds=seconds)[0]


def measure_once(calls: int, *, loop: str, work: Work, seconds: float) -> tuple[Pacing, MediaStatistics]:
    """Run one case, whatever the host does; returns what the receiver saw, and what the media thread knows of it."""
    command = [sys.executable, __file__, "--receive", str(calls)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdin is not None
        ports = json.loads(receiver.stdout.readline())
        waited, statistics = asyncio.run(speak(ports, seconds=seconds, work=work))
        receiver.stdin.close()
        streams = [
            [Packet(**dict(zip(Packet.__slots__, row, strict=True))) for row in rows]
            for rows in json.loads(receiver.stdout.read())
        ]
    return judge(streams, loop=loop, seconds=seconds, waited=waited), statistics


def judge(streams: list[list[Packet]], *, loop: str, seconds: float, waited: float) -> Pacing:
    """Sum up what the receiver got of every call, from the first to the last frame of speech."""
    spoken = [[packet for packet in stream if 0 < packet.frame <= seconds * 50] for stream in streams]
    off = sorted(abs(distance) / 1e6 for stream in spoken for distance in _distances(stream))
    frames = [[packet.frame for packet in stream] for stream in spoken]
    return Pacing(
        calls=len(streams),
        loop=loop,
        seconds=seconds,
        packets=len(off),
        p50_ms=round(median(off), 3),
        p99_ms=round(quantiles(off, n=100)[98], 3),
        max_ms=round(off[-1], 3),
        gaps=sum(round(seconds * 50) - len(set(numbers)) for numbers in frames),
        repeats=sum(len(numbers) - len(set(numbers)) for numbers in frames),
        discontinuities=sum(_discontinuities(stream) for stream in spoken),
        bunch=max(map(_largest_bunch, spoken)),
        run_queue_percent=round(waited, 2),
    )


def _distances(stream: list[Packet]) -> Iterator[float]:
    """How far each packet is from the grid that suits its call best, in nanoseconds."""
    lags = [packet.time_ns - number * TICK_NS for number, packet in enumerate(stream)]
    usual = median(lags)
    return (lag - usual for lag in lags)


def _discontinuities(stream: list[Packet]) -> int:
    return sum(
        (after.sequence - before.sequence) % 2**16 != 1 or (after.timestamp - before.timestamp) % 2**32 != 160
        for before, after in pairwise(stream)
    )


def _largest_bunch(stream: list[Packet]) -> int:
    """How many packets came with hardly any time between them."""
    largest = bunch = 1
    for before, after in pairwise(stream):
        bunch = bunch + 1 if after.time_ns - before.time_ns < TOGETHER_NS else 1
        largest = max(largest, bunch)
    return largest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--calls", default="1,20", help="numbers of calls, with commas")
    parser.add_argument("--claim", action="store_true", help="schedule the loop in real time: for a host in use")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--receive", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        receive(options.receive)
        return 0
    if options.claim:
        claim_processor()
    cases = [(int(calls), loop) for calls in options.calls.split(",") for loop in WORKS]
    results = [measure(calls, loop=loop, work=WORKS[loop], seconds=options.seconds) for calls, loop in cases]
    if options.json:
        sys.stdout.write(json.dumps({result.name: result.summary for result in results}, indent=1) + "\n")
        return 0
    sys.stdout.write(table(results))
    return 0 if all(result.passed for result in results) else 4


def table(results: list[Pacing]) -> str:
    """Lay the results out for people."""
    lines = [
        "                         packets   p50 ms   p99 ms   max ms   gaps  repeats  discontinuities  run queue %"
    ]
    for r in results:
        lines.append(
            f"{r.name:24} {r.packets:7}  {r.p50_ms:7.3f}  {r.p99_ms:7.3f}  {r.max_ms:7.3f}"
            f"  {r.gaps:5}  {r.repeats:7}  {r.discontinuities:15}  {r.run_queue_percent:11}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
