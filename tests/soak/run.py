"""A soak: a hundred calls that come and go on one phone over a bad network, and afterwards it is as it was.

python -m tests.soak.run [--seconds 180] [--calls 100] [--seed N]

    crowd of callers ─ SIP, RTP, lost and late ─► worker ─ TLS WebSockets ─► stand-ins of OpenAI and Cartesia

The phone is watched from outside (/proc, what callers hear) and asked from inside. At half time the media of one call
fails, on purpose; at the end a second phone's loop hangs. The last line says what was found; exit code 4 when anything
is worse than it was, or was complained of in the log, or a call was lost.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sipagent.bench import host, streams
from sipagent.bench.streams import Reception
from tests.interop.peers.namespace import enter_private_network
from tests.soak import netem
from tests.soak.crowd import HOST
from tests.soak.site import Site, built, hung
from tests.soak.verdict import (
    Memory,
    Probe,
    Sample,
    astray,
    complaints,
    left_behind,
    not_collected,
    sounds_otherwise,
)

AROUND = 54.0
"""Seconds of a soak that are not churn: two probes, the end of all calls and what they leave behind."""
TRANSACTIONS = 34.0
"""Seconds until nothing is left of a BYE: its transaction lives for 64*T1 (RFC 3261 section 17.2.2)."""
PROBE = 5.0
ATTEMPTS = 3
LOOK = 5.0
"""Seconds from one look at the callers to the next."""
BARGE_INS = 4.0
VANISHED = 8.0
"""Seconds until the phone misses a caller who has vanished: 5 without RTP, and the churn's last second."""
QUIET_WITHIN = 15.0
SPOILT = {"do": "place", "ending": "SPOILT", "seconds": 2.0}
HUNG_PATIENCE = 1.0


