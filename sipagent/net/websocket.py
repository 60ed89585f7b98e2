"""Text frames over one real WebSocket (RFC 6455): the `FrameSocket` that providers get on a live call."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from sipagent.agent.interfaces import Close
from sipagent.errors import ProviderError

OPEN_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0
PING_INTERVAL = 20.0
"""Seconds between pings, and to the pong: a half-open connection is noticed in twice that."""
MAX_FRAME = 16 << 20
SEND_DEADLINE = 5.0
"""Seconds that the network may refuse to take a frame before the connection counts as broken."""
SEND_BACKLOG = 2048
"""Frames waiting to be sent; a minute and more of audio."""


_wire_log = logging.getLogger("sipagent.net.websocket.wire")
_wire_log.setLevel(logging.INFO)  # at DEBUG the library writes whole frames and headers, keys among them


@cache
def tls() -> ssl.SSLContext:
    """One context, and so one set of roots, for the process. Made before the first call it costs that call nothing."""
    return ssl.create_default_context()


class WebSocketFrames:
    """One connection to the provider `name`: opened once, closed once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._attempt: asyncio.Task[ClientConnection] | None = None
        self._connection: ClientConnection | None = None
        self._ended: Close | None = None
        self._backlog: deque[str] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect within ten seconds. Raises ProviderError; its text holds neither header nor query."""
        if self._ended is not None:
            raise ProviderError(self._name, "closed before it was opened")
        self._attempt = asyncio.ensure_future(_connect(url, headers))
        try:
            self._connection = await self._attempt
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            raise self._refused(f"the upgrade was refused with HTTP {status}", status) from None
        except InvalidURI:
            raise self._refused("the base URL is no URL") from None
        except TimeoutError:
            raise self._refused(f"no connection within {OPEN_TIMEOUT:g} s") from None
        except (OSError, InvalidHandshake, ConnectionClosed) as error:
            raise self._refused(f"cannot connect: {_without_secrets(error)}") from None
        except asyncio.CancelledError:
            if not self._attempt.cancelled() or self._ended is None:
                self._attempt.cancel()
                raise
            raise self._refused("closed while connecting") from None

    def send(self, frame: str) -> None:
        """Queue one text frame. Dropped once closed; a full queue ends the connection as broken."""
        if self._ended is not None or self._connection is None:
            return
        if len(self._backlog) >= SEND_BACKLOG:
            self._break("the network takes no more")
            return
        self._backlog.append(frame)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(self._connection))

    async def frames(self) -> AsyncIterator[str]:
        """Yield text frames until the connection ends; `ended` then says how."""
        if self._connection is None:
            return
        try:
            while self._ended is None:
                frame = await self._connection.recv()
                if isinstance(frame, str):
                    yield frame
        except ConnectionClosed as closed:
            self._ended = self._ended or _how(closed)
        finally:
            self._backlog.clear()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within two seconds; also ends an attempt to connect."""
        if self._ended is not None and self._connection is None:
            return
        if self._connection is None:
            self._ended = Close(code=1006, reason="never opened", clean=False)
            if self._attempt is not None:
                self._attempt.cancel()
            return
        await self._connection.close(code, reason)
        if self._ended is None:
            protocol = self._connection.protocol
            self._ended = Close(
                code=protocol.close_code or 1006,
                reason=protocol.close_reason or "",
                clean=protocol.close_rcvd is not None and protocol.close_sent is not None,
            )
        if self._writer is not None:
            await asyncio.wait([self._writer])

    @property
    def ended(self) -> Close | None:
        return self._ended

    async def _write(self, connection: ClientConnection) -> None:
        try:
            while self._backlog:
                await asyncio.wait_for(connection.send(self._backlog.popleft()), SEND_DEADLINE)
        except TimeoutError:
            self._break(f"the network took nothing for {SEND_DEADLINE:g} s")
        except ConnectionClosed:
            self._backlog.clear()  # the reader says how it ended

    def _break(self, reason: str) -> None:
        """End a connection that does not move, without a closing handshake."""
        self._ended = Close(code=1006, reason=reason, clean=False)
        self._backlog.clear()
        if self._connection is not None:
            self._connection.transport.abort()

    def _refused(self, message: str, status: int | None = None) -> ProviderError:
        self._ended = Close(code=1006, reason=message, clean=False)
        return ProviderError(self._name, message, status=status)


class _Connect(connect):
    """Connects where it was told to: a redirect would carry the key elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def _connect(url: str, headers: Mapping[str, str]) -> ClientConnection:
    special: dict[str, Any] = {"ssl": tls()} if url.startswith("wss:") else {}
    if _is_loopback(url):
        special["proxy"] = None  # a local server is not behind the proxy of HTTPS_PROXY
    return await _Connect(
        url,
        additional_headers=headers,
        compression=None,
        open_timeout=OPEN_TIMEOUT,
        close_timeout=CLOSE_TIMEOUT,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_INTERVAL,
        max_size=MAX_FRAME,
        logger=_wire_log,
        **special,
    )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _how(closed: ConnectionClosed) -> Close:
    """RFC 6455 section 7.1.5: the code is the peer's, or 1006 when no Close frame came."""
    if closed.rcvd is None:
        return Close(code=1006, reason="the connection broke", clean=False)
    return Close(code=closed.rcvd.code, reason=closed.rcvd.reason, clean=closed.sent is not None)


def _without_secrets(error: Exception) -> str:
    """The system's own words for an OSError; for the rest only the kind, whose text may quote headers or the URL."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
