"""The table of cases, from the JUnit files of a directory, and the logs of groups that failed.

python -m tests.interop.verdicts DIRECTORY
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree


def rows(directory: Path) -> Iterator[tuple[str, str, float, str]]:
    """(group, case, seconds, verdict) of every case."""
    for file in sorted(directory.glob("*.xml")):
        for case in ElementTree.parse(file).iter("testcase"):
            faults = {child.tag for child in case} & {"failure", "error", "skipped"}
            name = case.get("name", "").removeprefix("test_").replace("_", " ")
            yield file.stem, name, float(case.get("time", 0)), "/".join(sorted(faults)) or "passed"


def figures(directory: Path) -> Iterator[str]:
    """What the cases measured."""
    for file in sorted(directory.glob("*.xml")):
        for measured in ElementTree.parse(file).iter("property"):
            yield f"{measured.get('name')}: {measured.get('value')}"


def main(directory: Path) -> None:
    table = list(rows(directory))
    for group, case, seconds, verdict in table:
        print(f"{verdict:8} {seconds:6.1f} s  {group:14} {case}")
    for figure in figures(directory):
        print(figure)
    unwell = {group for group, _, _, verdict in table if verdict not in ("passed", "skipped")}
    unwell |= {log.stem for log in directory.glob("*.log")} - {group for group, _, _, _ in table}
    for group in sorted(unwell):
        print(f"\n--- {group}\n{(directory / f'{group}.log').read_text(errors='replace')[-20000:]}")
    for log in sorted(directory.glob("*.log")):
        last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
        print(f"{log.stem:14} {last}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
