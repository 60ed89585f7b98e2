"""What the kernel says of a process and of its core, and how quick this machine is in this minute."""

import contextlib
import errno
import os
import platform
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_AGAIN = 0.5
_CALIBRATIONS = 5
_PACKETS = 4000
_STEPS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of a process, all its threads together, since it began. Seconds."""

    processor: float
    waiting: float
    """Ready to run, on a core that others had."""
    at: float
    """When this was read, monotonic."""

    @classmethod
    def of(cls, process: int) -> Self:
        """Read it now."""
        ran = waited = 0
        for thread in Path(f"/proc/{process}/task").iterdir():
            try:
                fields = (thread / "schedstat").read_text("ascii").split()
            except OSError:
                continue  # it has ended meanwhile
            ran, waited = ran + int(fields[0]), waited + int(fields[1])
        return cls(processor=ran / 1e9, waiting=waited / 1e9, at=time.monotonic())

    def since(self, before: Self) -> Self:
        """What was used since; `at` is how long that was."""
        return type(self)(
            processor=self.processor - before.processor, waiting=self.waiting - before.waiting, at=self.at - before.at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Of a core, since the machine began. Seconds."""

    idle: float
    """Counted by the clock, while busy time is sampled, and often at the wrong moment."""
    stolen: float
    """Taken by the hypervisor."""

    @classmethod
    def of(cls, core: int) -> Self:
        """Read it now."""
        found = re.search(rf"^cpu{core} (.+)$", Path("/proc/stat").read_text("ascii"), re.MULTILINE)
        assert found is not None
        _, _, _, idle, waiting, _, _, stolen, *_ = (int(ticks) / _TICKS for ticks in found[1].split())
        return cls(idle=idle + waiting, stolen=stolen)

    def since(self, before: Self) -> Self:
        """What came on top since."""
        return type(self)(idle=self.idle - before.idle, stolen=self.stolen - before.stolen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Microseconds of fixed work: so that figures of different machines, and minutes, can be laid side by side."""

    send: float
    """One packet of 172 bytes through the loopback, by one system call."""
    python: float
    """A thousand steps of a loop in pure Python."""

    @classmethod
    def measure(cls) -> Self:
        """Measure now; the best of a few."""
        return cls(
            send=round(min(_send() for _ in range(_CALIBRATIONS)), 2),
            python=round(min(_loop() for _ in range(_CALIBRATIONS)), 2),
        )

    def __str__(self) -> str:
        return f"a packet costs {self.send:g} µs here, and a thousand steps of pure Python {self.python:g} µs"

    @property
    def call_second(self) -> float:
        """Milliseconds of what no Python program on this machine can do a call with less: 50 packets, 50 short loops.

        Each loop is a hundred steps.
        """
        return 50 * (self.send + self.python / 10) / 1000


def _send() -> float:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as by:
        to.bind(("127.0.0.1", 0))
        by.connect(to.getsockname())
        data, begun = bytes(172), time.thread_time()
        for _ in range(_PACKETS):
            by.send(data)
        return (time.thread_time() - begun) / _PACKETS * 1e6


def _loop() -> float:
    begun, number = time.thread_time(), 0
    for step in range(_STEPS):
        number = (number * 31 + step) % 1009
    return (time.thread_time() - begun) / _STEPS * 1e9


def resident_kb(process: int) -> int:
    """Resident memory of a process."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"), re.MULTILINE)
    return int(found[1]) if found else 0


def lost_by_kernel() -> int:
    """Datagrams that found no room in the buffer of their socket, since the machine began."""
    names, values = re.findall(r"^Udp: (.+)$", Path("/proc/net/snmp").read_text("ascii"), re.MULTILINE)
    return int(dict(zip(names.split(), values.split(), strict=True))["RcvbufErrors"])


def cores() -> tuple[set[int], set[int]]:
    """The core of the worker, and those of all others; the same where there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return {mine[-1]}, set(mine[:-1]) or {mine[-1]}


@contextlib.contextmanager
def alone(told: Callable[[str], object], name: str = "sipagent-bench") -> Iterator[None]:
    """Wait until no other benchmark runs on this machine: they would measure each other. `told` is given the reason.

    Those that do not mind each other have another `name`.
    """
    with socket.socket(socket.AF_UNIX) as flag:
        if not _raised(flag, name):
            told("another benchmark is running; this one begins when that is over")
            while not _raised(flag, name):
                time.sleep(_LOOK_AGAIN)
        yield


def _raised(flag: socket.socket, name: str) -> bool:
    """Take a name in the abstract namespace, which is free again when its process ends, however it does."""
    try:
        flag.bind(f"\0{name}")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def machine() -> str:
    """Processor, cores, kernel, Python."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    system, python = f"{platform.system()} {platform.release()}", platform.python_version()
    return f"{os.cpu_count()} cores of {found[1] if found else platform.machine()}, {system}, Python {python}"
