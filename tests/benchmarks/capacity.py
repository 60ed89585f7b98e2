"""How many calls one core carries, and what one costs: `sipagent bench` over all that can be chosen.

python -m tests.benchmarks.capacity [--calls 100] [--seconds 5] [--no-search] [--json]

The table has every append, with one RTP port or many, with TLS or without, each for so many calls; then an echo; then
the most calls, as the phone is run. Exit code 4 when a bar is missed; with --json, for `make bench`, the code is 0.
"""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sipagent.bench.figures import Bar, Figures, Verdict, bars
from sipagent.bench.host import Calibration, alone
from sipagent.bench.measure import Bench
from sipagent.bench.site import Setting, built

T = TypeVar("T")

APPENDS = (20, 40, 100, None)
TABLE = [
    Setting(append=append, shared=shared, tls=tls)
    for append, shared, tls in itertools.product(APPENDS, (False, True), (True, False))
]
ECHO = Setting(pipeline="echo")
AS_RUN = Setting()


def measure(setting: Setting, work: Callable[[Bench], T]) -> T:
    """Build a site for this setting alone, and do `work` there."""
    with tempfile.TemporaryDirectory() as directory, built(setting, Path(directory)) as site:
        return work(Bench(site))


def table(calls: int, seconds: float) -> dict[str, str]:
    """The cost of a call in every setting, by its name."""
    rows = {}
    for setting in (*TABLE, ECHO):
        window = measure(setting, lambda bench: bench.window(calls, seconds))
        got = window.reception
        rows[f"{calls} calls, {setting}"] = (
            f"{window.processor_ms:.2f} ms a call-second; p99 {got.p99_ms:.2f} ms off the grid,"
            f" {got.lost + got.repeated + got.late} packets lost, repeated or late"
        )
    return rows


def everything(calls: int, seconds: float, *, search: bool) -> tuple[dict[str, str], bool]:
    """All rows, and whether a bar was missed."""
    calibration = Calibration.measure()
    rows = {"calibration": str(calibration), **table(calls, seconds)}
    if not search:
        return rows, False
    figures = measure(AS_RUN, lambda bench: bench.search(2 * seconds))
    ratio = figures.window.processor_ms / calibration.call_second
    rows |= described(AS_RUN, figures) | {"the most calls: processor time by calibration": f"{ratio:.2f}"}
    judged = bars(figures, is_echo=False, append=None)
    return rows, any(bar.verdict(figures.window) is Verdict.MISSED for bar in judged)


def described(setting: Setting, figures: Figures) -> dict[str, str]:
    """Every figure of a run, with its bar."""
    judged = bars(figures, is_echo=setting.is_echo, append=setting.append)
    return {f"the most calls: {bar.name}": _told(bar, figures) for bar in judged if bar.value is not None}


def _told(bar: Bar, figures: Figures) -> str:
    verdict = bar.verdict(figures.window)
    limit = f" (bar: {bar.must:g}; {verdict.value})" if bar.must is not None and verdict else ""
    return f"{bar.value:g}{limit}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--no-search", action="store_true")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    with alone(lambda line: print(line, file=sys.stderr)):
        rows, missed = everything(options.calls, options.seconds, search=not options.no_search)
    if options.json:
        print(json.dumps(rows))
        return 0
    print("\n".join(f"{name}: {value}" for name, value in rows.items()))
    return 4 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
