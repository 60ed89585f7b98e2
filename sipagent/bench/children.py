"""Child processes that take commands and give answers, one JSON object a line each way."""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sipagent.errors import SipagentError

PATIENCE = 30.0
"""Seconds until a child has said its first line."""
LEAVE = 10.0
"""Seconds that it has to end once its input has."""
_LAST_LINES = 12
_NICENESS = -10
"""Ten times the share of an ordinary program: what else runs on the machine disturbs less."""


class ChildFailed(SipagentError):
    """A process of the benchmark ended, or does not answer."""


def start(argv: Sequence[str], cores: Collection[int], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a program that keeps to `cores`, in a session of its own: Ctrl-C is for us alone.

    It goes before other programs if we may decide that.
    """
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # what is started now inherits it
    try:
        process = subprocess.Popen(argv, start_new_session=True, **options)
    finally:
        os.sched_setaffinity(0, ours)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        Path(f"/proc/{process.pid}/autogroup").write_text(str(_NICENESS))  # of its session, which counts first
    return process


class Child:
    """A Python module in a process of its own, which keeps to `cores`. It ends when we do, however we end."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        cores: Collection[int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  closed with the child
        self._process = start(
            [sys.executable, "-m", *arguments],
            cores,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env={**os.environ, **(environment or {})},
        )
        self.pid = self._process.pid

    def ask(self, command: Mapping[str, Any], patience: float = PATIENCE) -> Any:
        """Give a command, and wait for the answer. Raises ChildFailed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("has ended") from None
        return self.answer(patience)

    def answer(self, patience: float = PATIENCE) -> Any:
        """Wait for a line. Raises ChildFailed."""
        assert self._process.stdout is not None
        until, line = time.monotonic() + patience, b""
        while not line.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise self._failed(f"has not answered for {patience:g} s")
            read = os.read(self._process.stdout.fileno(), 1 << 20)
            if not read:
                raise self._failed("has ended")
            line += read
        return json.loads(line)

    def check(self) -> None:
        """Raise ChildFailed if it has ended."""
        if self._process.poll() is not None:
            raise self._failed("has ended")

    def _failed(self, how: str) -> ChildFailed:
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        return ChildFailed("\n".join([f"the {self._name} {how}", *lines]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended with a command unread
            self._process.stdin.close()
        try:
            self._process.wait(LEAVE if error is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._words.close()
