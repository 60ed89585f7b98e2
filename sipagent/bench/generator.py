"""The load generator's process: many callers on one loop, each with a socket, told what to do line by line.

python -m sipagent.bench.generator --target 127.0.0.1:PORT [--port PORT] [--echo]

    {"do": "dial", "calls": 50, "rate": 25}           place so many more calls; answered when the last one is taken
    {"do": "listen", "seconds": 10, "file": FILE}     take down what comes in this time; the rows go to the file
    {"do": "hang_up", "calls": 50}                    end so many; answered when they are over

Callers speak on a grid of 2 ms, so that they are no choir. No asyncio: this side must cost little.
"""

import argparse
import contextlib
import json
import select
import socket
import struct
import sys
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sipagent.bench import marks
from sipagent.bench.caller import Saying, count, is_marked, talk
from sipagent.bench.dialler import Dialler
from sipagent.bench.marks import FRAME, Kind
from sipagent.bench.streams import QUIET, utterance
from sipagent.sip.flow import Address

HOST = "127.0.0.2"
"""Whom the worker knows as a trunk."""
SO_TIMESTAMPNS = 35
"""Of asm-generic/socket.h; Python does not name it. The kernel then says when each datagram came."""
SLOTS = 10
_SLOT = 0.02 / SLOTS
_RTP = struct.Struct("!BBHII")
_TIMESPEC = struct.Struct("@qq")
_VERSION = 0x80
_LATEST = 0.02
"""Seconds behind the grid past which a frame counts as sent late by us."""


class Caller:
    """One caller's audio: a packet every 20 ms once the call is taken, and rows of what comes."""

    def __init__(self, number: int, saying: Saying) -> None:
        self.number = number
        self.rows = array("q")
        """As `streams` has them."""
        self.frame = 0
        self._saying = saying
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def send(self) -> None:
        """Say the next 20 ms. A call that is ending may have nobody left to hear it."""
        self.frame += 1
        number = self.frame
        head = _RTP.pack(_VERSION, 0, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, self.number)
        with contextlib.suppress(ConnectionRefusedError):
            self.socket.send(head + self._saying(self.number, number))

    def receive(self, *, keep: bool) -> None:
        """Take one packet, if it is one, and not the news that nobody hears us any more."""
        try:
            data, ancillary, _, _ = self.socket.recvmsg(2048, 64)
        except ConnectionRefusedError:
            return
        if not keep or len(data) <= _RTP.size:
            return
        _, _, sequence, timestamp, _ = _RTP.unpack_from(data)
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        mark = marks.read(data[_RTP.size :])
        voiced = QUIET if mark is None else utterance(mark.owner) if mark.kind is Kind.FIRST else mark.number
        self.rows.extend((seconds * 1_000_000_000 + nanoseconds, sequence, timestamp, voiced))


@dataclass(slots=True)
class Task:
    """A command under way: what is still to be done, and what came of it."""

    command: Mapping[str, Any]
    began: float
    open: int = 0
    results: dict[str, Any] = field(default_factory=dict)


