"""Speech while the event loop is blocked: 50 ms, five times a second, judged at the receiver.

    python -m tests.benchmarks.blocked_loop [--seconds 10] [--calls 100] [--claim] [--ordinary] [--json]

The loop is blocked asleep, in pure Python, and in one C call that holds the interpreter, which nobody can interrupt:
then nothing may be lost, at most three frames of a call may come together, and the counter must show it. Everything is
measured again without real-time scheduling (`--ordinary` measures that alone) where setpriv(1) can take it away. Exit
code 4 when a bar is missed; with --json, which is for `make bench`, the figures are one JSON object and the code is 0.
"""

import argparse
import asyncio
import ctypes
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from sipagent.net.media_thread import MediaStatistics
from tests.benchmarks.pacing import Pacing, Work, claim_processor, measure_once

BLOCKED, PERIOD = 0.05, 0.2
MOST_TOGETHER = 3
_hold = ctypes.PyDLL(None).usleep


def asleep() -> None:
    time.sleep(BLOCKED)


def computing() -> None:
    end, number = time.perf_counter() + BLOCKED, 0
    while time.perf_counter() < end:
        number = (number * 31 + 7) % 1009


def holding_the_interpreter() -> None:
    _hold(round(BLOCKED * 1e6))


BLOCKS: dict[str, Callable[[], None]] = {
    "asleep": asleep,
    "in pure Python": computing,
    "in one C call": holding_the_interpreter,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the receiver saw of one way to be blocked, and what the media thread knows of it."""

    pacing: Pacing
    account: MediaStatistics

    @property
    def name(self) -> str:
        return f"{self.pacing.name}, thread {self.account.urgency.value}"

    @property
    def passed(self) -> bool:
        if self.pacing.loop != "in one C call":
            return self.pacing.passed
        faults = self.pacing.gaps + self.pacing.repeats + self.pacing.discontinuities
        return not faults and self.pacing.bunch <= MOST_TOGETHER and self.account.wakes_late > 0

    @property
    def summary(self) -> str:
        return (
            f"{'passed' if self.passed else 'FAILED'}: {self.pacing.summary}; at most {self.pacing.bunch} together; "
            f"{self.account.wakes_late} wake-ups late, the worst by {self.account.worst_late * 1000:.1f} ms, "
            f"{self.account.frames_bunched} frames bunched, {self.account.frames_skipped} skipped"
        )


def blocked(block: Callable[[], None]) -> Work:
    """Make a loop's work of being blocked again and again."""

    async def work() -> None:
        while True:
            block()
            await asyncio.sleep(PERIOD - BLOCKED)

    return work


def measure(calls: int, seconds: float, *, attempts: int = 3) -> list[Result]:
    """Measure each way, again if it fails on a host that had no processor for it."""
    results = []
    for name, block in BLOCKS.items():
        for _ in range(attempts):
            pacing, account = measure_once(calls, loop=name, work=blocked(block), seconds=seconds)
            result = Result(pacing=pacing, account=account)
            if result.passed or pacing.run_queue_percent <= 1.0:
                break
        results.append(result)
    return results


def without_real_time(argv: list[str]) -> dict[str, str]:
    """Measure in a process that may not schedule in real time; nothing where that cannot be."""
    if shutil.which("setpriv") is None:
        return {}
    command = [
        "setpriv",
        "--bounding-set=-sys_nice",
        sys.executable,
        "-m",
        __spec__.name,
        "--ordinary",
        "--json",
        *argv,
    ]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return dict(json.loads(ended.stdout)) if ended.returncode == 0 else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--ordinary", action="store_true", help="as the process is, and not again")
    parser.add_argument("--claim", action="store_true", help="schedule the loop in real time: for a host in use")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.claim:
        claim_processor()
    results = {result.name: result.summary for result in measure(options.calls, options.seconds)}
    if not options.ordinary:
        results |= without_real_time(["--seconds", str(options.seconds), "--calls", str(options.calls)])
    if options.json:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
        return 0
    sys.stdout.write("".join(f"{name}\n    {summary}\n" for name, summary in results.items()))
    return 4 if any(summary.startswith("FAILED") for summary in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
