"""A real Kamailio in a directory of its own: registrar and load balancer in front of the Asterisks."""

import platform
import re
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_TEMPLATES = Path(__file__).parent / "kamailio_conf"


class Kamailio:
    """The proxy at port 5060 of `host`; users 7001 to 7003, password `pw` and the user's number.

    Calls to other numbers go to Asterisk at 127.0.0.1 and 127.0.0.4 in turn. The directory's path must be short: it
    holds a Unix socket.
    """

    def __init__(self, directory: Path, *, host: str = "127.0.0.3") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._dir = directory
        self.host = host
        marks = {
            "@ADDR@": host,
            "@RUN@": str(directory),
            "@MODULES@": f"/usr/lib/{platform.machine()}-linux-gnu/kamailio/modules/",
        }
        text = (_TEMPLATES / "kamailio.cfg").read_text()
        for mark, value in marks.items():
            text = text.replace(mark, value)
        (directory / "kamailio.cfg").write_text(text)
        (directory / "dispatcher.list").write_text((_TEMPLATES / "dispatcher.list.in").read_text())

    def start(self, timeout: float = 10) -> None:
        """Start, and return when it takes commands. Raises RuntimeError with the log's end when it does not."""
        argv = ["kamailio", "-f", str(self._dir / "kamailio.cfg"), "-m", "32", "-M", "4", "-Y", str(self._dir)]
        with (self._dir / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*argv, "-DD", "-E"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + timeout
        while "kamailio" not in self.command("core.version"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Kamailio does not start: " + self.log[-2000:])
            time.sleep(0.05)

    def command(self, *words: str) -> str:
        """The answer to one command of its control socket; empty while it does not listen."""
        argv = ["kamcmd", "-s", f"unix:{self._dir}/ctl", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    @property
    def log(self) -> str:
        return (self._dir / "log").read_text(errors="replace")

    @property
    def dispatched(self) -> list[str]:
        """The address of the PBX that each call was sent to, those of a second attempt included."""
        return re.findall(r"(?:DISPATCH .*|FAILOVER) to sip:([\d.]+)", self.log)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
