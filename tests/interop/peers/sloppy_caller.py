"""A caller made of pyVoIP 1.6.8, in a process of its own: its INVITE is plain, and hardly anything after it is right.

Its ACK has a To tag that nobody gave, and nothing is ever sent again. It registers before it does anything else, and
here believes that it has.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PYVOIP = Path(__file__).parent / ".pyvoip"
"""Where install.sh has put it."""

_PROGRAM = """
import json, sys, time, wave
from array import array
from pyVoIP.VoIP import CallState, VoIPPhone

host, port, called, local, wav, seconds = sys.argv[1:]
media = {"rtpPortLow": 28000, "rtpPortHigh": 28100}
phone = VoIPPhone(host, int(port), "sloppy", "", myIP="127.0.0.1", sipPort=int(local), **media)
phone.sip.register = phone.sip.deregister = lambda: True
phone.start()
time.sleep(1.2)  # its ear opens after one second
call = phone.call(called)
deadline = time.monotonic() + 15
while call.state is CallState.DIALING and time.monotonic() < deadline:
    time.sleep(0.02)
answered = call.state is CallState.ANSWERED
heard = b""
end = time.monotonic() + float(seconds)
while call.state is CallState.ANSWERED and time.monotonic() < end:
    heard += call.read_audio(160, blocking=False)
    time.sleep(0.02)
ended_by_us = call.state is CallState.ANSWERED
if ended_by_us:
    call.hangup()
time.sleep(1)
phone.stop()
with wave.open(wav, "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(array("h", (byte - 128 << 8 for byte in heard)).tobytes())
print(json.dumps({"answered": answered, "ended_by_us": ended_by_us}))
"""


class SloppyCaller:
    """One call to `called` at `target`, from a fresh UDP port: its Call-IDs are always the same ones."""

    def __init__(self, wav: Path, target: tuple[str, int], *, called: str = "agent", port: int, seconds: float) -> None:
        self.wav = wav
        """What it heard."""
        host, remote = target
        argv = [sys.executable, "-c", _PROGRAM, host, str(remote), called, str(port), str(wav), str(seconds)]
        self._process = subprocess.Popen(
            argv,
            env={**os.environ, "PYTHONPATH": str(PYVOIP)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self, timeout: float = 40) -> dict[str, bool]:
        """What became of the call: whether it was `answered`, and whether it was `ended_by_us`."""
        try:
            out, complaints = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        assert self._process.returncode == 0, complaints[-2000:]
        outcome: dict[str, bool] = json.loads(out.splitlines()[-1])
        return outcome
