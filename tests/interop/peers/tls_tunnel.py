"""TLS for a peer that has none: TCP comes in, TLS goes out. Debian's sipp is such a peer."""

import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class TlsTunnel:
    """Takes one connection at `address`, and carries it to `target`, whose certificate `ca` must have signed."""

    def __init__(self, target: tuple[str, int], ca: Path) -> None:
        self._target = target
        self._context = ssl.create_default_context(cafile=str(ca))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        plain = socket.create_connection(self._target)
        far = self._context.wrap_socket(plain, server_hostname=self._target[0])
        self._ends = [near, far]
        threading.Thread(target=_carry, args=(far, near), daemon=True).start()
        _carry(near, far)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self._listener, *self._ends):
            end.close()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    """All that comes from the one to the other, until either is gone."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return
