"""Where a benchmark takes place: the three processes, and the files that they read."""

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sipagent.bench import host
from sipagent.bench.children import Child
from sipagent.bench.generator import HOST
from sipagent.errors import ConfigurationError

_CONFIGURATION = """
[general]
bind = 127.0.0.1:0
transports = udp
rtp_ports = 20000-31999
rtp = {rtp}
max_calls = 5000

[trunk bench]
peers = {caller}

[agent]
pipeline = {pipeline}
greeting_instructions = Talk without end.

[openai]
api_key = bench
base_url = {url}/v1

[cartesia]
api_key = bench
base_url = {url}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is run."""

    pipeline: str = "half-cascade"
    append: int | None = None
    """Milliseconds of audio in one append; None as the phone is run: they grow in silence."""
    shared: bool = False
    """One RTP port for all calls, instead of one each."""
    tls: bool = True

    @property
    def is_echo(self) -> bool:
        return self.pipeline == "echo"

    def __str__(self) -> str:
        ports = "one RTP port for all" if self.shared else "an RTP port a call"
        if self.is_echo:
            return f"echo, {ports}"
        append = f"appends of {self.append} ms" if self.append else "appends that grow in silence"
        return f"{self.pipeline}, {append}, {ports}, providers over {'TLS' if self.tls else 'plain sockets'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The processes, and the core that the one that is measured has for itself, if there are two."""

    setting: Setting
    worker: int
    """Process id of what is measured."""
    generator: Child
    stand_ins: Child | None
    """None for an echo."""
    core: int
    directory: Path
    check: Callable[[], None] = lambda: None
    """Raises ChildFailed if what is measured has ended."""


@contextlib.contextmanager
def built(setting: Setting, directory: Path) -> Iterator[Site]:
    """Start everything, and end it again. Raises ChildFailed, and ConfigurationError for what this machine lacks."""
    allow_files()
    worker_cores, other_cores = host.cores()
    with contextlib.ExitStack() as stack:
        stand_ins, url, environment = None, "http://127.0.0.1:9", {}
        if not setting.is_echo:
            arguments = ["sipagent.bench.stand_ins"]
            if setting.tls:
                certificate = make_certificate(directory)
                arguments += ["--certificate", str(certificate)]
                environment = {"SSL_CERT_FILE": str(certificate)}
            stand_ins = stack.enter_context(Child("stand-ins", arguments, cores=other_cores))
            url = f"{'https' if setting.tls else 'http'}://127.0.0.1:{stand_ins.answer()['port']}"
        file = directory / "sip.conf"
        rtp = "shared" if setting.shared else "port-per-call"
        file.write_text(_CONFIGURATION.format(rtp=rtp, caller=HOST, pipeline=setting.pipeline, url=url))
        arguments = ["sipagent.bench.worker", str(file)]
        if setting.append is not None:
            arguments += ["--append", str(setting.append)]
        worker = stack.enter_context(Child("worker", arguments, cores=worker_cores, environment=environment))
        arguments = ["sipagent.bench.generator", "--target", f"127.0.0.1:{worker.answer()['port']}"]
        arguments += ["--echo"] * setting.is_echo
        generator = stack.enter_context(Child("load generator", arguments, cores=other_cores))
        yield Site(
            setting=setting,
            worker=worker.pid,
            generator=generator,
            stand_ins=stand_ins,
            core=min(worker_cores),
            directory=directory,
            check=worker.check,
        )


def allow_files() -> None:
    """A call takes four descriptors, and 1024 is what a shell allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def make_certificate(directory: Path) -> Path:
    """Make a certificate for the loopback that lives as long as the benchmark: key and certificate in one file."""
    file = directory / "stand-ins.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-keyout", str(file), "-out", str(directory / "certificate.pem")]
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(
            f"no certificate for the stand-ins can be made by openssl ({error}): --plain"
        ) from None
    with file.open("a") as together:
        together.write((directory / "certificate.pem").read_text())
    return file
