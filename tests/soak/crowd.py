"""The process of the callers: a hundred at a time, each by a plan, over a bad network, told what to do line by line.

python -m tests.soak.crowd --target 127.0.0.1:PORT --seed 1 [--clean]

    {"do": "probe", "seconds": 6, "file": FILE}    one clean call; its rows go to FILE.rows, its audio to FILE.audio
    {"do": "churn", "calls": 100}                  have so many calls at a time from now on
    {"do": "careful"}                              whoever would vanish hangs up from now on
    {"do": "place", "ending": "SPOILT", "seconds": 5}    one more call
    {"do": "end"}                                  no more callers, and those that are there hang up
    {"do": "counts"}                               what has happened since the last time

With --clean the network is not ours to spoil.
"""

import argparse
import json
import select
import sys
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sipagent.bench import streams
from sipagent.bench.generator import SLOTS
from sipagent.bench.streams import Rows
from sipagent.sip.flow import Address
from tests.soak.caller import Caller
from tests.soak.plan import Deed, Ending, Plan, plans
from tests.soak.signalling import Signalling
from tests.soak.wire import Wire, bad_path

HOST, CLEAN_HOST = "127.0.0.2", "127.0.0.3"
RATE = 25
"""Calls placed a second, at most."""
_SLOT = 0.02 / SLOTS
_COLUMNS = 4
_FEWEST = 50
"""Packets of a call from which it says how evenly they came."""


