"""A flood of 20,000 INVITEs a second from one source, and of scanners, upon a registered phone with calls running.

    python -m tests.benchmarks.flood [--seconds 30] [--calls 5] [--rate 20000] [--json]

The phone runs in this process, on loopback sockets; its registrar, who is also the caller, and the flood are processes
of their own. Exit code 4 when a bar is missed; with --json, which is for `make bench`, the code is 0.
"""

import argparse
import asyncio
import json
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median, quantiles

from sipagent import Account, InboundCall, Softphone
from sipagent.config import Configuration, General
from sipagent.config.values import PortRange
from sipagent.events import Disconnected, RegistrationFailed, Stamped
from sipagent.sip.flow import Address
from sipagent.sip.message import Request, Response, parse
from tests.benchmarks.pacing import BAR_MS, SO_TIMESTAMPNS, TICK_NS, TIMESPEC
from tests.sip.bench import answer, request

PHONE, REGISTRAR, FLOOD = Address("127.0.0.1", 5098), Address("127.0.0.2", 5098), "127.0.66.1"
EXPIRES = 30
"""Seconds, the least that sip.conf takes: a refresh falls into each phase."""
MEMORY_BAR = 8
"""Megabytes that the phone may grow in all: the bounded tables, and an allocator's breath."""
BATCH = 20
SPEECH = bytes(range(1, 161)) * 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What happened while a flood lasted. Milliseconds are distances from each call's own 20 ms grid."""

    name: str
    sent_per_second: int
    packets: int
    p99_ms: float
    max_ms: float
    registers: int
    loop_percent: float

    @property
    def summary(self) -> str:
        return (
            f"{self.sent_per_second} datagrams a second; off the grid p99 {self.p99_ms} ms, max {self.max_ms} ms of"
            f" {self.packets} packets; {self.registers} refreshes granted; process at {self.loop_percent} % of a core"
        )

    @property
    def passed(self) -> bool:
        return self.p99_ms < BAR_MS and self.registers > 0


# ---- the registrar and caller, in its own process


@dataclass(slots=True)
class Party:
    """Grants every REGISTER; calls the Contact of the first one so many times; takes down all RTP that comes."""

    calls: int
    sip: socket.socket
    registers: list[int] = field(default_factory=list)
    rtp: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    sockets: dict[int, socket.socket] = field(default_factory=dict)

    def run(self) -> None:
        """Serve until the standard input ends, then print everything as JSON."""
        poller = select.poll()
        for number in (self.sip.fileno(), sys.stdin.fileno()):
            poller.register(number, select.POLLIN | select.POLLHUP)
        for _ in range(self.calls):
            bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            bound.bind((REGISTRAR.host, 0))
            self.sockets[bound.fileno()], self.rtp[bound.fileno()] = bound, []
            poller.register(bound.fileno(), select.POLLIN)
        while True:
            for number, _ in poller.poll():
                if number == sys.stdin.fileno():
                    print(json.dumps({"registers": self.registers, "rtp": list(self.rtp.values())}), flush=True)
                    return
                if number == self.sip.fileno():
                    self._take(self.sip.recv(65535))
                else:
                    self._hear(number)

    def _hear(self, number: int) -> None:
        data, ancillary, _, _ = self.sockets[number].recvmsg(2048, 64)
        seconds, nanoseconds = next(TIMESPEC.unpack(value) for _, kind, value in ancillary if kind == SO_TIMESTAMPNS)
        self.rtp[number].append((seconds * 1_000_000_000 + nanoseconds, int.from_bytes(data[2:4])))

    def _take(self, data: bytes) -> None:
        message = parse(data)
        if isinstance(message, Response) and message.code == 200 and message.cseq.method == "INVITE":
            self._send(_of_call(message.call_id, "ACK", message.headers.get("to") or "", b""))
        elif isinstance(message, Request) and message.method == "REGISTER":
            if not self.registers:
                for bound in self.sockets.values():
                    self._call(message.contact.uri.user, bound.getsockname()[1])
            self.registers.append(time.clock_gettime_ns(time.CLOCK_REALTIME))
            contact = f"Contact: {message.contact};expires={EXPIRES}"
            self._send(answer(message, 200, headers=[contact]))
        elif isinstance(message, Request) and message.method == "BYE":
            self._send(answer(message, 200))

    def _call(self, contact: str, port: int) -> None:
        lines = ["v=0", f"o=- 1 1 IN IP4 {REGISTRAR.host}", "s=-", f"c=IN IP4 {REGISTRAR.host}", "t=0 0"]
        offer = "\r\n".join([*lines, f"m=audio {port} RTP/AVP 0", ""]).encode()
        self._send(_of_call(f"bench-{port}", "INVITE", f"<sip:{contact}@{PHONE}>", offer, contact))

    def _send(self, text: str) -> None:
        self.sip.sendto(text.encode(), (PHONE.host, PHONE.port))


def _of_call(call_id: str, method: str, recipient: str, body: bytes, user: str = "x") -> str:
    return request(
        method,
        uri=f"sip:{user}@{PHONE}",
        via=f"Via: SIP/2.0/UDP {REGISTRAR};rport;branch=z9hG4bK{call_id}{method}",
        sender=f"<sip:{call_id}@{REGISTRAR.host}>;tag=bench",
        recipient=recipient,
        call_id=call_id,
        body=body,
    ).replace("alice@127.0.0.2:5060", f"alice@{REGISTRAR}")


# ---- the flood, in its own process


