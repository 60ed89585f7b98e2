"""A real baresip as a scripted phone: one process, one account, one control socket."""

import json
import shutil
import socket
import subprocess
import threading
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.interop.peers.event_log import Event, EventLog

_TEMPLATES = Path(__file__).parent / "baresip_conf"


@dataclass(frozen=True, kw_only=True)
class Phone:
    """What makes one baresip different from the next. Ports: SIP, control and RTP must not meet another phone's."""

    user: str = "6002"
    microphone: Path
    """A WAV: mono, 16 bit, at the rate of the codec (8000 Hz for G.711). Silence follows its end."""
    registrar: str = "127.0.0.1:5060"
    """Empty: no registration; it dials addresses."""
    sip_port: int = 5070
    answer: str = "manual"
    codecs: str = "PCMU/8000/1,PCMA/8000/1"
    dtmf: str = "rtpevent"
    transport: str = "udp"
    encryption: str = ""
    """`srtp-mand`: SDES and nothing else; `srtp`: SDES if the other side has it too. Empty: none."""
    ca: Path | None = None
    """Whose certificates it believes by TLS; without, it believes none."""


class Baresip:
    """Starts at construction. `events` holds what it reports: CALL_ESTABLISHED, CALL_CLOSED, CALL_DTMF_START…"""

    def __init__(self, directory: Path, phone: Phone) -> None:
        self._dir = directory
        self.phone = phone
        self.events = EventLog(f"baresip {phone.user}")
        self._replies = EventLog(f"baresip {phone.user} control")
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "rec").mkdir(parents=True)
        self._fill_templates()
        with (directory / "log").open("wb") as log:
            argv = ["baresip", "-4", "-s", "-f", str(directory)]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self._control = self._connect()
        threading.Thread(target=self._read, daemon=True).start()
        if phone.registrar:
            self._wait_until_registered()

    def dial(self, target: str) -> None:
        """Call `sip:…`, and return when the far end has answered."""
        seen = len(self.events)
        self.command("dial", target)
        self.events.wait("CALL_ESTABLISHED", after=seen)

    def hang_up(self) -> None:
        seen = len(self.events)
        self.command("hangup")
        self.events.wait("CALL_CLOSED", after=seen)

    def listen(self, seconds: float) -> None:
        """Let a stretch of the call pass; sound takes its time."""
        time.sleep(seconds)

    def press(self, digit: str) -> None:
        """One key, by RFC 4733."""
        self.command("sndcode", digit)

    def command(self, name: str, parameters: str = "", timeout: float = 3) -> Event:
        """One command of baresip's menu, and its answer."""
        body = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        seen = len(self._replies)
        self._control.sendall(b"%d:%s," % (len(body), body))
        return self._replies.wait("reply", timeout, after=seen)

    @property
    def heard(self) -> Path:
        """The WAV of what this phone heard in its last call, whose end it may be just writing."""
        heard, deadline = self._recordings("dec")[-1], time.monotonic() + 3
        while time.monotonic() < deadline and not _is_whole(heard):
            time.sleep(0.05)
        return heard

    @property
    def said(self) -> Path:
        return self._recordings("enc")[-1]

    @property
    def log(self) -> str:
        """Its SIP messages and complaints, without the bit rates it shows four times a second."""
        lines = (self._dir / "log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if line.strip() and "(bit/s)" not in line)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _recordings(self, direction: str) -> list[Path]:
        return sorted(self._dir.glob(f"rec/*-{direction}.wav"), key=lambda path: path.stat().st_mtime)

    def _fill_templates(self) -> None:
        phone = self.phone
        marks: dict[str, Any] = {
            "ADDR": "127.0.0.1",
            "SIP": phone.sip_port,
            "CTRL": phone.sip_port - 600,
            "DIR": self._dir,
            "MIC": f"aufile,{phone.microphone}",
            "RTPLO": 20000 + (phone.sip_port - 5070) * 20,
            "RTPHI": 20000 + (phone.sip_port - 5070) * 20 + 19,
            "USER": phone.user,
            "PASSWORD": f"pw{phone.user}",
            "REGISTRAR": phone.registrar or "127.0.0.1",
            "REGINT": 60 if phone.registrar else 0,
            "ANSWER": phone.answer,
            "CODECS": phone.codecs,
            "DTMFMODE": phone.dtmf,
            "TRANSPORT": phone.transport,
            "ENCRYPTION": f";mediaenc={phone.encryption}" if phone.encryption else "",
        }
        for name in ("config", "accounts"):
            text = (_TEMPLATES / f"{name}.in").read_text()
            if name == "config" and phone.ca is not None:
                text += f"sip_cafile {phone.ca}\n"
            for mark, value in marks.items():
                text = text.replace(f"@{mark}@", str(value))
            (self._dir / name).write_text(text)
        (self._dir / "contacts").write_text("")

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + 5
        while True:
            try:
                control = socket.create_connection(("127.0.0.1", self.phone.sip_port - 600), 0.5)
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"baresip does not start: {self.log[-2000:]}") from None
                time.sleep(0.02)
            else:
                control.settimeout(None)
                return control

    def _wait_until_registered(self) -> None:
        """Its REGISTER_OK may precede our control connection, so ask."""
        deadline = time.monotonic() + 5
        while "OK" not in str(self.command("reginfo").get("data")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"baresip {self.phone.user} did not register: {self.log[-2000:]}")
            time.sleep(0.02)

    def _read(self) -> None:
        """Netstrings of JSON: `<length>:<object>,`."""
        buffer = b""
        while data := self._receive():
            buffer += data
            while b":" in buffer:
                length, rest = buffer.split(b":", 1)
                if len(rest) <= int(length):
                    break
                message, buffer = json.loads(rest[: int(length)]), rest[int(length) + 1 :]
                if message.get("event"):
                    self.events.append({**message, "time": time.monotonic()})
                else:
                    self._replies.append({**message, "type": "reply"})
        self.events.finish()
        self._replies.finish()

    def _receive(self) -> bytes:
        try:
            return self._control.recv(65536)
        except OSError:
            return b""


def _is_whole(recording: Path) -> bool:
    try:
        with wave.open(str(recording)):
            return True
    except (EOFError, wave.Error):
        return False
