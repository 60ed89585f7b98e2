"""A benchmark from its beginning to its end: call, listen, interrupt, hang up, and read what it took.

built(setting) ─► Bench ─ dial ─► listen ─► interrupt ─► hang_up ─► Figures
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sipagent.bench import host, streams
from sipagent.bench.figures import BUSY_AT_MOST, Figures, Spread, Window
from sipagent.bench.search import Search
from sipagent.bench.site import Site
from sipagent.bench.streams import QUIET, Rows
from sipagent.memory import AFTERWARDS

RATE = 25
"""Calls placed a second."""
SETTLING = 2.0
"""Seconds before a window: caches, jitter buffers and the voice's lead are as they stay."""
ATTEMPTS = 3
"""At a window that others disturbed, or that went wrong once."""
PROBE = 4.0
"""Seconds of a window in the search."""
_BARGE_INS = 2.0
_TURN = 2.0
"""Seconds after the last caller has barged in, by which the agent talks again."""
_CLEARED = AFTERWARDS + 1.0
"""Seconds from the last hang-up until the phone has given its memory back."""
_PATIENCE = 60.0

Told = Callable[[str], object]


class Bench:
    """One site at work. `told` is given a line for people whenever a step is over."""

    def __init__(self, site: Site, told: Told = lambda line: None) -> None:
        self._site = site
        self._told = told
        self._calls = 0
        self._took_ms: list[float] = []
        self._failed = 0
        self._gone = 0
        self._ramps: list[tuple[int, float, float]] = []
        """Calls set up, processor time meanwhile, and call-seconds of those that stood already."""
        self._warm_up()

    def measure(self, calls: int, seconds: float) -> Figures:
        """So many calls, for so long."""
        return self._finish(self.window(calls, seconds))

    def window(self, calls: int, seconds: float) -> Window:
        """The same without what comes after: who interrupts whom, and the memory."""
        self.dial(calls)
        return self._window(seconds)

    def search(self, seconds: float) -> Figures:
        """The most calls that are carried; all other figures are of a window of `seconds` with that many."""
        search, is_cut_short = Search(), False
        while (calls := search.next) is not None and not is_cut_short:
            self.dial(calls)
            window = self._window(PROBE, is_probe=True)
            is_whole = self._calls == calls
            is_cut_short = window.is_disturbed and not window.is_carried
            if not is_cut_short:
                room = BUSY_AT_MOST / max(window.busy_percent, 1.0)
                search.take(calls, is_carried=window.is_carried and is_whole, room=room)
        self.dial(search.carried or 1)
        return self._finish(self._window(seconds), carried=search.carried, is_cut_short=is_cut_short)

    # ---- steps

    def dial(self, calls: int) -> None:
        """Have so many calls stand."""
        more = calls - self._calls
        if more < 0:
            self._hang_up(-more)
        elif more:
            before, stood = self._usage(), self._calls
            dialled = self._generator({"do": "dial", "calls": more, "rate": RATE}, more / RATE)
            used = self._usage().since(before)
            self._calls += more - dialled["failed"]
            self._failed += dialled["failed"]
            self._took_ms += dialled["took_ms"]
            self._ramps.append((more, used.processor, used.at * (stood + more / 2)))
        time.sleep(SETTLING)

    def _hang_up(self, calls: int) -> None:
        self._generator({"do": "hang_up", "calls": calls}, 0)
        self._calls -= calls

    def _window(self, seconds: float, *, is_probe: bool = False) -> Window:
        """Listen; again, if others had the processor, or if something went wrong that may not go wrong twice.

        A probe that went well need not be repeated: it did so though others had the processor.
        """
        windows: list[Window] = []
        for _ in range(ATTEMPTS):
            window = self._listen(seconds)
            self._told(_summary(window))
            windows.append(window)
            if window.is_carried and (is_probe or not window.is_disturbed):
                return window
            if not window.is_disturbed and len(windows) > 1:
                break
        return min(windows, key=lambda window: (window.is_disturbed, not window.is_carried, window.waiting_percent))

    def _listen(self, seconds: float) -> Window:
        site = self._site
        self._take()
        core, lost = host.Core.of(site.core), host.lost_by_kernel()
        others = [host.Usage.of(child.pid) for child in self._others]
        before = self._usage()
        calls = self._calls
        listened, rows = self._take_down(seconds)
        used, core = self._usage().since(before), host.Core.of(site.core).since(core)
        load = [host.Usage.of(child.pid).since(was) for child, was in zip(self._others, others, strict=True)]
        counted = self._take()
        self._calls -= listened["gone"]
        self._gone += listened["gone"]
        bytes_heard = counted.get("audio_bytes")
        return Window(
            calls=calls,
            seconds=round(used.at, 2),
            processor_ms=round(used.processor / used.at / max(calls, 1) * 1000, 3),
            waiting_percent=round(used.waiting / used.at * 100, 2),
            others_percent=round(max(0.0, used.at - core.idle - used.processor) / used.at * 100, 2),
            stolen_percent=round(core.stolen / used.at * 100, 2),
            load_percent=round(sum(each.processor / each.at for each in load) * 100, 1),
            reception=streams.judge(tuple(rows.values())),
            heard_percent=None if bytes_heard is None else round(bytes_heard / (8000 * calls * seconds) * 100, 1),
            gone=listened["gone"],
            lost_by_kernel=host.lost_by_kernel() - lost,
            sent_late=listened["sent_late"],
            heard=Spread.of(self._delays(listened["sent"], counted, rows)),
        )

    def _delays(
        self, sent: list[tuple[int, int, int]], counted: Mapping[str, Any], rows: Mapping[int, Rows]
    ) -> list[float]:
        """Milliseconds that each marked packet took to the mind, or of an echo back to its caller."""
        if self._site.setting.is_echo:
            came = {
                (call, int(number)): int(at)
                for call, received in rows.items()
                for at, number in received[received[:, 3] != QUIET][:, [0, 3]]
            }
        else:
            came = {(call, number): at for call, number, at in counted["heard"]}
        return [(came[call, number] - at) / 1e6 for call, number, at in sent if (call, number) in came]

    def _interrupt(self) -> tuple[list[float], list[float]]:
        """Every caller barges in once. Returns how long the voice went on, and how soon the next was heard."""
        assert self._site.stand_ins is not None
        self._take()
        self._site.stand_ins.ask({"do": "barge_in", "seconds": _BARGE_INS})
        _, rows = self._take_down(_BARGE_INS + _TURN)
        counted = self._take()
        stopped = [streams.silenced(rows[call], at) for call, at in counted["stopped"] if call in rows]
        return [each for each in stopped if each is not None], streams.voiced(rows, counted["spoken"])

    def _finish(self, window: Window, *, carried: int | None = None, is_cut_short: bool = False) -> Figures:
        stopped, voiced = ([], []) if self._site.stand_ins is None else self._interrupt()
        calls, most = max(self._calls, 1), self._memory()
        self._hang_up(self._calls)
        kept = self._memory_afterwards()
        self._generator({"do": "dial", "calls": calls, "rate": RATE}, calls / RATE)
        self._generator({"do": "hang_up", "calls": calls}, 0)
        kept_again = self._memory_afterwards()
        set_up = sum(ramp[0] for ramp in self._ramps)
        spent = sum(ramp[1] - ramp[2] * window.processor_ms / 1000 for ramp in self._ramps)
        return Figures(
            window=window,
            carried=carried,
            is_cut_short=is_cut_short,
            failed=self._failed,
            gone=self._gone,
            first_answered_ms=self._first_took_ms,
            answered=Spread.of(self._took_ms),
            set_up_ms=round(spent / set_up * 1000, 2),
            kb_a_call=round((most - self._memory_at_first) / calls),
            kb_kept=round((kept - self._memory_at_first) / calls),
            kb_kept_again=round((kept_again - kept) / calls),
            stopped=Spread.of(stopped),
            voiced=Spread.of(voiced),
        )

    def _warm_up(self) -> None:
        """A call before all others: what is made once is made. Then the memory is that of a phone without calls."""
        self.dial(1)
        self._hang_up(1)
        self._memory_at_first = self._memory_afterwards()
        self._first_took_ms = round(self._took_ms.pop(), 2) if self._took_ms else None
        self._ramps.clear()

    # ---- the processes

    def _memory(self) -> int:
        """Kilobytes that the phone has in use now."""
        return host.resident_kb(self._site.worker)

    def _memory_afterwards(self) -> int:
        """The same, when the phone has given back what it can of the calls that were hung up."""
        time.sleep(_CLEARED)
        return self._memory()

    @property
    def _others(self) -> list[Any]:
        return [child for child in (self._site.generator, self._site.stand_ins) if child is not None]

    def _usage(self) -> host.Usage:
        return host.Usage.of(self._site.worker)

    def _generator(self, command: Mapping[str, Any], seconds: float) -> Any:
        answer = self._site.generator.ask(command, seconds + _PATIENCE)
        self._site.check()
        return answer

    def _take(self) -> Any:
        return self._site.stand_ins.ask({"do": "take"}) if self._site.stand_ins is not None else {}

    def _take_down(self, seconds: float) -> tuple[Any, dict[int, Rows]]:
        file = self._site.directory / "rows"
        listened = self._generator({"do": "listen", "seconds": seconds, "file": str(file)}, seconds)
        return listened, streams.read_rows(file.read_bytes(), listened["lengths"])


def _summary(window: Window) -> str:
    """One line about a window."""
    got, words = window.reception, "disturbed: " if window.is_disturbed else ""
    return (
        f"{window.calls:5} calls: {words}{window.processor_ms:.2f} ms a call-second, core {window.busy_percent:.0f} %"
        f" (others {window.others_percent:.0f} %), waited {window.waiting_percent:.1f} %,"
        f" p99 {got.p99_ms:.2f} ms, worst {got.max_ms:.1f}, lost {got.lost} repeated {got.repeated} late {got.late},"
        f" load {window.load_percent:.0f} %"
    )
