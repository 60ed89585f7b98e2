"""WebSocketFrames against a real server on loopback: opening, refusals, closing, broken and stuck connections."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any, ParamSpec

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from sipagent.agent.interfaces import Close
from sipagent.errors import ProviderError
from sipagent.net import websocket, websocket_connection
from sipagent.net.websocket import WebSocketFrames

P = ParamSpec("P")
SECRET = {"Authorization": "Bearer sk-secret"}


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a real event loop."""

    @wraps(test)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return wrapped


@asynccontextmanager
async def server(handler: Callable[[ServerConnection], Awaitable[None]], **options: Any) -> AsyncIterator[str]:
    """A server on a free port of loopback; gives its URL."""
    async with serve(handler, "127.0.0.1", 0, **options) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/path?api_key=sk-secret"


async def echo(connection: ServerConnection) -> None:
    async for frame in connection:
        await connection.send(frame)


def deaf(until: asyncio.Event) -> Callable[[ServerConnection], Awaitable[None]]:
    """A server that takes nothing from the network until it is told to go."""

    async def handler(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await until.wait()
        connection.transport.abort()

    return handler


@on_a_loop
async def test_frames_go_and_come_in_order_uncompressed_with_our_headers() -> None:
    seen: list[Request] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request)
        await echo(connection)

    async with server(handler) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, SECRET)
        for number in range(100):
            socket.send(f"frame {number}")
        received = []
        async for frame in socket.frames():
            received.append(frame)
            if len(received) == 100:
                await socket.close()
        assert received == [f"frame {number}" for number in range(100)]
        assert socket.ended == Close(code=1000, reason="", clean=True)

    assert seen[0].headers["Authorization"] == "Bearer sk-secret"
    assert "Sec-WebSocket-Extensions" not in seen[0].headers


@on_a_loop
async def test_a_server_on_loopback_is_not_behind_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    async with server(echo) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        await socket.close()


@on_a_loop
async def test_frames_of_several_megabytes_pass() -> None:
    async with server(echo, max_size=None) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        socket.send("x" * 5_000_000)
        async for frame in socket.frames():
            assert len(frame) == 5_000_000
            break
        await socket.close()


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@on_a_loop
async def test_a_refused_upgrade_has_its_status_and_no_secret(status: int) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus(status), "sk-secret is wrong\n")

    async with server(echo, process_request=refuse) as url:
        socket = WebSocketFrames("openai")
        with pytest.raises(ProviderError) as refused:
            await socket.open(url, SECRET)

    assert refused.value.status == status
    assert "sk-secret" not in str(refused.value)
    assert refused.value.__cause__ is None, "a chained error would print the request"


@on_a_loop
async def test_a_redirect_is_a_refusal() -> None:
    def redirect(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "ws://127.0.0.1:9/elsewhere"
        return response

    async with server(echo, process_request=redirect) as url:
        with pytest.raises(ProviderError) as refused:
            await WebSocketFrames("openai").open(url, SECRET)

    assert refused.value.status == 302


def test_nothing_secret_is_logged_even_when_everything_is(caplog: pytest.LogCaptureFixture) -> None:
    @on_a_loop
    async def talk() -> None:
        async with server(echo, logger=logging.getLogger("server")) as url:
            socket = WebSocketFrames("openai")
            await socket.open(url, SECRET)
            socket.send("sk-secret")
            async for _ in socket.frames():
                await socket.close()

    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="server")
    talk()

    assert "sk-secret" not in caplog.text


@on_a_loop
async def test_nobody_listens() -> None:
    async with server(echo) as url:
        pass
    with pytest.raises(ProviderError, match="cannot connect") as refused:
        await WebSocketFrames("openai").open(url, SECRET)
    assert "sk-secret" not in str(refused.value)


@on_a_loop
async def test_no_url() -> None:
    with pytest.raises(ProviderError, match="no URL"):
        await WebSocketFrames("openai").open("ws:nonsense", SECRET)


@on_a_loop
async def test_no_answer_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "OPEN_TIMEOUT", 0.1)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError, match=r"no connection within 0\.1 s"):
            await WebSocketFrames("openai").open(f"ws://127.0.0.1:{port}/", SECRET)


@on_a_loop
async def test_the_server_closes() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.close(3000, "invalid_request_error.invalid_api_key")

    async with server(handler) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, SECRET)
        assert [frame async for frame in socket.frames()] == []

    assert socket.ended == Close(code=3000, reason="invalid_request_error.invalid_api_key", clean=True)


@on_a_loop
async def test_the_connection_breaks() -> None:
    async def handler(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with server(handler) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, SECRET)
        assert [frame async for frame in socket.frames()] == []

    assert socket.ended is not None
    assert (socket.ended.code, socket.ended.clean) == (1006, False)
    socket.send("dropped silently")


