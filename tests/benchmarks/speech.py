"""How human speech sounds after a bad network, and how late: PESQ of the echo pipeline, beside other ways to hear it.

    .venv-bench/bin/python -m tests.benchmarks.speech [--seeds 5] [--only 3%] [--virtual] [--json]

Needs the corpora (SIPAGENT_CORPORA) and the extra `bench`. On virtual time, where a minute does for hours of speech;
then, unless `--virtual`, in calls to a real phone of ours and to baresip, whose delays are those of their whole echo.
Exit code 4 when a bar is missed; with --json, which is for `make bench`, the code is 0.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from sipagent.audio import g711
from sipagent.audio.g711 import Samples
from sipagent.audio.wav import read
from sipagent.testing.path import Path, at_random, by_pattern, in_bursts
from tests.benchmarks import real_echo, receivers
from tests.benchmarks.listening import Verdict, delays, judge, programme, quality
from tests.benchmarks.receivers import TICK, Coming, Heard
from tests.media.traces import Session, itu_losses, sessions

WAY = 0.03
SHORTEST = 4 * g711.RATE
"""Samples: PESQ is made for recordings of some seconds."""
DRIFT = 200e-6
LATELY = 250
"""Packets (5 s) of which the fastest tells how long the way is now."""
TOO_LATE = 400.0
"""Milliseconds of delay with which nobody converses: such a receiver is no rival, however clean its sound."""
WITHIN = 0.2
"""What jitter and drift may cost of the score of a clean network."""
BARS = {"clean": 4.2, "3 % random loss": 3.3, "5 % bursts, Gilbert": 2.8, "5 % bursts, ITU": 2.8}
AS_CLEAN = ("jitter 40 ms", "jitter 40 ms, in order", "clock +200 ppm", "clock -200 ppm")
JITTER = ("jitter 40 ms", "jitter 40 ms, in order")
MEDIAN_DELAY = 60.0
NOISE = 0.005
"""By how little a score is no better than another."""
Receiver = Callable[[Sequence[Coming], Sequence[bytes], int], Heard]
OURS = "sipagent"
RECEIVERS: Mapping[str, Receiver] = {
    OURS: receivers.echo,
    "aiortc": receivers.aiortc,
    "zero fill": receivers.zero_fill,
}
REAL = {"sipagent, a real phone": real_echo.phone, "baresip": real_echo.baresip}
CHECKED = ("speech.wav", "speech_bab_0dB.wav")
CHECK = 1.6072081327
"""PESQ of a pair of the corpora, by the code of the ITU."""

Condition = Callable[[int, int], list[Coming]]
"""The packets that come of so many, by a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """All recordings as one, where each of them is, and its packets."""

    said: Samples
    places: list[slice]
    frames: list[bytes]


def speech(corpora: FilePath) -> Speech:
    """Every recording of some seconds: telephone prompts of one voice, and novels read by another."""
    paths = [*sorted((corpora / "speech" / "asterisk-en").glob("*.wav"))]
    paths += sorted((corpora / "speech" / "librivox").glob("*.wav"))
    recordings = [recording for path in paths if len(recording := read(path.read_bytes()).mono()) >= SHORTEST]
    said, places = programme(recordings)
    audio = g711.encode(said, g711.PCMU)
    return Speech(said=said, places=places, frames=[audio[at : at + 160] for at in range(0, len(audio), 160)])


def way(seed: int) -> float:
    """What the fastest packet takes, in seconds: each time another phase of our clock."""
    return WAY + seed * 0.007


def conditions(corpora: FilePath) -> dict[str, Condition]:
    """The networks, by name."""
    pattern = itu_losses(corpora / "jitter" / "stl-eid-patb5pct.ref")
    plain: dict[str, Condition] = {
        "clean": _over(lambda seed: Path(delay=way(seed))),
        "3 % random loss": _over(lambda seed: Path(delay=way(seed), losses=at_random(0.03, seed))),
        "5 % bursts, Gilbert": _over(lambda seed: Path(delay=way(seed), losses=in_bursts(0.05, 3, seed))),
        "5 % bursts, ITU": _over(lambda seed: Path(delay=way(seed), losses=by_pattern(_turned(pattern, seed * 137)))),
        "jitter 40 ms": _over(lambda seed: Path(delay=way(seed), jitter=0.04, seed=seed)),
        "jitter 40 ms, in order": _over(lambda seed: Path(delay=way(seed), jitter=0.04, overtakes=False, seed=seed)),
        "clock +200 ppm": _over(lambda seed: Path(delay=way(seed)), drift=DRIFT),
        "clock -200 ppm": _over(lambda seed: Path(delay=way(seed)), drift=-DRIFT),
    }
    long = [session for session in sessions(corpora / "jitter" / "pjmedia-Jbtest.dat") if len(session.steps) > 800]
    return plain | {f"pjmedia: {session.title[:40]}": _by(session) for session in long}


def listen(heard: Heard, coming: Sequence[Coming], speech: Speech) -> Verdict:
    """Judge what was heard of all recordings that were said to their end."""
    played, echoed = (g711.decode(audio, g711.PCMU) for audio in (heard.played, heard.echoed))
    end = (max(arrival.number for arrival in coming) + 1) * g711.FRAME
    places = [place for place in speech.places if place.stop < end]
    way = fastest(coming)
    found = delays(speech.said, played, places)
    return Verdict(
        scores=judge(speech.said, echoed, places),
        delays=tuple((late + heard.begins - way[int(said / TICK)]) * 1000 for said, late in found),
    )


