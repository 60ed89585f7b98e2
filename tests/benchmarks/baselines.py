"""What an echo costs other programs: pyVoIP and baresip by SIP, pipecat's minimal pipeline by Twilio's WebSocket.

Each runs in a process of its own, on the core that our phone has in its turn, and is called by the same load generator;
pipecat, which has neither SIP nor RTP, by WebSockets on loopback, without TLS.

python -m tests.benchmarks.baselines [--seconds 10] [--json]        needs .venv-bench (make bench) and baresip of apt
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sipagent.bench import host
from sipagent.bench.caller import count
from sipagent.bench.children import Child, start
from sipagent.bench.measure import Bench
from sipagent.bench.site import Setting, Site, built

PYTHON = Path(__file__).parents[2] / ".venv-bench" / "bin" / "python"
"""Where the programs are installed that our own environment shall not have."""
ECHO = Setting(pipeline="echo")
SIP_PORT, CALLERS_PORT = 5073, 5074
PACKETS = 50
"""A second."""
SETTLING = 3.0

_PYVOIP = """
import sys, time
from pyVoIP.VoIP import CallState, InvalidStateError, VoIPPhone

def echo(call):
    try:
        call.answer()
        while call.state == CallState.ANSWERED:
            call.write_audio(call.read_audio(160, blocking=True))
    except InvalidStateError:
        pass

phone = VoIPPhone("127.0.0.2", int(sys.argv[2]), "agent", "", myIP="127.0.0.1", callCallback=echo,
                  sipPort=int(sys.argv[1]), rtpPortLow=33000, rtpPortHigh=36000)
phone.sip.register = phone.sip.deregister = lambda: True
phone.start()
while True:
    time.sleep(1)
"""

_PIPECAT = """
import json, sys
import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

logger.remove()
app = FastAPI()

class Pass(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

class Echo(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        await self.push_frame(frame, direction)

@app.websocket("/ws")
async def call(socket: WebSocket):
    await socket.accept()
    await socket.receive_text()
    started = json.loads(await socket.receive_text())
    off = TwilioFrameSerializer.InputParams(auto_hang_up=False)
    transport = FastAPIWebsocketTransport(socket, FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, audio_out_10ms_chunks=2,
        serializer=TwilioFrameSerializer(started["start"]["streamSid"], params=off)))
    stages = [transport.input(), Pass(), Pass(), Pass(), Echo(), transport.output()]
    rates = PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000)
    await PipelineRunner(handle_sigint=False).run(PipelineTask(Pipeline(stages), params=rates))

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""

_BARESIP = """
poll_method             epoll
call_max_calls          0
sip_listen              127.0.0.1:{port}
audio_source            aubridge,echo
audio_player            aubridge,echo
audio_alert             aubridge,alert
rtp_ports               33000-36000
net_interface           127.0.0.1
module_path             /usr/lib/baresip/modules
module                  g711.so
module                  aubridge.so
module_tmp              account.so
module_app              echo.so
"""
_ACCOUNT = "<sip:agent@127.0.0.1>;regint=0;audio_codecs=PCMU/8000/1;ptime=20\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What a program took for so many calls, and how much came back of what it was sent."""

    calls: int
    processor_ms: float
    echoed_percent: float
    p99_ms: float | None
    """Off the 20 ms grid; None where it is no RTP."""

    def __str__(self) -> str:
        grid = "" if self.p99_ms is None else f", p99 off the grid {self.p99_ms:.2f} ms"
        return f"{self.processor_ms:.2f} ms a call-second, {self.echoed_percent:.1f} % came back{grid}"


class Missing(Exception):
    """A program is not installed; the text says how to get it."""


def by_sip(peer: "Callable[[Path], contextlib.AbstractContextManager[int]]", calls: int, seconds: float) -> Echo:
    """Call a program that answers on SIP_PORT."""
    worker_cores, other_cores = host.cores()
    arguments = ["sipagent.bench.generator", "--target", f"127.0.0.1:{SIP_PORT}", "--port", str(CALLERS_PORT), "--echo"]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with peer(directory) as process, Child("load generator", arguments, cores=other_cores) as generator:
            core = min(worker_cores)
            site = Site(
                setting=ECHO, worker=process, generator=generator, stand_ins=None, core=core, directory=directory
            )
            return _measured(Bench(site), calls, seconds)


def ours(calls: int, seconds: float) -> Echo:
    """Call our own echo, in the same minutes as the others."""
    with tempfile.TemporaryDirectory() as directory, built(ECHO, Path(directory)) as site:
        return _measured(Bench(site), calls, seconds)


def _measured(bench: Bench, calls: int, seconds: float) -> Echo:
    window = bench.measure(calls, seconds).window
    return Echo(
        calls=calls,
        processor_ms=window.processor_ms,
        echoed_percent=window.reception.packets / (calls * window.seconds * PACKETS) * 100,
        p99_ms=window.reception.p99_ms,
    )


def by_websocket(calls: int, seconds: float) -> Echo:
    """Call pipecat as Twilio does: 20 ms of PCMU in each message, both ways."""
    ours, (_, other_cores) = os.sched_getaffinity(0), host.cores()
    os.sched_setaffinity(0, other_cores)
    try:
        with tempfile.TemporaryDirectory() as directory, pipecat(Path(directory)) as process:
            return asyncio.run(_call_by_websocket(process, calls, seconds))
    finally:
        os.sched_setaffinity(0, ours)


