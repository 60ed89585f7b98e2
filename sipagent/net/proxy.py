"""The way out through an HTTP proxy: a tunnel by `CONNECT` (RFC 9110 section 9.3.6)."""

import asyncio
import base64
import re
import ssl
from typing import cast

from websockets.proxy import Proxy

_LONGEST_ANSWER = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/\S+ +([0-9]{3})(?![0-9])")


async def tunnel(proxy: Proxy, to: tuple[str, int], tls: ssl.SSLContext) -> asyncio.Transport:
    """Return a transport that the proxy has connected with `to`. Raises OSError; its text holds no secret.

    `tls` is for a proxy that is itself reached over TLS.
    """
    secure = proxy.scheme == "https"
    if not secure and proxy.scheme != "http":
        raise OSError(0, f"a proxy that speaks {proxy.scheme} cannot be used")
    _, request = await asyncio.get_running_loop().create_connection(
        lambda: _Request(proxy, to),
        proxy.host,
        proxy.port,
        ssl=tls if secure else None,
        server_hostname=proxy.host if secure else None,
    )
    try:
        status = await request.answer
    except asyncio.CancelledError:
        request.transport.abort()
        raise
    if not 200 <= status < 300:
        request.transport.abort()
        raise OSError(0, f"the proxy refused with HTTP {status}" if status else "the proxy broke off")
    return request.transport


class _Request(asyncio.Protocol):
    """One `CONNECT`. `answer` is the proxy's status, 0 where it gave none."""

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, to: tuple[str, int]) -> None:
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        host, port = to
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{_credentials(proxy)}\r\n".encode()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the answer; what is in the tunnel speaks only when it was spoken to, so nothing follows it."""
        self._received += data
        if b"\r\n\r\n" in self._received:
            self._answered(_status(self._received))
        elif len(self._received) > _LONGEST_ANSWER:
            self._answered(0)

    def connection_lost(self, error: Exception | None) -> None:
        """The proxy has gone without an answer."""
        self._answered(0)

    def _answered(self, status: int) -> None:
        if not self.answer.done():
            self.answer.set_result(status)


def _credentials(proxy: Proxy) -> str:
    if proxy.username is None:
        return ""
    token = base64.b64encode(f"{proxy.username}:{proxy.password or ''}".encode()).decode()
    return f"Proxy-Authorization: Basic {token}\r\n"


def _status(answer: bytes) -> int:
    """Read the status line; 0 for what is none."""
    found = _STATUS_LINE.match(answer)
    return int(found[1]) if found is not None else 0
