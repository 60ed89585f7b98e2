"""What was measured, and whether it is good enough. Times are milliseconds unless a name says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sipagent.bench.streams import Reception

WAITED_AT_MOST = 1.0
"""Percent of a window for which the worker may have waited for others: with more, they were measured."""
BUSY_AT_MOST = 80.0
"""Percent of its core that the worker may use where it still counts as carrying its calls."""
HEARD_AT_LEAST = 98.0
"""Percent of the callers' audio: what is on its way at the ends of a window is no loss."""
P99_MS = 2.0
MAX_MS = 20.0


class Verdict(Enum):
    """What became of a bar."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "the host was too busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Many measurements of one thing."""

    count: int
    p50: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Sum them up; None for none at all."""
        if not values:
            return None
        p50, p99 = np.percentile(values, [50, 99])
        return cls(count=len(values), p50=round(float(p50), 2), p99=round(float(p99), 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A number of seconds in which nothing was changed."""

    calls: int
    seconds: float
    processor_ms: float
    """Of the worker, for each call and second."""
    waiting_percent: float
    """Of the time, for which a thread of the worker was ready to run and another had its core: one of its own, too."""
    others_percent: float
    """Of the core's time, which was neither the worker's nor idle."""
    stolen_percent: float
    """Of the core's time, which the hypervisor took."""
    load_percent: float
    """Of a core, which load generator and stand-ins took."""
    reception: Reception
    heard_percent: float | None
    """Of the callers' audio, that came to the mind in this time; None for an echo."""
    gone: int
    """Calls that ended, which nobody had hung up."""
    lost_by_kernel: int
    sent_late: int
    """Packets that the load generator itself sent late."""
    heard: Spread | None
    """From a caller's packet to the mind's socket; of an echo, back to the caller's."""

    @property
    def is_disturbed(self) -> bool:
        """The worker waited for others for longer than may be.

        Its threads wait for each other, too: the share of others is taken to be that of the time in which they ran.
        """
        running = self.others_percent + self.busy_percent
        return self.waiting_percent * self.others_percent > WAITED_AT_MOST * running

    @property
    def busy_percent(self) -> float:
        """Of the worker's core."""
        return self.processor_ms * self.calls / 10

    @property
    def is_carried(self) -> bool:
        """All calls were served as they should."""
        heard = self.heard_percent is None or self.heard_percent >= HEARD_AT_LEAST
        whole = self.reception.is_whole and heard and not self.gone
        steady = self.reception.p99_ms < P99_MS and self.reception.max_ms < MAX_MS
        return whole and steady and self.busy_percent <= BUSY_AT_MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one run."""

    window: Window
    carried: int | None
    """The most calls that were found to be carried; None where nobody searched for them."""
    is_cut_short: bool
    """The search ended because the host was too busy, not because the phone could carry no more."""
    failed: int
    """Calls that were not answered."""
    gone: int
    """Calls that ended in any window, though nobody had hung up."""
    first_answered_ms: float | None
    """From INVITE to 200, of the first call that the worker ever had."""
    answered: Spread | None
    """The same, of all others."""
    set_up_ms: float
    """Processor time of the worker for setting up one call."""
    kb_a_call: float
    """Memory."""
    kb_kept: float
    """Memory that is not given back when all are hung up, for each of them: it waits for the next calls."""
    kb_kept_again: float
    """How much more that is after as many calls again."""
    stopped: Spread | None
    """From `speech_started` to the last packet of speech."""
    voiced: Spread | None
    """From the first chunk of the voice to its first packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure, what it has to be, and what it should be; None where nothing is asked for."""

    name: str
    value: float | int | None
    must: float | None = None
    aim: float | None = None
    is_least: bool = False
    """More is better."""
    depends_on_timing: bool = False
    is_final: bool = True
    """False where a better figure may have been missed."""

    def verdict(self, window: Window) -> Verdict | None:
        """Whether it is good enough, as far as that can be known."""
        if self.must is None or self.value is None:
            return None
        if self.value >= self.must if self.is_least else self.value <= self.must:
            return Verdict.MET
        is_known = self.is_final and not (self.depends_on_timing and window.is_disturbed)
        return Verdict.MISSED if is_known else Verdict.UNKNOWN


def bars(figures: Figures, *, is_echo: bool, append: int | None) -> list[Bar]:
    """Lay all figures beside what the product promises. `append` is None where appends grow."""
    window, got = figures.window, figures.window.reception
    heard, stopped, voiced = window.heard or _NONE, figures.stopped or _NONE, figures.voiced or _NONE
    processor = (0.45, None) if is_echo else (1.5, {40: 1.0, None: 0.5}.get(append))
    heard_at = "back at its caller" if is_echo else "to the mind's socket"
    is_first_hand = not is_echo and append in (None, 40)
    faults = got.lost + got.repeated + got.late
    carried = Bar(name="calls", value=window.calls)
    is_final = not figures.is_cut_short
    most = Bar(
        name="calls that one core carries", value=figures.carried, must=300, aim=800, is_least=True, is_final=is_final
    )
    return [
        carried if figures.carried is None else most,
        Bar(
            name="processor time of a call, ms a second", value=window.processor_ms, must=processor[0], aim=processor[1]
        ),
        _timed("off the 20 ms grid, p99", got.p99_ms, P99_MS, 0.5),
        _timed("off the 20 ms grid, worst", got.max_ms),
        _timed("packets lost, repeated or late", faults, 0),
        _timed("calls refused, silent or hung up by us", figures.failed + got.silent + figures.gone, 0),
        Bar(
            name="of the callers' audio, came to the mind, %",
            value=window.heard_percent,
            must=HEARD_AT_LEAST,
            is_least=True,
            depends_on_timing=True,
        ),
        Bar(name="memory of a call, kB", value=figures.kb_a_call, must=400, aim=250),
        Bar(name="of it kept for the next calls, kB", value=figures.kb_kept),
        Bar(name="and more of it after these, kB", value=figures.kb_kept_again, must=40),
        _timed(f"packet {heard_at}, median", heard.p50, 45 if is_first_hand else None),
        _timed(f"packet {heard_at}, p99", heard.p99, 70 if is_first_hand else None),
        _timed("first chunk of the voice to its packet, median", voiced.p50, 20),
        _timed("first chunk of the voice to its packet, p99", voiced.p99),
        _timed("caller speaks up to the last packet of speech, p99", stopped.p99, 40),
        Bar(name="INVITE to 200, the first call", value=figures.first_answered_ms),
        Bar(name="INVITE to 200, median", value=(figures.answered or _NONE).p50),
        Bar(name="INVITE to 200, p99", value=(figures.answered or _NONE).p99),
        Bar(name="processor time of setting up a call, ms", value=figures.set_up_ms),
        Bar(name="calls that one core could set up a second", value=round(1000 / max(figures.set_up_ms, 0.01))),
    ]


@dataclass(frozen=True, slots=True)
class _Nothing:
    p50: float | None = None
    p99: float | None = None


_NONE = _Nothing()


def _timed(name: str, value: float | None, must: float | None = None, aim: float | None = None) -> Bar:
    return Bar(name=name, value=value, must=must, aim=aim, depends_on_timing=True)
