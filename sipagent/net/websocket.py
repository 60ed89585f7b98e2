"""Text frames over one real WebSocket (RFC 6455): the `FrameSocket` that providers get on a live call."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from functools import cache
from ipaddress import ip_address
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI
from websockets.proxy import get_proxy, parse_proxy
from websockets.uri import WebSocketURI, parse_uri

from sipagent.agent.interfaces import Close
from sipagent.errors import ProviderError
from sipagent.net.proxy import tunnel
from sipagent.net.websocket_connection import WebSocketConnection

OPEN_TIMEOUT = 10.0


@cache
def tls() -> ssl.SSLContext:
    """One context, and so one set of roots, for the process. Made before the first call it costs that call nothing."""
    return ssl.create_default_context()


class WebSocketFrames:
    """One connection to the provider `name`: opened once, closed once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._attempt: asyncio.Task[WebSocketConnection] | None = None
        self._connection: WebSocketConnection | None = None
        self._failure: Close | None = None

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect within ten seconds. Raises ProviderError; its text holds neither header nor query."""
        if self._failure is not None:
            raise ProviderError(self._name, "closed before it was opened")
        self._attempt = asyncio.ensure_future(_connect(url, headers))
        try:
            connection = await self._attempt
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            raise self._refused(f"the upgrade was refused with HTTP {status}", status) from None
        except InvalidURI:
            raise self._refused("the base URL is no URL") from None
        except InvalidProxy:
            raise self._refused("the proxy of the environment is none that can be used") from None
        except TimeoutError:
            raise self._refused(f"no connection within {OPEN_TIMEOUT:g} s") from None
        except (OSError, InvalidHandshake) as error:
            raise self._refused(f"cannot connect: {_without_secrets(error)}") from None
        except asyncio.CancelledError:
            if not self._attempt.cancelled() or self._failure is None:
                self._attempt.cancel()
                raise
            raise self._refused("closed while connecting") from None
        if self._failure is not None:  # we were closed between its success and now
            connection.abort()
            raise self._refused("closed while connecting")
        self._connection = connection

    def send(self, frame: str) -> None:
        """Send one text frame. Dropped once closed; a full queue ends the connection as broken."""
        if self._connection is not None:
            self._connection.send(frame)

    async def frames(self) -> AsyncIterator[str]:
        """Yield text frames until the connection ends; `ended` then says how."""
        if self._connection is not None:
            async for frame in self._connection.frames():
                yield frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within two seconds; also ends an attempt to connect."""
        if self._connection is not None:
            await self._connection.close(code, reason)
        elif self._failure is None:
            self._failure = Close(code=1006, reason="never opened", clean=False)
            if self._attempt is not None:
                self._attempt.cancel()

    @property
    def ended(self) -> Close | None:
        return self._connection.ended if self._connection is not None else self._failure

    def _refused(self, message: str, status: int | None = None) -> ProviderError:
        self._failure = Close(code=1006, reason=message, clean=False)
        return ProviderError(self._name, message, status=status)


async def _connect(url: str, headers: Mapping[str, str]) -> WebSocketConnection:
    """Connect where we were told to. A redirect is a refusal: it would carry the key elsewhere."""
    uri = parse_uri(url)
    connection = WebSocketConnection(uri)
    async with asyncio.timeout(OPEN_TIMEOUT):
        await _reach(uri, connection)
        try:
            await connection.upgrade(headers)
        except BaseException:
            connection.abort()
            raise
    return connection


async def _reach(uri: WebSocketURI, connection: WebSocketConnection) -> None:
    """Give the connection its transport, through the proxy of the environment if there is one."""
    loop = asyncio.get_running_loop()
    secure: dict[str, Any] = {"ssl": tls(), "server_hostname": uri.host} if uri.secure else {}
    proxy = None if _is_loopback(uri.host) else get_proxy(uri)  # a local server is not behind the proxy
    if proxy is None:
        await _whole(loop.create_connection(lambda: connection, uri.host, uri.port, **secure))
        return
    transport = await tunnel(parse_proxy(proxy), (uri.host, uri.port), tls())
    if uri.secure:
        connection.connection_made(await _secured(transport, connection, uri.host))
    else:
        transport.set_protocol(connection)
        connection.connection_made(transport)


async def _whole(connecting: Coroutine[Any, Any, tuple[asyncio.Transport, Any]]) -> None:
    """Connect. If that is cancelled it goes on by itself, for a while, and what comes of it is dropped.

    uvloop does not bear its handshake to be cancelled: it goes on with a transport that is closed, and logs an error.
    """
    attempt = asyncio.ensure_future(connecting)
    try:
        await asyncio.shield(attempt)
    except asyncio.CancelledError:
        attempt.add_done_callback(_drop)
        asyncio.get_running_loop().call_later(OPEN_TIMEOUT, attempt.cancel)
        raise


def _drop(attempt: "asyncio.Future[tuple[asyncio.Transport, Any]]") -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result()[0].abort()


async def _secured(tunnelled: asyncio.Transport, connection: WebSocketConnection, host: str) -> asyncio.Transport:
    transport = await asyncio.get_running_loop().start_tls(tunnelled, connection, tls(), server_hostname=host)
    if transport is None:  # so says the interface, of a transport that was closed meanwhile
        raise ConnectionAbortedError("the proxy broke off")
    return transport


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _without_secrets(error: Exception) -> str:
    """The system's own words for an OSError; for the rest only the kind, whose text may quote headers or the URL."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