async def _call_by_websocket(process: int, calls: int, seconds: float) -> Echo:
    came = itertools.count()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        tasks = []
        for call in range(calls):
            url = f"ws://127.0.0.1:{SIP_PORT}/ws"
            socket = await stack.enter_async_context(connect(url, compression=None, proxy=None))
            await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            names = {"streamSid": f"MZ{call}", "callSid": f"CA{call}"}
            await socket.send(json.dumps({"event": "start", "streamSid": f"MZ{call}", "start": names}))
            tasks += [group.create_task(_talk(socket, call)), group.create_task(_listen(socket, came))]
        await asyncio.sleep(SETTLING)
        before, heard = host.Usage.of(process), next(came)
        await asyncio.sleep(seconds)
        used, heard = host.Usage.of(process).since(before), next(came) - heard
        for task in tasks:
            task.cancel()
    return Echo(
        calls=calls,
        processor_ms=round(used.processor / used.at / calls * 1000, 3),
        echoed_percent=heard / (calls * used.at * PACKETS) * 100,
        p99_ms=None,
    )


async def _talk(socket: ClientConnection, call: int) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in itertools.count(1):
        payload = base64.b64encode(count(call, number)).decode("ascii")
        media = {
            "event": "media",
            "streamSid": f"MZ{call}",
            "media": {"payload": payload, "timestamp": str(number * 20)},
        }
        await socket.send(json.dumps(media))
        await asyncio.sleep(begun + number / PACKETS - loop.time())


async def _listen(socket: ClientConnection, came: "itertools.count[int]") -> None:
    with contextlib.suppress(ConnectionClosed):
        async for frame in socket:
            if '"media"' in str(frame):
                next(came)


# ---- the programs


@contextlib.contextmanager
def pyvoip(directory: Path) -> Iterator[int]:
    """Its answers go to the server that it was told of, never to where a request came from."""
    argv = [str(_python()), "-c", _PYVOIP, str(SIP_PORT), str(CALLERS_PORT)]
    with _running(argv, directory) as process:
        time.sleep(2.0)  # its ear opens after one second
        yield process


@contextlib.contextmanager
def baresip(directory: Path) -> Iterator[int]:
    """With its module for echoes."""
    if shutil.which("baresip") is None:
        raise Missing("baresip is not installed: apt install baresip-core")
    (directory / "config").write_text(_BARESIP.format(port=SIP_PORT))
    (directory / "accounts").write_text(_ACCOUNT)
    (directory / "contacts").write_text("")
    with _running(["baresip", "-4", "-f", str(directory)], directory) as process:
        time.sleep(1.0)
        yield process


@contextlib.contextmanager
def pipecat(directory: Path) -> Iterator[int]:
    """Three stages that pass everything on, and an echo."""
    with _running([str(_python()), "-c", _PIPECAT, str(SIP_PORT)], directory) as process:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", SIP_PORT)):
                break
            time.sleep(0.1)
        yield process


def _python() -> Path:
    if not PYTHON.exists():
        raise Missing(f"there is no {PYTHON.parent.parent.name}: make bench makes it")
    return PYTHON


@contextlib.contextmanager
def _running(argv: list[str], directory: Path) -> Iterator[int]:
    """A program on the core of what is measured; yields its process id."""
    with (directory / "log").open("wb") as log:
        nowhere = subprocess.DEVNULL
        process = start(argv, host.cores()[0], stdin=nowhere, stdout=log, stderr=log, cwd=directory)
    try:
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"{argv[0]} ended: {(directory / 'log').read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()


RUNS: dict[str, Callable[[int, float], Echo]] = {
    "sipagent": ours,
    "baresip": lambda calls, seconds: by_sip(baresip, calls, seconds),
    "pyVoIP": lambda calls, seconds: by_sip(pyvoip, calls, seconds),
    "pipecat": by_websocket,
}
CALLS = {"sipagent": (10, 50, 100), "baresip": (10, 50, 100), "pyVoIP": (10, 25), "pipecat": (1, 10)}
"""As many as each can do; how it does with fewer shows what is its own and what its calls'."""


def measure(seconds: float, programs: list[str]) -> dict[str, str]:
    """Figures by name. A program that is not there is said to be."""
    figures: dict[str, str] = {}
    cheapest: dict[str, float] = {}
    for name in programs:
        for calls in CALLS[name]:
            row = f"{name}: echo, {calls} call{'s' * (calls > 1)}"
            try:
                echo = RUNS[name](calls, seconds)
            except Missing as missing:
                figures[row] = f"not measured: {missing}"
                continue
            figures[row] = str(echo)
            cheapest[name] = min(echo.processor_ms, cheapest.get(name, echo.processor_ms))
    own = cheapest.pop("sipagent", None)
    ratios = {f"{name} costs so many times our echo": cost / own for name, cost in cheapest.items()} if own else {}
    return figures | {name: f"{ratio:.1f}" for name, ratio in ratios.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("programs", nargs="*", default=[*RUNS], help="of: " + ", ".join(RUNS))
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    with host.alone(lambda line: print(line, file=sys.stderr)):
        figures = measure(options.seconds, options.programs)
    sys.stdout.write(
        json.dumps(figures) if options.json else "".join(f"{name}: {value}\n" for name, value in figures.items())
    )


if __name__ == "__main__":
    main()