def flood(kind: str, seconds: float, rate: int) -> None:
    """Send datagrams evenly, and print how many went out."""
    sources = [FLOOD] if kind == "invites" else [f"127.0.66.{number}" for number in range(2, 252)]
    sockets = []
    for host in sources:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((host, 0))
        sockets.append(bound)
    methods = ("INVITE",) if kind == "invites" else ("OPTIONS", "REGISTER", "INVITE")
    begun, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        if sent > passed * rate:
            time.sleep(BATCH / rate)
            continue
        for _ in range(BATCH):
            text = request(
                methods[sent % len(methods)],
                branch=f"z9hG4bK{sent}",
                call_id=f"flood-{sent}",
                headers=["User-Agent: friendly-scanner"],
            )
            sockets[sent % len(sockets)].sendto(text.encode(), (PHONE.host, PHONE.port))
            sent += 1
    print(sent, flush=True)


# ---- the phone


@dataclass(slots=True)
class Watched:
    """The spans of the phases (wall clock, ns), what they cost, and what went wrong."""

    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    loop_percent: dict[str, float] = field(default_factory=dict)
    grown_mb: float = 0.0
    failures: list[str] = field(default_factory=list)


async def speak(incoming: InboundCall) -> None:
    """Answer, and talk without end."""
    call = await incoming.answer()
    while not call.is_over:
        call.speak(SPEECH)
        await asyncio.sleep(1)


async def endure(seconds: float, rate: int) -> Watched:
    """Let the phone live through quiet and floods."""
    watched = Watched()

    def watch(stamped: Stamped) -> None:
        if isinstance(stamped.event, RegistrationFailed | Disconnected):
            watched.failures.append(str(stamped.event))

    general = replace(General(), bind=PHONE, rtp_ports=PortRange(31000, 31199), rtp_timeout=0)
    account = Account(f"sip:6001@{REGISTRAR}", password="bench", expires=EXPIRES)
    async with Softphone(account, configuration=Configuration(general=general)) as phone:
        phone.watch(watch)
        phone.answer_with(speak)
        await asyncio.sleep(3)
        before = _resident_mb()
        for kind in ("quiet", "invites", "scanners"):
            await _phase(watched, kind, seconds, rate)
        watched.grown_mb = round(_resident_mb() - before, 1)
        kept = list(watched.failures)
    watched.failures = kept  # what is told while it is put away is no failure
    return watched


async def _phase(watched: Watched, kind: str, seconds: float, rate: int) -> None:
    begun, cpu = time.clock_gettime_ns(time.CLOCK_REALTIME), time.process_time()
    if kind == "quiet":
        await asyncio.sleep(seconds)
    else:
        command = [sys.executable, "-m", "tests.benchmarks.flood", "--flood", kind]
        command += ["--seconds", str(seconds), "--rate", str(rate)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        printed, _ = await process.communicate()
        watched.sent[kind] = round(int(printed) / seconds)
    ended = time.clock_gettime_ns(time.CLOCK_REALTIME)
    watched.spans[kind] = begun, ended
    watched.loop_percent[kind] = round((time.process_time() - cpu) / ((ended - begun) / 1e9) * 100, 1)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


# ---- the judgement


def measure(seconds: float, calls: int, rate: int) -> tuple[list[Phase], Watched, int]:
    """Run it all; return the phases, what was watched, and on how many calls speech came to the very end."""
    command = [sys.executable, "-m", "tests.benchmarks.flood", "--party", str(calls)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as party:
        assert party.stdout is not None
        assert party.stdin is not None
        party.stdout.readline()
        watched = asyncio.run(endure(seconds, rate))
        party.stdin.close()
        seen = json.loads(party.stdout.read())
    end = max(ended for _, ended in watched.spans.values())
    lasted = sum(bool(stream) and stream[-1][0] > end - TICK_NS * 5 for stream in seen["rtp"])
    return [_judge(name, watched, seen["registers"], seen["rtp"]) for name in watched.spans], watched, lasted


def _judge(name: str, watched: Watched, registers: list[int], streams: list[list[tuple[int, int]]]) -> Phase:
    begun, ended = watched.spans[name]
    within = [[packet for packet in stream if begun <= packet[0] < ended] for stream in streams]
    off = sorted(abs(distance) / 1e6 for stream in within for distance in _distances(stream))
    return Phase(
        name=name,
        sent_per_second=watched.sent.get(name, 0),
        packets=len(off),
        p99_ms=round(quantiles(off, n=100)[98], 3),
        max_ms=round(off[-1], 3),
        registers=sum(begun <= at < ended for at in registers),
        loop_percent=watched.loop_percent[name],
    )


def _distances(stream: list[tuple[int, int]]) -> Iterator[float]:
    """How far each packet is from the grid that suits its call best, in nanoseconds; its place is its number's."""
    first = stream[0][1] if stream else 0
    lags = [at - (sequence - first) % 2**16 * TICK_NS for at, sequence in stream]
    usual = median(lags) if lags else 0.0
    return (lag - usual for lag in lags)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each phase: quiet, invites, scanners")
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--party", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.party:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((REGISTRAR.host, REGISTRAR.port))
        print("ready", flush=True)
        Party(options.party, bound).run()
        return 0
    if options.flood:
        flood(options.flood, options.seconds, options.rate)
        return 0
    phases, watched, lasted = measure(options.seconds, options.calls, options.rate)
    figures = {phase.name: phase.summary for phase in phases}
    figures["memory"] = f"grown by {watched.grown_mb} MB"
    figures["calls"] = f"{lasted} of {options.calls} lasted; failures: {'; '.join(watched.failures) or 'none'}"
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    passed = all(phase.passed for phase in phases) and watched.grown_mb < MEMORY_BAR
    return 0 if options.json or (passed and lasted == options.calls and not watched.failures) else 4


if __name__ == "__main__":
    sys.exit(main())