class Crowd:
    """All callers, and the commands."""

    def __init__(self, target: Address, seed: int, *, clean: bool) -> None:
        self._target = target
        self._seed = seed
        self._wire = Wire()
        self._is_clean = clean
        paths = (None, None) if clean else (bad_path(seed), bad_path(seed + 1))
        self._signalling = Signalling(HOST, target, self._wire, *paths)
        self._prober = Signalling(CLEAN_HOST, target, self._wire, None, None)
        self._plans = plans(seed)
        self._callers: dict[int, Caller] = {}
        self._placed: dict[int, float] = {}
        self._slots: list[dict[int, Caller]] = [{} for _ in range(SLOTS)]
        self._by_descriptor: dict[int, Caller] = {}
        self._last = 0
        self._calls = 0
        self._next_call = 0.0
        self._is_careful = False
        self._probe: tuple[Caller, str] | None = None
        self._counts: Counter[str] = Counter()
        self._streams: list[Rows] = []
        self._epoll = select.epoll()
        for each in (self._signalling.socket, self._prober.socket, sys.stdin):
            self._epoll.register(each, select.EPOLLIN | select.EPOLLHUP)

    def run(self) -> None:
        """Work until the standard input ends."""
        slot, began = 0, time.monotonic()
        while True:
            slot += 1
            if (wait := began + slot * _SLOT - time.monotonic()) > 0:
                time.sleep(wait)
            now = time.monotonic()
            for caller in tuple(self._slots[slot % SLOTS].values()):
                caller.say(now)
                self._act(caller, now)
            self._wire.deliver(now)
            for descriptor, _ in self._epoll.poll(0, 1024):
                if (heard := self._by_descriptor.get(descriptor)) is not None:
                    heard.receive()
                elif descriptor == self._signalling.socket.fileno():
                    self._signalling.receive(now)
                elif descriptor == self._prober.socket.fileno():
                    self._prober.receive(now)
                elif not self._read_command(now):
                    return
            self._progress(now)

    # ---- callers come and go

    def _place(self, plan: Plan, now: float, *, by: Signalling, host: str, keeps_audio: bool = False) -> Caller:
        self._last += 1
        path = None if self._is_clean or by is self._prober else bad_path(self._seed + self._last)
        caller = Caller(self._last, plan, host, self._wire, path, keeps_audio=keeps_audio)
        self._callers[caller.number], self._placed[caller.number] = caller, now
        self._counts["placed"] += 1
        by.place(caller, now)
        return caller

    def _progress(self, now: float) -> None:
        for signalling in (self._signalling, self._prober):
            signalling.handle_timer(now)
            news = signalling.take()
            self._counts["changed"] += news.changed
            self._counts["unchanged"] += news.unchanged
            for number in news.answered:
                self._begin(self._callers[number], now)
            for number, how in news.ended:
                self._counts[f"{self._callers[number].plan.ending.name} {how}"] += 1
                self._drop(self._callers[number])
        for caller in [each for each in self._callers.values() if each.plan.ending is Ending.CANCEL]:
            if now >= self._placed[caller.number] + caller.plan.seconds:
                self._placed[caller.number] = now + 3600  # once is enough
                self._signalling.give_up(caller.number, now)
        if len(self._callers) < self._calls and now >= self._next_call:
            self._next_call = now + 1 / RATE
            plan = next(self._plans)
            if self._is_careful and plan.ending is Ending.VANISH:
                plan = replace(plan, ending=Ending.CALLER)
            self._place(plan, now, by=self._signalling, host=HOST)

    def _begin(self, caller: Caller, now: float) -> None:
        caller.answered = now
        self._counts["answered"] += 1
        self._epoll.register(caller.socket, select.EPOLLIN)
        self._by_descriptor[caller.socket.fileno()] = caller
        self._slots[caller.number % SLOTS][caller.number] = caller

    def _act(self, caller: Caller, now: float) -> None:
        """Do what the plan of a caller has for this moment."""
        assert caller.answered is not None
        lasted, plan = now - caller.answered, caller.plan
        if plan.deeds and lasted >= plan.deeds[0][0]:
            caller.plan = replace(plan, deeds=plan.deeds[1:])
            self._do(caller, plan.deeds[0][1], now)
        elif lasted >= plan.seconds and plan.ending is Ending.CALLER:
            caller.plan = replace(plan, seconds=3600)  # its BYE is under way
            self._signalling.hang_up(caller.number, now)
        elif lasted >= plan.seconds and plan.ending is Ending.VANISH:
            self._signalling.vanish(caller.number)
            self._counts["VANISH"] += 1
            self._drop(caller)

    def _do(self, caller: Caller, deed: Deed, now: float) -> None:
        self._counts[deed.name] += 1
        match deed:
            case Deed.PRESS:
                caller.press()
            case Deed.PRESS_BY_INFO:
                self._signalling.press(caller.number, now)
            case Deed.HOLD | Deed.HOLD_WITH_MUSIC | Deed.RESUME:
                caller.is_silent = deed is Deed.HOLD
                self._signalling.change(caller.number, deed, now)

    def _drop(self, caller: Caller) -> None:
        del self._callers[caller.number], self._placed[caller.number]
        self._slots[caller.number % SLOTS].pop(caller.number, None)
        if self._by_descriptor.pop(caller.socket.fileno(), None) is not None:
            self._epoll.unregister(caller.socket)
        caller.socket.close()
        if self._probe is not None and self._probe[0] is caller:
            self._finish_probe(*self._probe)
        elif len(caller.rows) >= _FEWEST * _COLUMNS:
            self._streams.append(rows_of(caller.rows))

    def _finish_probe(self, caller: Caller, file: str) -> None:
        self._probe = None
        Path(f"{file}.rows").write_bytes(caller.rows.tobytes())
        Path(f"{file}.audio").write_bytes(caller.audio)
        say({"call": caller.number})

    # ---- commands

    def _read_command(self, now: float) -> bool:
        """Do what a line says; False at the end of the input."""
        line = sys.stdin.readline()
        if not line:
            return False
        command = json.loads(line)
        if command["do"] == "probe":
            plan = Plan(seconds=command["seconds"], ending=Ending.AGENT)
            self._probe = self._place(plan, now, by=self._prober, host=CLEAN_HOST, keeps_audio=True), command["file"]
        else:
            say(self._obey(command, now))
        return True

    def _obey(self, command: Mapping[str, Any], now: float) -> object:
        match command["do"]:
            case "churn":
                self._calls = command["calls"]
            case "careful":
                self._is_careful = True
            case "place":
                plan = Plan(ending=Ending[command["ending"]], seconds=command["seconds"])
                self._place(plan, now, by=self._signalling, host=HOST)
            case "end":
                self._calls = 0
                for caller in tuple(self._callers.values()):
                    if caller.answered is not None and caller.plan.ending in (Ending.CALLER, Ending.AGENT):
                        self._signalling.hang_up(caller.number, now)
            case "counts":
                return self._count()
        return {}

    def _count(self) -> dict[str, object]:
        """What has happened, and how the calls that have ended sounded; then it is forgotten."""
        counts, self._counts = self._counts, Counter()
        ended, self._streams = self._streams, []
        return {
            "standing": len(self._callers),
            "happened": counts,
            "carried": self._wire.carried,
            "lost": self._wire.lost,
            "reception": asdict(streams.judge(ended)) if ended else None,
        }


def rows_of(numbers: "array[int]") -> Rows:
    """The rows of one call."""
    return streams.read_rows(numbers.tobytes(), [(0, len(numbers))])[0]


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--target", required=True, help="host:port of the phone")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--clean", action="store_true", help="lose nothing: the network does")
    options = arguments.parse_args()
    host, _, port = options.target.rpartition(":")
    Crowd(Address(host, int(port)), options.seed, clean=options.clean).run()


if __name__ == "__main__":
    main()
