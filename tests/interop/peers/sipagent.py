"""The agent under test, run as its user runs it: `sipagent run -c sip.conf --json` in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.peers.event_log import EventLog
from tests.interop.peers.raw_caller import RawCaller

HOST, PORT = "127.0.0.1", 5080

REGISTERED = """
[account pbx]
registrar = sip:127.0.0.1:5060
username = 6001
password = pw6001
"""

_CONFIGURATION = """
[general]
bind = {host}:{port}
rtp_ports = 40000-40199
{general}
{account}
[agent]
greeting = Hello, this is the test line.
{agent}
[record]
calls = wav
directory = {directory}/calls
capture = pcap
"""


SCENES = Path(__file__).parent / "scenes.py"


def scene(name: str) -> str:
    """The scenario of `scenes.py` that has this name, as `sipagent run` wants it."""
    return f"{SCENES}:{name}"


def account(user: str, *lines: str) -> str:
    """The account of another user of the same PBX, with further lines of sip.conf."""
    return REGISTERED.replace("6001", user) + "".join(f"{line}\n" for line in lines)


class Sipagent:
    """Starts at construction. `events` holds its JSON lines by `type`.

    `account` is a section of sip.conf; `general` and `agent` are further lines of theirs. `conf` replaces all of it.
    `command="dial"` has it place a call instead: `Sipagent(directory, "600", "--from", "pbx", command="dial")`.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        command: str = "run",
        account: str = REGISTERED,
        general: str = "",
        agent: str = "",
        conf: str = "",
        host: str = HOST,
        port: int = PORT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._dir = directory
        self.address = host, port
        text = conf or _CONFIGURATION.format(
            host=host, port=port, directory=directory, account=account, general=general, agent=agent
        )
        (directory / "sip.conf").write_text(text)
        self.events = EventLog("sipagent")
        argv = [sys.executable, "-m", "sipagent", command, *arguments, "-c", str(directory / "sip.conf"), "--json"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**_without_keys(), **(environment or {})},
            )
        threading.Thread(target=self._read, daemon=True).start()

    def wait_until_up(self, timeout: float = 20) -> None:
        """Return when it answers OPTIONS, as a monitoring PBX would find out."""
        deadline = time.monotonic() + timeout
        with RawCaller(self.address) as caller:
            while not caller.ask("OPTIONS", timeout=0.2).startswith("SIP/2.0 200"):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"sipagent does not come up: {self.log[-2000:]}")

    def wait_until_registered(self, timeout: float = 20) -> None:
        self.events.wait("Registered", timeout)

    @property
    def calls(self) -> Path:
        """Where it leaves recordings and captures."""
        return self._dir / "calls"

    @property
    def processor_time(self) -> float:
        """Seconds that all its threads have computed so far, in user space and in the kernel."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def log(self) -> str:
        """What it said on stderr."""
        return self._log.read_text(errors="replace")

    def interrupt(self) -> None:
        """One Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self, timeout: float = 30) -> int:
        """The exit code of a command that ends by itself."""
        return self._process.wait(timeout)

    def stop(self) -> int:
        """Ctrl-C, and again after three seconds if calls keep it; the exit code. Raises TimeoutExpired if it hangs."""
        for patience in (3, 12):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(patience)
        self._process.kill()
        self._process.wait()
        raise subprocess.TimeoutExpired(self._process.args, 15)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self._dir / "log"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))
        self.events.finish()


def _without_keys() -> dict[str, str]:
    """Our environment without what would change the agent under test."""
    foreign = ("SIPAGENT_", "OPENAI_", "CARTESIA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
