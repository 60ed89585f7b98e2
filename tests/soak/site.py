"""The processes of a soak, and the files that they read."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sipagent.bench import host
from sipagent.bench.children import Child
from sipagent.bench.site import allow_files, make_certificate
from tests.soak.crowd import CLEAN_HOST, HOST

_CONFIGURATION = """
[general]
bind = 127.0.0.1:0
transports = udp
rtp_ports = 20000-21999
max_calls = 1000
rtp_timeout = 5

[trunk soak]
peers = {callers}
srtp = offer

[agent]
pipeline = half-cascade
greeting_instructions = Talk without end.

[openai]
api_key = soak
base_url = {url}/v1

[cartesia]
api_key = soak
base_url = {url}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Phone, callers, providers. `log` is what the phone has said."""

    worker: Child
    crowd: Child
    stand_ins: Child
    log: Path


@contextlib.contextmanager
def built(directory: Path, seed: int, *, clean: bool) -> Iterator[Site]:
    """Start everything, and end it again; `clean`: callers need not spoil what they send. Raises ChildFailed."""
    allow_files()
    ours, others = host.cores()
    certificate = make_certificate(directory)
    with contextlib.ExitStack() as stack:
        arguments = ["sipagent.bench.stand_ins", "--certificate", str(certificate)]
        stand_ins = stack.enter_context(Child("stand-ins", arguments, cores=others))
        file = _configuration(directory, f"https://127.0.0.1:{stand_ins.answer()['port']}")
        log = directory / "worker.log"
        environment = {"SSL_CERT_FILE": str(certificate)}
        arguments = ["tests.soak.worker", str(file), str(log)]
        worker = stack.enter_context(Child("phone", arguments, cores=ours, environment=environment))
        arguments = ["tests.soak.crowd", "--target", f"127.0.0.1:{worker.answer()['port']}", "--seed", str(seed)]
        crowd = stack.enter_context(Child("crowd", arguments + ["--clean"] * clean, cores=others))
        yield Site(worker=worker, crowd=crowd, stand_ins=stand_ins, log=log)


def hung(directory: Path, patience: float) -> tuple[int | None, str]:
    """Call a phone whose scenario then blocks its loop. Return its exit code, None if it did not end, and its log."""
    log = directory / "hung.log"
    file = _configuration(directory, "http://127.0.0.1:9")
    arguments = ["tests.soak.worker", str(file), str(log), "--patience", str(patience)]
    _, others = host.cores()
    argv = [sys.executable, "-m", *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as phone:
        assert phone.stdout is not None
        port = json.loads(phone.stdout.readline())["port"]
        with Child("crowd", ["tests.soak.crowd", "--target", f"127.0.0.1:{port}", "--clean"], cores=others) as crowd:
            crowd.ask({"do": "place", "ending": "HUNG", "seconds": 0})
            try:
                status = phone.wait(10 * patience)
            except subprocess.TimeoutExpired:
                status = None
                phone.kill()
    return status, log.read_text()


def _configuration(directory: Path, url: str) -> Path:
    file = directory / "sip.conf"
    file.write_text(_CONFIGURATION.format(callers=f"{HOST}, {CLEAN_HOST}", url=url))
    return file
