"""What a soak has to show: nothing grows, the log complains of nothing, and the last call sounds like the first."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sipagent.audio import encoding
from sipagent.bench.streams import Reception
from tests.soak.plan import LONGEST

WARM = 0.25
"""The share of a soak that is warm-up: buffers, caches and arenas become as they stay. A call takes more the longer it
lasts, so warm-up is no shorter than the longest call, where a soak has the time."""
RISE_AT_MOST = 0.1
"""Of the memory after warm-up, that the line through the rest may rise by: glibc's arenas fill up for some minutes, as
calls of other sizes come and go. A longer soak asks for less a minute. What Python keeps is judged apart."""
BLOCKS, BLOCKS_A_CALL = 10_000, 30
"""Blocks of memory that Python may have more than before: for caches, and a call. One that is kept has thousands."""
LEVEL_DB = 1.0
P99_MS = 20.0
"""Alone on the machine; a soak shares it with a hundred callers. What `sipagent bench` asks for is a tenth."""
EXPECTED = (
    re.compile(r"WARNING sipagent\.media the media thread woke up \d+ ms late;"),
    re.compile(r"ERROR sipagent call \w+: its media failed\n(?:.*\n)*TypeError: "),
)
"""What a busy host alone brings into the log, and the one call that is spoilt."""
_WANTED = re.compile(
    r"CALLER ended by us: .*|AGENT (ended by (caller|us): |refused: 480 .*)|CANCEL cancelled|CANCEL refused: 487 .*"
    r"|SPOILT ended by caller: its media failed"
)
"""How calls may end, as their callers tell it: `us` is the caller there, and `caller` the phone."""
_UNWANTED = ("ProviderFailed", "ProviderClosed", "CallFailed", "CallerRefused", "Notice")
ALL = "blocks"
"""What a census calls all blocks of memory that Python has."""
_BEGINS = re.compile(r"^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) ", re.MULTILINE)
_HARMLESS = ("DEBUG ", "INFO ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The phone at one moment: from outside, and what it says of itself."""

    at: float
    resident_kb: int
    descriptors: int
    threads: int
    tasks: int
    ports: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The line through the resident size after warm-up, what calls stood for taken out of it."""

    kb: float
    """When it begins."""
    kb_a_minute: float
    minutes: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Memory":
        """Draw it, by least squares."""
        lasted = samples[-1].at - samples[0].at
        begins = max(WARM * lasted, min(LONGEST, lasted / 2))
        warm = [each for each in samples if each.at - samples[0].at >= begins]
        at = np.array([each.at for each in warm])
        at -= at[0]
        usual = np.median([each.calls for each in warm])
        calls = np.array([each.calls for each in warm]) - usual
        columns = [np.ones(len(warm)), at, *([calls] if calls.any() else [])]
        found, *_ = np.linalg.lstsq(np.stack(columns, 1), np.array([each.resident_kb for each in warm]), rcond=None)
        return cls(kb=float(found[0]), kb_a_minute=float(found[1]) * 60, minutes=float(at[-1]) / 60)

    @property
    def rise(self) -> float:
        """By which share it has grown in the whole time."""
        return self.kb_a_minute * self.minutes / self.kb

    def __str__(self) -> str:
        return f"{self.kb / 1024:.0f} MB {self.kb_a_minute / 1024:+.2f} a minute"

    def faults(self) -> list[str]:
        if self.rise <= RISE_AT_MOST:
            return []
        return [f"memory grows by {self.kb_a_minute:.0f} kB a minute, which is {self.rise:.1%} in this time"]


def left_behind(before: Sample, after: Sample) -> list[str]:
    """What is more than it was, now that all calls are over as they were then."""
    names = ("descriptors", "threads", "tasks", "ports", "calls")
    grown = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return [f"{name}: {now}, and {then} before" for name, (then, now) in grown.items() if now > then]


def not_collected(before: Mapping[str, int], after: Mapping[str, int], served: int) -> list[str]:
    """Types of which as many more objects are left as if every tenth call had kept one, or too much of anything."""
    grown = Counter(after)
    grown.subtract(before)
    blocks = grown.pop(ALL, 0)
    faults = [f"{blocks} more blocks of memory"] if blocks > BLOCKS + BLOCKS_A_CALL * served else []
    return faults + [f"{count} more of {name}" for name, count in grown.most_common() if count > max(3, served / 10)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A call over a clean network, as its caller heard it."""

    reception: Reception
    level_db: float

    @classmethod
    def of(cls, reception: Reception, audio: bytes) -> "Probe":
        """Judge its rows, and its audio (PCMU)."""
        samples = encoding.decode(audio, encoding.PCMU).astype(float)
        power = float(np.mean(samples**2)) if len(samples) else 0.0
        return cls(reception=reception, level_db=10 * math.log10(max(power, 1e-9) / 32768**2))

    @property
    def is_whole(self) -> bool:
        """Nothing is missing, and it came evenly enough."""
        return bool(self.reception.packets) and self.reception.is_whole and self.reception.p99_ms <= P99_MS


