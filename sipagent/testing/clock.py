"""An asyncio loop on virtual time: hours of timers in milliseconds, and every run the same to the bit.

The clock stands still while anything is ready to run, and jumps to the next timer when nothing is. A function in
`run_in_executor` (a tool in its worker thread) is waited for really, while the virtual clock stands. Real sockets
and child processes have no place on this loop: nobody waits for them.
"""

import asyncio
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


_RESOLUTION = 1e-9
"""Seconds by which asyncio runs a timer early: it and a step that close are of one moment."""


class Stalled(RuntimeError):
    """The program can never end: nothing is ready and no timer is set, or virtual time ran past its limit."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never blocks for time: it hands the wait to `jump`, and blocks only for worker threads."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = 0
        self.jump: Callable[[float | None], None] = lambda seconds: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.threads and timeout != 0:
            return super().select(None)
        woken = super().select(0)
        if not woken and timeout != 0:
            self.jump(timeout)
        return woken


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` is virtual seconds from `start`; past `limit` seconds of it `Stalled` is raised."""

    def __init__(self, *, start: float = 0.0, limit: float = 3600.0) -> None:
        selector = _JumpingSelector()
        self._virtual_now = start
        self._virtual_end = start + limit
        super().__init__(selector)
        self._jumping = selector
        self._script: deque[tuple[float, Callable[[], None]]] = deque()
        selector.jump = self._jump

    def time(self) -> float:
        return self._virtual_now

    def play(self, script: Iterable[tuple[float, Callable[[], None]]]) -> None:
        """Call each step of `script` at its time, in the script's order, when all that was due by then has settled.

        A step whose time is past is called as soon as the one before it has settled. What a step raises ends `run`.
        """
        self._script.extend(script)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], T], *args: *Arguments
    ) -> "asyncio.Future[T]":
        self._jumping.threads += 1
        work = super().run_in_executor(executor, func, *args)
        work.add_done_callback(self._thread_done)
        return work

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._jumping.threads += 1  # it joins the workers from a thread of its own
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._jumping.threads -= 1

    def _thread_done(self, work: "asyncio.Future[Any]") -> None:
        self._jumping.threads -= 1

    def _jump(self, seconds: float | None) -> None:
        """Everything has settled, and the next timer is due in `seconds`: go there, or to the next step before it."""
        due = math.inf if seconds is None else self._virtual_now + seconds
        if self._script and self._script[0][0] < due - _RESOLUTION:
            time, step = self._script.popleft()
            self._virtual_now = max(self._virtual_now, time)
            step()
        elif due == math.inf:
            raise Stalled(f"at {self._virtual_now:.3f} s nothing is ready and no timer is set{self._waiting()}")
        elif due > self._virtual_end:
            raise Stalled(f"not done by {self._virtual_end:.3f} s of virtual time{self._waiting()}")
        else:
            self._virtual_now = due

    def _waiting(self) -> str:
        """Name every unfinished task and the line where it waits."""
        lines = [f"\n  {task.get_name()} waits at {_place(task)}" for task in asyncio.all_tasks(self)]
        return "; unfinished:" + "".join(sorted(lines)) if lines else ""


def _place(task: "asyncio.Task[Any]") -> str:
    frames = task.get_stack()
    return f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "its start"


def run(main: Coroutine[Any, Any, T], *, start: float = 0.0, limit: float = 3600.0) -> T:
    """Run `main` to its end on virtual time and return its result. Raises `Stalled` where a real loop would hang."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start=start, limit=limit)) as runner:
        return runner.run(main)
