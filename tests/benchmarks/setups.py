"""How many calls a second are set up and torn down on one core, with and without a password, by an echo.

The caller calls at a steady rate, and hangs up as soon as it is answered. It is sipp; where a password is asked for, it
is our own user agent, since sipp 3.6 looks at the first challenge only, which is SHA-256's, and knows MD5. What a core
could carry is reckoned from the processor time that one call took.

python -m tests.benchmarks.setups [--rate 160] [--seconds 20] [--json]
"""

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sipagent.net.ids import RandomIds
from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.digest import Credentials
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.outputs import Answered, Ended, Refused, Send
from sipagent.sip.uri import Uri
from tests.interop.peers import scenarios
from tests.interop.peers.raw_caller import RawCaller
from tests.interop.peers.sipagent import HOST, PORT, Sipagent
from tests.sip.bench import SDP

BAR = 150
"""Calls a second, all of them set up."""
PASSWORD = "not a secret"
PATIENCE = 40.0
"""Seconds after the last call in which all of them are over, or have failed."""
CALLERS = 2000
"""Who calls more often than once in two seconds is taken for a mad dialler."""

_GENERAL = f"""
[general]
bind = {HOST}:{PORT}
rtp_ports = 30000-39999
max_calls = 2000
unknown_callers = digest
"""
_TRUNK = f"""
[trunk carrier]
peers = 127.0.0.9
username = carrier
password = {PASSWORD}
"""
_AGENT = """
[agent]
pipeline = echo
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUps:
    """What came of one run."""

    calls: int
    failed: int
    rate: float
    milliseconds: float

    @property
    def passed(self) -> bool:
        return not self.failed and self.rate >= BAR * 0.98

    def figures(self, kind: str) -> dict[str, float]:
        return {
            f"calls {kind}": self.calls,
            f"of these failed, {kind}": self.failed,
            f"calls a second, {kind}": round(self.rate, 1),
            f"processor time of a call, {kind}, ms": round(self.milliseconds, 2),
            f"calls a second that a core could carry, {kind}": round(1000 / self.milliseconds),
        }


def measure(directory: Path, *, authenticated: bool, rate: int, seconds: int) -> SetUps:
    """Call an agent of its own, which keeps to one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # what is started now inherits it
    with Sipagent(directory, conf=_GENERAL + (_TRUNK if authenticated else "") + _AGENT) as phone:
        _wait_until_it_answers(phone)
        before = phone.processor_time
        os.sched_setaffinity(0, cores)
        if authenticated:
            good, took = Callers(rate=rate, calls=rate * seconds).call()
        else:
            good, took = _call_by_sipp(directory, rate=rate, calls=rate * seconds)
        spent = phone.processor_time - before
    calls = rate * seconds
    return SetUps(calls=calls, failed=calls - good, rate=good / took, milliseconds=spent / calls * 1000)


def _wait_until_it_answers(phone: Sipagent) -> None:
    """Be it with a challenge, which is all that strangers get."""
    with RawCaller(phone.address) as caller:
        if not any(caller.ask("OPTIONS", timeout=0.2) for _ in range(100)):
            raise TimeoutError(f"sipagent does not come up: {phone.log[-2000:]}")


def _call_by_sipp(directory: Path, *, rate: int, calls: int) -> tuple[int, float]:
    """Let sipp place so many calls; returns how many went as they should, and the seconds that it took."""
    (directory / "scenario.xml").write_text(scenarios.set_up())
    (directory / "fields.csv").write_text("SEQUENTIAL\ncaller;;agent\n")
    argv = ["sipp", f"{HOST}:{PORT}", "-sf", "scenario.xml", "-inf", "fields.csv", "-i", HOST, "-p", "5090"]
    argv += ["-r", str(rate), "-m", str(calls), "-l", str(calls), "-nostdin", "-timeout", "120s"]
    argv += ["-trace_stat", "-stf", "statistics.csv"]
    begun = time.monotonic()
    subprocess.run(argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    took = time.monotonic() - begun
    names, *_, last = (directory / "statistics.csv").read_text().strip().split("\n")
    return int(dict(zip(names.split(";"), last.split(";"), strict=False))["SuccessfulCall(C)"]), took


class Callers:
    """Our own user agent on a socket, calling in many names at a steady rate.

    Its first call lasts to the end: the address of a party to a call is no stranger's, of which ten datagrams a second
    are looked at.
    """

    def __init__(self, *, rate: int, calls: int) -> None:
        self._rate = rate
        self._calls = calls
        self._agent = UserAgent(ids=RandomIds(), admission=Admission(local=True))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._udp.bind((HOST, 0))
        self._udp.setblocking(False)
        self._flow = Flow(transport=Transport.UDP, local=Address(*self._udp.getsockname()), remote=Address(HOST, PORT))
        self._first: InviteSession | None = None
        self._placed = self._over = self._good = 0

    def call(self) -> tuple[int, float]:
        """Place the calls; returns how many were answered and hung up, and the seconds until the last one was."""
        self._place(time.monotonic())
        while self._first is None:
            self._step(time.monotonic())
        begun = time.monotonic()
        end = begun + self._calls / self._rate + PATIENCE
        while self._over < self._calls and (now := time.monotonic()) < end:
            while self._placed < min(self._calls, (now - begun) * self._rate):
                self._place(now)
            if self._over == self._calls - 1:
                self._first.bye(now)
            self._step(now)
        self._udp.close()
        return self._good, time.monotonic() - begun

    def _step(self, now: float) -> None:
        if (due := self._agent.next_timer()) is not None and due <= now:
            self._agent.handle_timer(now)
        self._drain(now)
        if select.select([self._udp], [], [], 0.001)[0]:
            self._agent.receive(self._udp.recv(65535), self._flow, time.monotonic())

    def _place(self, now: float) -> None:
        name = f"caller{self._placed % CALLERS}"
        self._agent.invite(
            target=Uri(user="agent", host=HOST, port=PORT),
            flow=self._flow,
            identity=Identity(
                uri=Uri(user=name, host=HOST), credentials=Credentials(username="carrier", password=PASSWORD)
            ),
            offer=SDP,
            now=now,
        )
        self._placed += 1

    def _drain(self, now: float) -> None:
        while outputs := self._agent.outputs():
            for output in outputs:
                match output:
                    case Send(data=data):
                        self._udp.sendto(data, (HOST, PORT))
                    case Answered(session=session):
                        self._first = self._first or session
                        if session is not self._first:
                            session.bye(now)
                    case Ended(by=by):
                        self._over += 1
                        self._good += by == "us"
                    case Refused():
                        self._over += 1


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rate", type=int, default=160)
    arguments.add_argument("--seconds", type=int, default=20)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        for kind, authenticated in (("without a password", False), ("with a password", True)):
            results[kind] = measure(
                Path(directory) / kind.replace(" ", "-"),
                authenticated=authenticated,
                rate=options.rate,
                seconds=options.seconds,
            )
    figures = {name: value for kind, result in results.items() for name, value in result.figures(kind).items()}
    if options.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"{value:9}  {name}" + (f"  (bar: {BAR})" if name.startswith("calls a second,") else ""))
    return 0 if all(result.passed for result in results.values()) else 4


if __name__ == "__main__":
    sys.exit(main())