@on_a_loop
async def test_closing_ends_an_attempt_to_connect() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        socket = WebSocketFrames("openai")
        opening = asyncio.create_task(socket.open(f"ws://127.0.0.1:{port}/", SECRET))
        await asyncio.sleep(0)
        await socket.close()
        with pytest.raises(ProviderError, match="closed while connecting"):
            await asyncio.wait_for(opening, 1)


@on_a_loop
async def test_a_network_that_takes_no_more_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_connection, "SEND_DEADLINE", 0.2)
    stuck = asyncio.Event()

    async with server(deaf(stuck)) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, SECRET)
        for _ in range(20):
            socket.send("x" * 1_000_000)
        assert [frame async for frame in socket.frames()] == []
        stuck.set()

    assert socket.ended == Close(code=1006, reason="the network took nothing for 0.2 s", clean=False)


@on_a_loop
async def test_more_than_a_full_queue_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_connection, "SEND_BACKLOG", 5)
    stuck = asyncio.Event()

    async with server(deaf(stuck)) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, SECRET)
        for _ in range(20):
            socket.send("x" * 1_000_000)
            await asyncio.sleep(0)
        stuck.set()

    assert socket.ended == Close(code=1006, reason="the network takes no more", clean=False)


@on_a_loop
async def test_frames_that_waited_for_the_network_leave_in_order() -> None:
    released = asyncio.Event()
    came: list[str] = []
    all_came = asyncio.Event()

    async def slow(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await released.wait()
        connection.transport.resume_reading()
        async for frame in connection:
            came.append(str(frame)[:8])
            if len(came) == 20:
                all_came.set()

    async with server(slow, max_size=None) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        for number in range(20):
            socket.send(f"{number:08}" + "x" * 1_000_000)
            await asyncio.sleep(0)
        released.set()
        await all_came.wait()
        await socket.close()

    assert came == [f"{number:08}" for number in range(20)]


@on_a_loop
async def test_a_peer_that_answers_no_ping_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_connection, "PING_INTERVAL", 0.1)
    stuck = asyncio.Event()

    async with server(deaf(stuck)) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        assert [frame async for frame in socket.frames()] == []
        stuck.set()

    assert socket.ended == Close(code=1006, reason="nothing came for 0.1 s, not even a pong", clean=False)


@on_a_loop
async def test_a_peer_that_answers_pings_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_connection, "PING_INTERVAL", 0.02)

    async def late(connection: ServerConnection) -> None:
        await asyncio.sleep(0.2)
        await connection.send("after ten pings")

    async with server(late) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        assert [frame async for frame in socket.frames()] == ["after ten pings"]


@on_a_loop
async def test_messages_in_parts_are_whole_and_binary_ones_are_passed_over() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(["Gr", "ü", "ezi"])
        await connection.send(b"binary")
        await connection.send([b"binary", b" too"])
        await connection.send("end")

    async with server(handler) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        assert [frame async for frame in socket.frames()] == ["Grüezi", "end"]


@on_a_loop
async def test_text_that_is_no_utf8_ends_the_connection() -> None:
    codes: list[int | None] = []

    async def handler(connection: ServerConnection) -> None:
        await connection.send(b"\xff", text=True)
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with server(handler) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        assert [frame async for frame in socket.frames()] == []

    assert codes == [1007]
    assert socket.ended is not None


@on_a_loop
async def test_a_letter_without_encoding_does_not_keep_the_rest_from_being_sent() -> None:
    async with server(echo) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        socket.send("half \ud83d a smile")
        async for frame in socket.frames():
            assert frame == "half ? a smile"
            await socket.close()


@on_a_loop
async def test_a_reader_that_is_slow_misses_nothing() -> None:
    count = 3 * websocket_connection.INBOX

    async def flood(connection: ServerConnection) -> None:
        for number in range(count):
            await connection.send(f"{number} " + "x" * 10_000)

    async with server(flood) as url:
        socket = WebSocketFrames("openai")
        await socket.open(url, {})
        for _ in range(100):
            await asyncio.sleep(0)  # the network has something to do meanwhile
        numbers = [int(frame.split()[0]) async for frame in socket.frames()]

    assert numbers == list(range(count))


@on_a_loop
async def test_whoever_closes_while_it_connects_leaves_no_connection_whatever_the_moment() -> None:
    outcomes = set()
    async with server(echo) as url:
        before = descriptors()
        for turns in range(1, 120):
            frames = WebSocketFrames("openai")
            opening = asyncio.ensure_future(frames.open(url, {}))
            for _ in range(turns):
                await asyncio.sleep(0)
            await frames.close()
            (result,) = await asyncio.gather(opening, return_exceptions=True)
            outcomes.add(str(result))
            assert frames.ended is not None
        for _ in range(100):
            await asyncio.sleep(0.02 if descriptors() > before else 0)
        assert descriptors() <= before
    assert outcomes == {"None", "openai: closed while connecting"}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
