"""Calls over loopback to a real process that echoes, each over a bad network of its own, all at once in real time.

- `baresip()`: baresip with its echo module and its packet loss concealment (spandsp's);
- `phone()`: ours, `sipagent run` with the echo pipeline.
"""

import contextlib
import heapq
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sipagent.audio import g711
from sipagent.rtp import packet
from tests.benchmarks.receivers import Coming, Heard

HOST = "127.0.0.1"
PORT = 5096
_ECHO = (HOST, PORT)
_LEAD = 0.5
"""Seconds from the calls' set-up to the first packet."""
_TRIES = 15
_REST = 2.0
"""Seconds in which what was said last may come back."""
_BARESIP = f"""\
poll_method epoll
call_max_calls 64
sip_listen {HOST}:{PORT}
audio_source aubridge,echo
audio_player aubridge,echo
audio_alert aubridge,alert
auplay_format s16
rtp_ports 21000-21999
net_interface {HOST}
jitter_buffer_delay 5-10
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module plc.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app echo.so
"""
_SIPAGENT = f"""\
[general]
bind = {HOST}:{PORT}
rtp_ports = 21000-21999
user_agent = echo

[agent]
pipeline = echo
"""


@dataclass(slots=True)
class _Call:
    """One call: where its packets go, and what came back, by moment and RTP time stamp."""

    name: str
    sip: socket.socket
    rtp: socket.socket
    far: tuple[str, int] = ("", 0)
    to: str = ""
    back: list[tuple[float, int, bytes]] = field(default_factory=list)

    def request(self, method: str, number: int, body: str = "") -> None:
        """Send a request of the dialog."""
        port = self.sip.getsockname()[1]
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.sip.sendto(
            (
                f"{method} sip:echo@{HOST}:{PORT} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{method}{self.name};rport\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{self.name}@{HOST}>;tag=a\r\nTo: {self.to or f'<sip:echo@{HOST}>'}\r\n"
                f"Call-ID: {self.name}@{HOST}\r\nCSeq: {number} {method}\r\n"
                f"Contact: <sip:{self.name}@{HOST}:{port}>\r\n"
                f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            _ECHO,
        )

    def set_up(self) -> None:
        """Call, and take the answer."""
        lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
        media = [f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=ptime:20", ""]
        answer = self._answer_to("\r\n".join([*lines, *media]))
        self.to = re.findall(r"^To: *(.*?)\r$", answer, re.MULTILINE | re.IGNORECASE)[0]
        self.far = (HOST, int(re.findall(r"^m=audio (\d+)", answer, re.MULTILINE)[0]))
        self.request("ACK", 1)

    def _answer_to(self, offer: str) -> str:
        """Send the INVITE until it is answered: the echo may still be starting."""
        for _ in range(_TRIES):
            self.request("INVITE", 1, offer)
            with contextlib.suppress(TimeoutError):
                while not (answer := self.sip.recv(65536).decode()).startswith("SIP/2.0 200"):
                    if re.match(r"SIP/2.0 [3-6]", answer):
                        raise RuntimeError(f"the echo does not answer: {answer.splitlines()[0]}")
                return answer
        raise RuntimeError("the echo does not answer")

    def heard(self, begun: float) -> bytes:
        """What came back, from the moment at which the first packet was said."""
        first_at, first, _ = self.back[0]
        sound: dict[int, bytes] = {
            round((first_at - begun) * g711.RATE) + (timestamp - first + 2**31) % 2**32 - 2**31: payload
            for _, timestamp, payload in self.back
        }
        begin = -min(0, *sound)
        heard = bytearray(g711.SILENCE["pcmu"] * (begin + max(sound) + g711.FRAME))
        for at, payload in sound.items():
            heard[begin + at : begin + at + len(payload)] = payload
        return bytes(heard[begin:])


def listen(runs: Sequence[Sequence[Coming]], frames: Sequence[bytes]) -> list[Heard]:
    """Place a call for every run, say the speech over its network, and take down what comes back."""
    with contextlib.ExitStack() as stack:
        calls = [_call(stack, f"call{number}") for number in range(len(runs))]
        for call in calls:
            call.set_up()
        begun = time.monotonic() + _LEAD
        _talk(calls, runs, frames, begun)
        for call in calls:
            call.request("BYE", 2)
        heard = [call.heard(begun) for call in calls]
    return [Heard(audio, audio, 0.0) for audio in heard]


def _call(stack: contextlib.ExitStack, name: str) -> _Call:
    sip, rtp = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
    sip.bind((HOST, 0))
    rtp.bind((HOST, 0))
    sip.settimeout(1)
    return _Call(name, sip, rtp)


def _talk(calls: Sequence[_Call], runs: Sequence[Sequence[Coming]], frames: Sequence[bytes], begun: float) -> None:
    """Send every packet at its moment, and take what comes in between."""
    by_socket = {call.rtp: call for call in calls}
    due = heapq.merge(*[[(at, index, number) for at, number in run] for index, run in enumerate(runs)])
    for at, index, number in due:
        _hear(by_socket, begun + at)
        datagram = packet.build(0, number % 65536, number * 160 % 2**32, 0xCA11E4 + index, frames[number], number == 0)
        calls[index].rtp.sendto(datagram, calls[index].far)
    _hear(by_socket, time.monotonic() + _REST)


def _hear(by_socket: dict[socket.socket, _Call], until: float) -> None:
    while (wait := until - time.monotonic()) > 0:
        ready, _, _ = select.select(list(by_socket), [], [], wait)
        for bound in ready:
            parsed = packet.parse(bound.recv(2048))
            if parsed is not None and parsed.payload_type == 0:
                by_socket[bound].back.append((time.monotonic(), parsed.timestamp, parsed.payload))


# ---- the processes


def has_baresip() -> bool:
    return shutil.which("baresip") is not None


@contextlib.contextmanager
def baresip() -> Iterator[None]:
    """Run baresip as an echo."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "config").write_text(_BARESIP)
        (Path(directory) / "accounts").write_text(f"<sip:echo@{HOST}>;regint=0;answermode=manual;audio_codecs=PCMU\n")
        (Path(directory) / "contacts").write_text("")
        with _running(["baresip", "-4", "-f", directory]):
            yield


@contextlib.contextmanager
def phone() -> Iterator[None]:
    """Run our phone as an echo."""
    with tempfile.TemporaryDirectory() as directory:
        configuration = Path(directory) / "sip.conf"
        configuration.write_text(_SIPAGENT)
        with _running([sys.executable, "-m", "sipagent", "run", "-c", str(configuration)]):
            yield


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:  # baresip would wait for each of its calls
            process.kill()
            process.wait()