class Soak:
    """What is done to the processes, and seen of them."""

    def __init__(self, site: Site, directory: Path, calls: int) -> None:
        self.samples: list[Sample] = []
        """One a second of the churn."""
        self.happened: Counter[str] = Counter()
        """What the callers say."""
        self.told: Mapping[str, Any] = {}
        """What the phone says of itself."""
        self.receptions: list[Reception] = []
        """How the calls of each few seconds came to their callers."""
        self._site = site
        self._directory = directory
        self._calls = calls

    def probe(self, name: str) -> Probe:
        """Make one call over a clean network, while no other stands; again, if the host had no time for it."""
        probe = self._probe(name)
        for _ in range(ATTEMPTS - 1):
            if not probe.is_whole:
                probe = self._probe(name)
        return probe

    def _probe(self, name: str) -> Probe:
        file = self._directory / name
        command = {"do": "probe", "seconds": PROBE, "file": str(file)}
        call = self._site.crowd.ask(command, PROBE + 20)["call"]
        data = Path(f"{file}.rows").read_bytes()
        rows = streams.read_rows(data, [(call, len(data) // 8)])
        return Probe.of(streams.judge(tuple(rows.values())), Path(f"{file}.audio").read_bytes())

    def churn(self, seconds: float) -> None:
        """Let callers come and go, speak, be interrupted; and spoil one call at half time."""
        began = time.monotonic()
        crowd, stand_ins = self._site.crowd, self._site.stand_ins
        crowd.ask({"do": "churn", "calls": self._calls})
        steps: dict[float, Mapping[str, Any]] = {seconds / 2: SPOILT, seconds - VANISHED: {"do": "careful"}}
        next_look = 0.0
        while (now := time.monotonic() - began) < seconds:
            for at in [at for at in steps if now >= at]:
                crowd.ask(steps.pop(at))
            self.samples.append(self._sample())
            if now >= next_look:
                next_look = now + LOOK
                stand_ins.ask({"do": "barge_in", "seconds": BARGE_INS})
                stand_ins.ask({"do": "take"})
                self.look()
            time.sleep(max(0.0, 1 - (time.monotonic() - began - now)))
        crowd.ask({"do": "end"})

    def quiet(self, base: Sample | None = None) -> Sample:
        """Wait until no call stands, and nothing is more than it was; not for ever."""
        until = time.monotonic() + QUIET_WITHIN
        while True:
            time.sleep(1.0)  # sockets of providers close behind their calls
            standing, sample = self.look(), self._sample()
            is_quiet = not (standing or sample.calls or sample.ports)
            if (is_quiet and not (base and left_behind(base, sample))) or time.monotonic() > until:
                return sample

    def look(self) -> int:
        """Take what callers have seen; returns how many there are."""
        counts = self._site.crowd.ask({"do": "counts"})
        self.happened.update(counts["happened"])
        if counts["reception"] is not None:
            self.receptions.append(Reception(**counts["reception"]))
        return int(counts["standing"])

    def census(self) -> Mapping[str, int]:
        """Have the phone count its objects."""
        return dict(self._site.worker.ask({"do": "census"}))

    def _sample(self) -> Sample:
        process = self._site.worker.pid
        self.told = self._site.worker.ask({"do": "look"})
        return Sample(
            at=time.monotonic(),
            resident_kb=host.resident_kb(process),
            descriptors=len(os.listdir(f"/proc/{process}/fd")),
            threads=len(os.listdir(f"/proc/{process}/task")),
            tasks=sum(self.told["tasks"].values()),
            ports=self.told["ports"],
            calls=self.told["calls"],
        )


def soak(seconds: float, calls: int, seed: int, directory: Path, *, is_alone: bool) -> tuple[str, list[str]]:
    """Do all of it. Return a line that sums it up, and what is wrong. `is_alone`: the network is nobody else's."""
    by_kernel = is_alone and netem.spoil(HOST)
    with built(directory, seed, clean=by_kernel) as site:
        it = Soak(site, directory, calls)
        first, base = it.probe("first"), it.quiet()
        say(f"{first}; {base}")
        objects = it.census()
        dropped = host.lost_by_kernel()
        it.churn(seconds - AROUND)
        say(f"{it.happened['placed']} calls, all hang up")
        time.sleep(TRANSACTIONS)
        it.quiet(base)
        last, after = it.probe("last"), it.quiet(base)
        say(f"{last}; {after}")
        left = it.census()
        dropped = host.lost_by_kernel() - dropped
    served, memory = it.happened["placed"], Memory.of(it.samples)
    complained, late = complaints(site.log.read_text())
    faults = [
        *left_behind(base, after),
        *not_collected(objects, left, served),
        *memory.faults(),
        *sounds_otherwise(first, last),
        *astray(it.happened, it.told["happened"], it.receptions, is_lossy=by_kernel),
        *complained,
        *not_found(*hung(directory, HUNG_PATIENCE)),
    ]
    line = (
        f"{served} calls, {calls} at a time, losses by {'netem' if by_kernel else 'our own wire'}, seed {seed}; "
        f"memory {memory}; p99 off the grid {first.reception.p99_ms} ms in the first call, "
        f"{last.reception.p99_ms} in the last, {max(each.p99_ms for each in it.receptions)} in the worst seconds; "
        f"{late} late wake-ups, {dropped} packets dropped by the kernel"
    )
    say(", ".join(f"{count} {what}" for what, count in it.happened.most_common()))
    say("tasks of the phone: " + ", ".join(f"{count} {what}" for what, count in it.told["tasks"].items()))
    return line, faults


def say(line: str) -> None:
    """Tell people how far it is."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def not_found(status: int | None, log: str) -> list[str]:
    """What is missing in what became of a phone whose loop hangs."""
    faults = []
    if status != os.EX_SOFTWARE:
        faults.append(f"a phone whose loop hangs ended with {status}, not {os.EX_SOFTWARE}")
    if "the event loop has not moved for" not in log or "time.sleep(3600)" not in log:
        faults.append(f"the log of a phone whose loop hangs does not say where:\n{log}")
    return faults


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--seconds", type=float, default=180.0)
    arguments.add_argument("--calls", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = arguments.parse_args()
    try:
        enter_private_network()
        is_alone = True
    except OSError:  # of who may not
        is_alone = False
    with tempfile.TemporaryDirectory() as directory:
        line, faults = soak(options.seconds, options.calls, options.seed, Path(directory), is_alone=is_alone)
    for fault in faults:
        print(f"WRONG: {fault}")
    print(f"soak: {line}; {len(faults)} wrong" if faults else f"soak: {line}; all well")
    return 4 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
