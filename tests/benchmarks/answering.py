"""How soon the phone answers an INVITE, with providers that stand and with one that is mute.

python -m tests.benchmarks.answering [--calls 50] [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.other_servers import OtherServers
from tests.interop.peers.raw_caller import RawCaller, to_tag
from tests.interop.peers.sipagent import HOST, PORT, Sipagent


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Seconds from INVITE."""

    provisional: float
    final: float


def call_once() -> Answer:
    """One call, hung up as soon as it is answered."""
    with RawCaller((HOST, PORT)) as caller:
        begun = time.perf_counter()
        caller.send(caller.invite())
        response = caller.receive(5)
        provisional = time.perf_counter() - begun
        while response.startswith("SIP/2.0 1"):
            response = caller.receive(5)
        final = time.perf_counter() - begun
        if not response.startswith("SIP/2.0 200"):
            raise RuntimeError(f"not answered: {response!r}")
        tag = to_tag(response)
        caller.send(caller.request("ACK", number=1, to_tag=tag))
        caller.send(caller.request("BYE", to_tag=tag))
        caller.receive()
        return Answer(provisional=provisional, final=final)


def measure(calls: int) -> dict[str, float]:
    """Figures by name, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        with Sipagent(Path(directory) / "local", "--local", account="") as phone:
            phone.wait_until_up()
            standing = [call_once() for _ in range(calls)]
        with OtherServers(mute=True) as servers:
            mute = Sipagent(Path(directory) / "mute", account="", environment=servers.environment)
            with mute as phone:
                phone.wait_until_up()
                waited = [call_once() for _ in range(max(1, calls // 10))]
    return {
        "INVITE to first provisional, median": _median([answer.provisional for answer in standing]),
        "INVITE to first provisional, worst": _worst([answer.provisional for answer in standing]),
        "INVITE to 200 with local providers, median": _median([answer.final for answer in standing]),
        "INVITE to 200 with local providers, worst": _worst([answer.final for answer in standing]),
        "INVITE to 200 with a provider that never answers, worst": _worst([answer.final for answer in waited]),
    }


BARS = {
    "INVITE to first provisional, median": 20.0,
    "INVITE to 200 with local providers, median": 50.0,
    "INVITE to 200 with a provider that never answers, worst": 1600.0,
}


def _median(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds) * 1000, 1)


def _worst(seconds: Sequence[float]) -> float:
    return round(max(seconds) * 1000, 1)


def _bar(name: str) -> str:
    return f" (bar: {BARS[name]:.0f} ms)" if name in BARS else ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=50)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    figures = measure(options.calls)
    told = {name: f"{value:.1f} ms" + _bar(name) for name, value in figures.items()}
    print(json.dumps(told) if options.json else "\n".join(f"{name}: {value}" for name, value in told.items()))


if __name__ == "__main__":
    main()
