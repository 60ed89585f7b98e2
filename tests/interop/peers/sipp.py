"""sipp: one program that plays a scenario of `scenarios.py`, once or many times at once."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self


class Sipp:
    """One run of one scenario against `target` (host:port); starts at construction. `wait` gives the verdict.

    `transport` is sipp's: `u1` UDP, `t1` TCP by one connection.
    """

    def __init__(
        self,
        directory: Path,
        scenario: str,
        target: str,
        *,
        caller: str = "sipp",
        password: str = "",
        called: str = "agent",
        host: str = "127.0.0.1",
        port: int = 5090,
        calls: int = 1,
        transport: str = "u1",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._dir = directory
        # sipp 3.6 expands its authentication keyword only inside a field.
        credentials = f"[authentication username={caller} password={password}]"
        (directory / "fields.csv").write_text(f"SEQUENTIAL\n{caller};{credentials};{called}\n")
        (directory / "scenario.xml").write_text(scenario)
        argv = ["sipp", target, "-sf", "scenario.xml", "-inf", "fields.csv", "-i", host, "-p", str(port)]
        argv += ["-mi", host, "-mp", str(20000 + (port - 5000) * 40)]
        argv += ["-t", transport]
        argv += ["-m", str(calls), "-l", str(calls), "-r", str(calls), "-nostdin", "-timeout", "90s", "-timeout_error"]
        argv += ["-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"]
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody waits for it any more: end it where it is."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout: float = 60) -> None:
        """Return when every call went as the scenario says. Raises AssertionError with sipp's own complaint."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        assert code == 0, f"sipp ended with {code}: {self._read('errors.log')[-2000:] or self.messages[-3000:]}"

    @property
    def messages(self) -> str:
        """Every message it sent and received."""
        return self._read("messages.log")

    def _read(self, name: str) -> str:
        log = self._dir / name
        return log.read_text(errors="replace") if log.exists() else ""
