"""What the commands' tests share: a runner without keys and files of this machine, and a SIP server to meet."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sipagent.cli import main
from sipagent.sip.message import Request, parse
from tests.sip.bench import answer

Command = Callable[..., Result]
Answers = Callable[[Request], list[str]]


@pytest.fixture
def sipagent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in an empty directory, without the environment's keys."""
    for name in os.environ:
        if name.startswith(("SIPAGENT_", "OPENAI_", "CARTESIA_")) and name != "SIPAGENT_CORPORA":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=stdin)

    return run


class SipServer:
    """Answers SIP requests on 127.0.0.1 from a thread of its own: what a PBX is to a command that is tried."""

    def __init__(self, answers: Answers) -> None:
        self.requests: list[Request] = []
        self._answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and give the port back."""
        self._socket.sendto(b"stop", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def of(self, method: str) -> list[Request]:
        """The requests of a method, in order."""
        return [request for request in self.requests if request.method == method]

    def _run(self) -> None:
        while (received := self._socket.recvfrom(65535))[0] != b"stop":
            request = parse(received[0])
            assert isinstance(request, Request)
            self.requests.append(request)
            for text in self._answers(request):
                ours = text.replace("sip:bob@127.0.0.2:5060", f"sip:bob@{self.address}")
                self._socket.sendto(ours.encode(), received[1])


@pytest.fixture
def sip_server() -> Iterator[Callable[[Answers], SipServer]]:
    """Start a server with a function that answers requests."""
    servers: list[SipServer] = []

    def start(answers: Answers) -> SipServer:
        servers.append(SipServer(answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def grant(request: Request) -> list[str]:
    """Register whoever asks, and say 200 to all the rest."""
    expires = request.headers.get("expires")
    headers = (f"Contact: {request.headers.get('contact')};expires={expires}",) if expires else ()
    return [answer(request, 200, headers=headers)] if request.method != "ACK" else []


def refuse(request: Request) -> list[str]:
    """Refuse whoever asks."""
    return [answer(request, 403, reason="Forbidden")] if request.method != "ACK" else []