class Generator:
    """All callers, and the one command that is being carried out."""

    def __init__(self, target: Address, saying: Saying, port: int = 0) -> None:
        self._target = target
        self._saying = saying
        self._rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtcp.bind((HOST, 0))
        self._dialler = Dialler(Address(HOST, port), target, self._rtcp.getsockname()[1])
        self._ringing: dict[int, Caller] = {}
        self._callers: dict[int, Caller] = {}
        self._slots: list[dict[int, Caller]] = [{} for _ in range(SLOTS)]
        self._by_descriptor: dict[int, Caller] = {}
        self._placed = 0
        self._task: Task | None = None
        self._sent: list[tuple[int, int, int]] = []
        self._late = 0
        self._epoll = select.epoll()
        self._epoll.register(self._dialler.socket, select.EPOLLIN)
        self._epoll.register(self._rtcp, select.EPOLLIN)
        self._epoll.register(sys.stdin, select.EPOLLIN | select.EPOLLHUP)

    def run(self) -> None:
        """Work until the standard input ends."""
        slot, began = 0, time.monotonic()
        while True:
            slot += 1
            wait = began + slot * _SLOT - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self._speak(slot % SLOTS, is_late=wait < -_LATEST)
            for descriptor, _ in self._epoll.poll(0, 1024):
                if (caller := self._by_descriptor.get(descriptor)) is not None:
                    caller.receive(keep=self._is_listening)
                elif descriptor == self._dialler.socket.fileno():
                    self._dialler.receive()
                elif descriptor == self._rtcp.fileno():
                    self._rtcp.recv(2048)
                elif not self._read_command():
                    return
            self._dialler.handle_timer()
            self._progress(time.monotonic())

    def _speak(self, slot: int, *, is_late: bool) -> None:
        for caller in self._slots[slot].values():
            caller.send()
            if is_marked(caller.frame):
                self._sent.append((caller.number, caller.frame, time.time_ns()))
            self._late += is_late

    # ---- commands

    @property
    def _is_listening(self) -> bool:
        return self._task is not None and self._task.command["do"] == "listen"

    def _read_command(self) -> bool:
        """Begin what a line says; False at the end of the input."""
        line = sys.stdin.readline()
        if not line:
            return False
        command = json.loads(line)
        self._task = Task(command, time.monotonic(), open=command.get("calls", 0))
        self._dialler.take()
        if command["do"] == "listen":
            self._sent.clear()
            self._late = 0
            for caller in self._callers.values():
                caller.rows = array("q")
        if command["do"] == "hang_up":
            for number in tuple(self._callers)[-command["calls"] :]:
                self._dialler.hang_up(number)
        return True

    def _progress(self, now: float) -> None:
        if self._task is None:
            return
        match self._task.command["do"]:
            case "dial":
                self._dial(self._task, now)
            case "listen" if now >= self._task.began + self._task.command["seconds"]:
                self._finish(self._write_down(self._task.command["file"]))
            case "hang_up":
                for number in self._dialler.take().ended:
                    self._drop(self._callers.pop(number))
                    self._task.open -= 1
                if not self._task.open:
                    self._finish({"seconds": now - self._task.began})

    def _dial(self, task: Task, now: float) -> None:
        """Place the calls that are due, and see to those that were answered."""
        placed = task.results.setdefault("placed", 0)
        if placed < task.command["calls"] and now >= task.began + placed / task.command["rate"]:
            task.results["placed"] += 1
            self._placed += 1
            caller = self._ringing[self._placed] = Caller(self._placed, self._saying)
            self._dialler.place(self._placed, caller.port)
        dialled = self._dialler.take()
        task.results.setdefault("took_ms", []).extend(dialled.took_ms)
        for number, port in dialled.answered:
            self._begin(self._ringing.pop(number), port)
        for number in (*dialled.failed, *dialled.ended):
            if (lost := self._ringing.pop(number, None)) is not None:
                lost.socket.close()
            elif number in self._callers:
                self._drop(self._callers.pop(number))
        task.results["failed"] = task.results.get("failed", 0) + len(dialled.failed) + len(dialled.ended)
        if task.results["placed"] == task.command["calls"] and not self._ringing:
            self._finish({**task.results, "seconds": now - task.began})

    def _begin(self, caller: Caller, port: int) -> None:
        caller.socket.connect((self._target.host, port))
        self._epoll.register(caller.socket, select.EPOLLIN)
        self._callers[caller.number] = self._by_descriptor[caller.socket.fileno()] = caller
        self._slots[caller.number % SLOTS][caller.number] = caller

    def _drop(self, caller: Caller) -> None:
        self._epoll.unregister(caller.socket)
        del self._by_descriptor[caller.socket.fileno()], self._slots[caller.number % SLOTS][caller.number]
        caller.socket.close()

    def _write_down(self, file: str) -> dict[str, object]:
        """The rows go to a file, quickly: while we write nobody speaks."""
        callers = tuple(self._callers.values())
        with Path(file).open("wb") as out:
            for caller in callers:
                caller.rows.tofile(out)
        lengths = [(caller.number, len(caller.rows)) for caller in callers]
        gone = self._dialler.take().ended
        for number in gone:
            self._drop(self._callers.pop(number))
        return {"lengths": lengths, "sent": self._sent, "sent_late": self._late, "gone": len(gone)}

    def _finish(self, answer: Mapping[str, object]) -> None:
        self._task = None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--target", required=True, help="host:port of the phone")
    arguments.add_argument("--echo", action="store_true", help="speak all the time, each frame marked")
    arguments.add_argument("--port", type=int, default=0, help="of SIP; 0 takes any free one")
    options = arguments.parse_args()
    host, _, port = options.target.rpartition(":")
    Generator(Address(host, int(port)), count if options.echo else talk, options.port).run()


if __name__ == "__main__":
    main()
