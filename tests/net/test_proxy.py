"""The way through an HTTP proxy: a provider that can only be reached through it, over TLS and without."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from sipagent.errors import ProviderError
from sipagent.net import websocket
from sipagent.net.websocket import WebSocketFrames
from tests.net.peers import in_time

PROVIDER = "provider.example"


@dataclass
class HttpProxy:
    """Answers `CONNECT` with `status`, and connects whoever asks with the one provider there is."""

    provider: int
    status: bytes = b"200 Connection established"
    asked: list[list[str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(request.decode().strip().split("\r\n"))
        if not self.status:
            writer.close()
            return
        writer.write(b"HTTP/1.1 " + self.status + b"\r\nVia: 1.1 proxy\r\n\r\n")
        if not self.status.startswith(b"200"):
            return
        behind = await asyncio.open_connection("127.0.0.1", self.provider)
        await asyncio.gather(_pour(reader, behind[1]), _pour(behind[0], writer))


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def echo(connection: ServerConnection) -> None:
    async for frame in connection:
        await connection.send(frame)


@asynccontextmanager
async def behind_a_proxy(
    environment: pytest.MonkeyPatch, *, tls: ssl.SSLContext | None = None, credentials: str = "", scheme: str = "http"
) -> AsyncIterator[HttpProxy]:
    """A provider that echoes, and the environment's proxy before it."""
    async with serve(echo, "127.0.0.1", 0, ssl=tls) as provider:
        proxy = HttpProxy(provider.sockets[0].getsockname()[1])
        listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        for variable in ("http_proxy", "https_proxy"):
            environment.setenv(variable, f"{scheme}://{credentials}127.0.0.1:{port}")
        environment.delenv("no_proxy", raising=False)
        environment.delenv("NO_PROXY", raising=False)
        async with listening:
            yield proxy


def test_a_provider_is_reached_through_the_proxy_and_sees_its_own_name_in_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(PROVIDER).configure_cert(server)
    authority.configure_trust(client)
    monkeypatch.setattr(websocket, "tls", lambda: client)

    async def talk() -> None:
        async with behind_a_proxy(monkeypatch, tls=server) as proxy:
            socket = WebSocketFrames("openai")
            await socket.open(f"wss://{PROVIDER}/v1", {"Authorization": "Bearer sk-secret"})
            socket.send("hello")
            assert await anext(socket.frames()) == "hello"
            await socket.close()
        assert proxy.asked == [[f"CONNECT {PROVIDER}:443 HTTP/1.1", f"Host: {PROVIDER}:443"]]

    in_time(talk)


def test_the_proxy_may_want_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with behind_a_proxy(monkeypatch, credentials="me:secret@") as proxy:
            socket = WebSocketFrames("openai")
            await socket.open(f"ws://{PROVIDER}:8080/", {})
            socket.send("hello")
            assert await anext(socket.frames()) == "hello"
            await socket.close()
        token = base64.b64encode(b"me:secret").decode()
        assert proxy.asked[0][1:] == [f"Host: {PROVIDER}:8080", f"Proxy-Authorization: Basic {token}"]

    in_time(talk)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"407 Proxy Authentication Required", "the proxy refused with HTTP 407"),
        (b"", "the proxy broke off"),
        (b"nonsense", "the proxy broke off"),
        (b"9" * 5000, "the proxy broke off"),
    ],
)
def test_a_proxy_that_does_not_let_us_through_is_named(
    monkeypatch: pytest.MonkeyPatch, status: bytes, words: str
) -> None:
    async def talk() -> None:
        async with behind_a_proxy(monkeypatch, credentials="me:secret@") as proxy:
            proxy.status = status
            with pytest.raises(ProviderError, match=words) as refused:
                await WebSocketFrames("openai").open(f"wss://{PROVIDER}/", {})
            assert refused.value.status is None, "it is not the provider that refused"
            assert "secret" not in str(refused.value)

    in_time(talk)


def test_a_proxy_of_another_kind_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with behind_a_proxy(monkeypatch, scheme="socks5h"):
            with pytest.raises(ProviderError, match="a proxy that speaks socks5h cannot be used"):
                await WebSocketFrames("openai").open(f"ws://{PROVIDER}/", {})

    in_time(talk)


def test_a_proxy_that_is_none_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with behind_a_proxy(monkeypatch, scheme="gopher"):
            with pytest.raises(ProviderError, match="the proxy of the environment is none that can be used"):
                await WebSocketFrames("openai").open(f"ws://{PROVIDER}/", {})

    in_time(talk)
