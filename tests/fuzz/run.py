"""Fuzzes the targets, two at a time, each for so many seconds; what it finds is kept beside what it grew from.

python -m tests.fuzz.run [--seconds 60] [--grown DIRECTORY] [TARGET …]

The inputs committed in tests/fuzz/corpus are read, those that reach new code are added to --grown, and an input that
breaks a promise is written there, in `findings`, and fails the run.
"""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.seeds import CORPUS

ROOT = Path(__file__).parents[2]
TARGETS = sorted(directory.name for directory in CORPUS.iterdir())
SLOWEST = 10
"""Seconds for one input: more is a hang."""
LARGEST = 1024
"""Megabytes of memory."""
LONGEST = 4096
"""Bytes of an input; datagrams are seldom larger."""

_EDGES = re.compile(r" cov: (\d+) ")
_UNITS = re.compile(r"number_of_executed_units: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one target; `log` ends with the traceback of a finding."""

    target: str
    code: int
    log: str

    @property
    def inputs(self) -> int:
        counted = _UNITS.search(self.log)
        return int(counted[1]) if counted else 0

    @property
    def line(self) -> str:
        edges = _EDGES.findall(self.log)
        reached = f"{edges[-1] if edges else 0:>5} edges"
        return f"{self.target:12} {self.inputs:>9} inputs  {reached}  {'ok' if self.code == 0 else 'FINDING'}"


def fuzz(target: str, seconds: int, grown: Path) -> Outcome:
    """Run one target for its time, or up to its first finding."""
    (grown / target).mkdir(parents=True, exist_ok=True)
    (grown / "findings").mkdir(exist_ok=True)
    options = {
        "max_total_time": seconds,
        "timeout": SLOWEST,
        "rss_limit_mb": LARGEST,
        "max_len": LONGEST,
        "artifact_prefix": f"{grown / 'findings' / target}-",
        "dict": Path(__file__).with_name("sip.dict"),
        "print_final_stats": 1,
    }
    argv = [sys.executable, "-m", "tests.fuzz.fuzz", target, *(f"-{name}={value}" for name, value in options.items())]
    argv += [str(grown / target), str(CORPUS / target)]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return Outcome(target=target, code=done.returncode, log=done.stdout.decode("utf-8", "replace"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--grown", type=Path, default=ROOT / ".fuzz")
    options = parser.parse_args()
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(
            pool.map(lambda target: fuzz(target, options.seconds, options.grown), options.targets or TARGETS)
        )
    for outcome in outcomes:
        if outcome.code:
            print(f"===== {outcome.target}\n{outcome.log[-4000:]}")
    print(*(outcome.line for outcome in outcomes), sep="\n")
    findings = [outcome.target for outcome in outcomes if outcome.code]
    print(f"{len(outcomes)} targets, {sum(outcome.inputs for outcome in outcomes)} inputs, {len(findings)} findings")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
