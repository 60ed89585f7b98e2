"""A real Asterisk in a directory of its own, from the templates beside this file."""

import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_TEMPLATES = Path(__file__).parent / "asterisk_conf"
_PROGRAM = "/usr/sbin/asterisk"
_MODULES = (
    "/usr/lib/asterisk/modules",
    "/usr/lib/x86_64-linux-gnu/asterisk/modules",
    "/usr/lib/aarch64-linux-gnu/asterisk/modules",
)


class Asterisk:
    """The PBX at port 5060 of `host`. Extensions and endpoints: `asterisk_conf/extensions.conf` and `pjsip.conf`.

    `conf` has files that stand in for the templates of the same name: `Asterisk(run, conf={"pjsip.conf": …})`.
    """

    def __init__(self, directory: Path, *, host: str = "127.0.0.1", conf: Mapping[str, str] | None = None) -> None:
        self._dir = directory
        self.host = host
        for name in ("etc", "keys", "varlib/keys", "spool/outgoing", "run", "log", "rec", "agi", "moh"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        self._fill_templates(conf or {})
        self._make_hold_music()
        self._make_keys()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Everything that Asterisk says about itself, digits included."""
        return self._dir / "log" / "full"

    @property
    def ca(self) -> Path:
        """The certificate that signed its own, which is for localhost and 127.0.0.1."""
        return self._dir / "keys" / "ca.pem"

    @property
    def recordings(self) -> Path:
        return self._dir / "rec"

    def start(self, timeout: float = 20) -> None:
        """Start, and return when fully booted. Raises RuntimeError with the console's end when it does not boot."""
        console = self._dir / "log" / "console"
        with console.open("wb") as output:
            self._process = subprocess.Popen(
                [_PROGRAM, "-C", str(self._dir / "etc" / "asterisk.conf"), "-f", "-n", "-T"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + timeout
        while "fully booted" not in self.console("core waitfullybooted"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Asterisk does not boot: " + console.read_text(errors="replace")[-2000:])

    def console(self, command: str) -> str:
        """The answer to one console command; empty while Asterisk does not listen."""
        argv = [_PROGRAM, "-C", str(self._dir / "etc" / "asterisk.conf"), "-rx", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    def wait_for_log(self, pattern: str, timeout: float = 10) -> re.Match[str]:
        """The first match in the log. Raises TimeoutError with the log's end."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace")
            if found := re.search(pattern, text):
                return found
            time.sleep(0.05)
        raise TimeoutError(f"Asterisk never logged {pattern!r}: {text[-2000:]}")

    def kill(self) -> None:
        """End it as a power cut would: no BYE, no farewell, registrations lost."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        (self._dir / "varlib" / "astdb.sqlite3").unlink(missing_ok=True)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.console("core stop now")
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _fill_templates(self, conf: Mapping[str, str]) -> None:
        modules = next((path for path in _MODULES if Path(path).is_dir()), _MODULES[0])
        marks = {
            "@RUN@": str(self._dir),
            "@ADDR@": self.host,
            "@SIP@": "5060",
            "@TLS@": "5061",
            "@AMI@": "5038",
            "@HTTP@": "8088",
            "@RTPLO@": "10000",
            "@RTPHI@": "10999",
            "@MODDIR@": modules,
            "@DATADIR@": "/usr/share/asterisk",
        }
        for template in _TEMPLATES.glob("*.conf"):
            text = conf.get(template.name) or template.read_text()
            for mark, value in marks.items():
                text = text.replace(mark, value)
            (self._dir / "etc" / template.name).write_text(text)

    def _make_hold_music(self) -> None:
        """A plain 440 and 554 Hz pair: a test knows it again by its spectrum."""
        wav = self._dir / "moh" / "tone.wav"
        tones = ["synth", "20", "sine", "440", "synth", "20", "sine", "mix", "554", "vol", "0.4"]
        subprocess.run(["sox", "-n", "-r", "8000", "-c", "1", "-b", "16", str(wav), *tones], check=True)

    def _make_keys(self) -> None:
        """A certificate for the TLS transport, which does not load without one."""
        keys = self._dir / "keys"
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        argv = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]
        out = ["-keyout", str(keys / "server.key"), "-out", str(keys / "server.pem")]
        subprocess.run([*argv, *subject, *out], check=True, capture_output=True)
        shutil.copy(keys / "server.pem", keys / "ca.pem")
