"""A call made in this very run replays equal to its golden file, twice. (tests/replay does so with `pcaps/`.)"""

import subprocess
import sys
from pathlib import Path

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import PORT


def replay(capture: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sipagent", "replay", str(capture)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_a_call_made_just_now_replays_equal_twice(agent: StartAgent, phone: StartPhone, tmp_path: Path) -> None:
    callee = agent("--local", account="")
    callee.wait_until_up()
    caller = phone(
        Phone(registrar="", microphone=sound.speak("what time is it", tmp_path / "q.wav", before=4, after=30))
    )
    caller.dial(f"sip:agent@127.0.0.1:{PORT}")
    callee.events.wait("CallerSaid", 20)
    callee.events.wait("AgentSaid", 20, after=len(callee.events))
    caller.hang_up()
    callee.events.wait("Disconnected")
    callee.stop()
    (capture,) = callee.calls.glob("**/*.pcap")
    replay(capture)
    replay(capture)