def fastest(coming: Sequence[Coming]) -> list[float]:
    """What the fastest of the last packets took, in seconds, for each packet: what a buffer adds counts from there."""
    lags = [math.inf] * (max(arrival.number for arrival in coming) + 1)
    for at, number in coming:
        lags[number] = min(lags[number], at - number * TICK)
    return [min(lags[max(0, number - LATELY) : number + 1]) for number in range(len(lags))]


def _over(path: Callable[[int], Path], drift: float = 0.0) -> Condition:
    def coming(seed: int, count: int) -> list[Coming]:
        way = path(seed)
        arrivals = ((way.carry(number * TICK * (1 + drift)), number) for number in range(count))
        return sorted(Coming(at, number) for at, number in arrivals if at is not None)

    return coming


def _by(session: Session) -> Condition:
    """A trace decides when each packet comes; what comes before a tick comes just before it."""

    def coming(seed: int, count: int) -> list[Coming]:
        return [Coming(tick * TICK + WAY, number) for tick, number in session.arrivals() if number < count]

    return coming


def _turned(pattern: list[bool], by: int) -> list[bool]:
    by %= len(pattern)
    return pattern[by:] + pattern[:by]


# ---- the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every receiver made of one network."""

    network: str
    verdicts: Mapping[str, Verdict]

    def failures(self, clean: float) -> Iterator[str]:
        """Say which bars are missed; `clean` is our own score without any trouble."""
        ours = self.verdicts[OURS]
        bar = BARS.get(self.network, clean - WITHIN if self.network in AS_CLEAN else 0.0)
        if ours.score < bar:
            yield f"{self.network}: {ours.score:.2f}, not {bar:.2f}"
        if self.network in JITTER and ours.median_delay > MEDIAN_DELAY:
            yield f"{self.network}: median delay {ours.median_delay:.0f} ms, not {MEDIAN_DELAY:.0f}"
        for name, verdict in self.verdicts.items():
            if not name.startswith(OURS) and verdict.delay < TOO_LATE and verdict.score > ours.score + NOISE:
                yield f"{self.network}: {ours.score:.2f}, and {name} {verdict.score:.2f}"


def measure(corpora: FilePath, seeds: int, only: str, *, real: bool) -> list[Row]:
    """Run every receiver over every network."""
    material = speech(corpora)
    networks = {name: condition for name, condition in conditions(corpora).items() if only in name}
    first = [condition(0, len(material.frames)) for condition in networks.values()]
    calls = _call_processes(first, material) if real else {}
    rows = []
    for index, (network, condition) in enumerate(networks.items()):
        runs = [condition(seed, len(material.frames)) for seed in range(seeds)]
        verdicts = {name: _heard(hear, runs, material) for name, hear in RECEIVERS.items()}
        rows.append(Row(network=network, verdicts=verdicts | {name: heard[index] for name, heard in calls.items()}))
    return rows


def _call_processes(runs: Sequence[Sequence[Coming]], material: Speech) -> dict[str, list[Verdict]]:
    """Call each real process over all networks at once, in real time."""
    found = {}
    for name, process in REAL.items():
        with process():
            heard = real_echo.listen(runs, material.frames)
        found[name] = [listen(each, coming, material) for each, coming in zip(heard, runs, strict=True)]
    return found


def _heard(hear: Receiver, runs: Sequence[Sequence[Coming]], material: Speech) -> Verdict:
    verdict = Verdict(scores=(), delays=())
    for coming in runs:
        ticks = max(arrival.number for arrival in coming) + g711.RATE // g711.FRAME
        verdict += listen(hear(coming, material.frames, ticks), coming, material)
    return verdict


def is_sound(corpora: FilePath) -> bool:
    """Tell whether PESQ here is PESQ."""
    pair = (read((corpora / "speech" / "pesq-pair" / name).read_bytes()).mono(16000) for name in CHECKED)
    return abs(quality(16000, *pair) - CHECK) < 1e-6


def shown(verdict: Verdict) -> str:
    """One cell."""
    return f"{verdict.score:.2f} ± {verdict.spread:.2f} at {verdict.delay:.0f} ms (median {verdict.median_delay:.0f})"


def main() -> int:
    """Measure, show, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    parser.add_argument("--virtual", action="store_true", help="no calls to real processes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    corpora = FilePath(os.environ.get("SIPAGENT_CORPORA", ""))
    if not (corpora / "speech").is_dir():
        print(json.dumps({"left out": "SIPAGENT_CORPORA names no corpora"}))
        return 0 if options.json else 2
    if not is_sound(corpora):
        raise SystemExit("PESQ does not give its check value: its scores mean nothing here")
    rows = measure(corpora, options.seeds, options.only, real=not options.virtual)
    clean = rows[0].verdicts[OURS].score
    failures = [failure for row in rows for failure in row.failures(clean)]
    if options.json:
        figures = {
            row.network: "; ".join(f"{name} {shown(verdict)}" for name, verdict in row.verdicts.items()) for row in rows
        }
        print(json.dumps(figures | {"bars missed": "; ".join(failures) or "none"}, indent=1))
        return 0
    for row in rows:
        print(row.network, *(f"{name:>24}  {shown(verdict)}" for name, verdict in row.verdicts.items()), sep="\n")
    print(*failures, sep="\n")
    return 4 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
