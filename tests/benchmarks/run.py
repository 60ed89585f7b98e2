"""Runs the benchmarks and writes what they measured to docs/figures.md, with command, machine and date.

python -m tests.benchmarks.run [NAME …]        NAME: the keys of BENCHMARKS; all without
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from sipagent.bench.host import machine
from tests.benchmarks.baselines import PYTHON

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "figures.md"
BENCHMARKS = {
    "capacity": "How many calls one core carries, and what one costs",
    "baselines": "What an echo costs other programs",
    "answering": "How soon an INVITE is answered",
    "pacing": "A 60 s answer at the receiver",
    "tick": "What the media plane costs without sockets and providers",
    "speech": "Human speech after a bad network",
    "sockets": "What a datagram costs: a port per call or one for all",
    "blocked_loop": "Speech while the event loop is blocked",
    "parsing": "Reading an INVITE with SDP",
    "setups": "Call set-ups a second",
    "signalling_day": "Eight hours of signalling in virtual time",
    "demo": "The demo, again and again",
    "flood": "A flood of strangers upon a phone with calls",
}

WITH_EXTRA = {"speech"}
"""Those that import what the extra `bench` brings, and run where it is installed."""


def measure(name: str) -> Mapping[str, object]:
    """The figures of one benchmark: it prints one JSON object."""
    python = str(PYTHON) if name in WITH_EXTRA else sys.executable
    argv = [python, "-m", f"tests.benchmarks.{name}", "--json"]
    return dict(json.loads(subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout))


def section(name: str, figures: Mapping[str, object]) -> str:
    rows = "\n".join(f"| {figure} | {value} |" for figure, value in figures.items())
    command = f"`python -m tests.benchmarks.{name}`, {date.today().isoformat()}, {machine()}"
    return f"## {BENCHMARKS[name]}\n\n{command}\n\n| figure | value |\n|---|---|\n{rows}\n"


def main(names: list[str]) -> None:
    """Measure, and replace only the sections that were measured."""
    kept = dict.fromkeys(BENCHMARKS, "")
    if FIGURES.exists():
        for part in FIGURES.read_text().split("\n## ")[1:]:
            name = next((name for name, title in BENCHMARKS.items() if part.startswith(title)), "")
            kept[name] = f"## {part.rstrip()}\n"
    for name in names or BENCHMARKS:
        kept[name] = section(name, measure(name))
    FIGURES.parent.mkdir(exist_ok=True)
    head = "# Figures\n\nMeasured by `make bench`; each section says by which command, when and on what machine.\n"
    FIGURES.write_text("\n".join([head, *filter(None, kept.values())]))


if __name__ == "__main__":
    main(sys.argv[1:])
