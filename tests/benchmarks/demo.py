"""How often the keyless demo goes right: runs it again and again, each in a directory of its own.

python -m tests.benchmarks.demo [--runs 20] [--json]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run_once(directory: Path) -> tuple[bool, float]:
    """Whether one demo call was right by its own verdict, and how long it took."""
    begun = time.monotonic()
    argv = [sys.executable, "-m", "sipagent", "demo", "--once", "--out", str(directory)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    right = done.returncode == 0 and any(directory.rglob("*.wav"))
    if not right:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
    return right, time.monotonic() - begun


def measure(runs: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory:
        results = [run_once(Path(directory) / str(number)) for number in range(runs)]
    seconds = [taken for _, taken in results]
    return {
        "demo runs": runs,
        "of these right": sum(right for right, _ in results),
        "seconds a run, median": round(statistics.median(seconds), 1),
        "seconds a run, worst": round(max(seconds), 1),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    figures = measure(options.runs)
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
