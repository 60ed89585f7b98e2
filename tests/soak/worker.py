"""The phone of the soak: `sipagent run` with scenarios that do what the caller's header X-Soak says.

python -m tests.soak.worker sip.conf worker.log [--patience 10]       says {"port": …} when calls can come

    {"do": "look"}       what stands now, and what has happened
    {"do": "census"}     all of our objects that the collector of garbage knows, by type, once garbage is collected
"""

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from sipagent import event_loop
from sipagent.clips import shipped
from sipagent.config import load
from sipagent.errors import CallFailed
from sipagent.events import CallReceived, Disconnected, ProviderFailed, Stamped
from sipagent.net.leg_sockets import LegSockets
from sipagent.net.media_thread import MediaThread, Ports
from sipagent.net.port_pair import PortPair
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.pipelines import scenario_of
from sipagent.ringing import InboundCall
from sipagent.service import serve
from sipagent.world import media_ports, real_world
from tests.soak.verdict import ALL

_OURS = ("sipagent.", "_asyncio.", "asyncio.", "uvloop.")


class CountedPorts:
    """Ports of which it is known how many are leased."""

    def __init__(self, ports: Ports) -> None:
        self.leased = 0
        self._ports = ports

    def lease(self, now: float) -> PortPair:
        pair = self._ports.lease(now)
        self.leased += 1
        return pair

    def release(self, pair: PortPair, now: float) -> None:
        self._ports.release(pair, now)
        self.leased -= 1

    def sockets(self) -> LegSockets:
        return self._ports.sockets()


class Worker:
    """The phone, and what is known of it from inside."""

    def __init__(self, file: Path, patience: float) -> None:
        self._configuration = load(file, {})
        general = self._configuration.general
        self._ports = CountedPorts(media_ports(general))
        self._media = MediaThread(self._ports, rtp_timeout=general.rtp_timeout, patience=patience, exit_when_stuck=True)
        self._calls = 0
        self._happened: Counter[str] = Counter()

    async def answer(self) -> None:
        """Answer calls until we are told to stop."""
        world = replace(real_world(self._configuration), media=self._media)
        scenario = obedient(scenario_of(self._configuration.agents[""], shipped))
        self._loop = asyncio.get_running_loop()
        await serve(self._configuration, scenario, world=world, watchers=[self._watch], started=self._begin)

    def _watch(self, stamped: Stamped) -> None:
        match stamped.event:
            case CallReceived():
                self._calls += 1
            case ProviderFailed(provider=provider, reason=reason):
                self._happened[f"{provider} failed: {reason}"] += 1
            case Disconnected(by=by, reason=reason):
                self._calls -= 1
                self._happened[f"ended by {by}: {reason}"] += 1
        self._happened[type(stamped.event).__name__] += 1

    def _begin(self, phone: Softphone) -> None:
        say({"port": phone.address.port})
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Obey line after line; the end of the input is the first signal to leave, and soon the second."""
        for line in sys.stdin:
            self._loop.call_soon_threadsafe(self._obey, json.loads(line))
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)

    def _obey(self, command: Mapping[str, Any]) -> None:
        match command["do"]:
            case "look":
                say(
                    {
                        "tasks": Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks()),
                        "ports": self._ports.leased,
                        "calls": self._calls,
                        "happened": self._happened,
                        "media": {**asdict(self._media.statistics()), "urgency": ""},
                    }
                )
            case "census":
                say(census())


def census() -> Counter[str]:
    """Count the objects of our own types and of the loop's, and all blocks of memory."""
    gc.collect()
    types = (type(each) for each in gc.get_objects())
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in types)
    found = Counter(name for name in names if name.startswith(_OURS))
    return found + Counter({ALL: sys.getallocatedblocks()})


def obedient(scenario: Scenario) -> Scenario:
    """Return `scenario`, but for callers who order something else."""

    async def obey(incoming: InboundCall) -> None:
        order, _, seconds = incoming.headers.get("x-soak", "talk 0").partition(" ")
        match order:
            case "leave":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(float(seconds)):
                        await scenario(incoming)
            case "ring":
                incoming.ring()
                await asyncio.sleep(float(seconds))
                raise CallFailed(487, "the caller did not give up")
            case "spoil":
                call = await incoming.answer()
                await asyncio.sleep(float(seconds))
                call.speak(cast(bytes, "words in place of bytes"))
                await call.disconnected()
            case "block":
                await incoming.answer()
                time.sleep(3600)  # noqa: ASYNC251  a loop that hangs is what is to be found
            case _:
                await scenario(incoming)

    return obey


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("log", type=Path)
    arguments.add_argument("--patience", type=float, default=10.0)
    options = arguments.parse_args()
    with options.log.open("wb") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())  # what Python itself has to say is judged, too
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.INFO)
    event_loop.run(Worker(options.file, options.patience).answer())


if __name__ == "__main__":
    main()