def sounds_otherwise(first: Probe, last: Probe) -> list[str]:
    """How the last call differs from the first, or is not whole."""
    faults = [
        f"the {name} call: lost {got.lost}, repeated {got.repeated}, late {got.late}, p99 {got.p99_ms} ms off the grid"
        for name, probe, got in (("first", first, first.reception), ("last", last, last.reception))
        if not probe.is_whole
    ]
    if abs(first.level_db - last.level_db) > LEVEL_DB:
        faults.append(f"the last call is at {last.level_db:.1f} dB, the first at {first.level_db:.1f}")
    if abs(first.reception.packets - last.reception.packets) > 0.1 * first.reception.packets:
        faults.append(f"the last call has {last.reception.packets} packets, the first {first.reception.packets}")
    return faults


def complaints(log: str) -> tuple[list[str], int]:
    """Return the entries of a log that nobody expects, and how many wake-ups were late."""
    starts = [found.start() for found in _BEGINS.finditer(log)]
    preamble = log[: starts[0]] if starts else log
    entries = [log[start:end] for start, end in zip(starts, [*starts[1:], len(log)], strict=True)]
    serious = [entry for entry in entries if not entry.startswith(_HARMLESS) or "Traceback" in entry]
    late, failed = ([entry for entry in serious if pattern.match(entry)] for pattern in EXPECTED)
    unexpected = [entry for entry in serious if entry not in (*late, *failed[:1])]
    return ([preamble] if preamble.strip() else []) + unexpected + failed[1:], len(late)


def astray(
    seen: Mapping[str, int], told: Mapping[str, int], receptions: Sequence[Reception], *, is_lossy: bool
) -> list[str]:
    """Calls that ended as nobody wanted, by what callers (`seen`) and phone (`told`) say, and packets that never came.

    A network that loses our packets, too (`is_lossy`), tells nothing of the latter.
    """
    faults = [f"{count} calls: {how}" for how, count in seen.items() if _is_end(how) and not _WANTED.fullmatch(how)]
    faults += [f"{told[name]} {name} in the phone" for name in _UNWANTED if told.get(name)]
    faults += [f"{count} times in the phone: {what}" for what, count in told.items() if " failed: " in what]
    spoilt = sum(count for how, count in seen.items() if how.startswith("SPOILT "))
    if spoilt != 1:
        faults.append(f"{spoilt} calls ended because their media failed, in place of one")
    lost, repeated = sum(each.lost for each in receptions), sum(each.repeated for each in receptions)
    if (lost or repeated) and not is_lossy:
        faults.append(f"callers missed {lost} packets, and got {repeated} twice")
    return faults


def _is_end(how: str) -> bool:
    """Whether a thing that happened is the end of a call: those have names of two parts."""
    return " " in how
