"""The two providers on loopback, in a thread: what `OPENAI_BASE_URL` and `CARTESIA_BASE_URL` can point to."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.interop.peers.event_log import EventLog
from tests.interop.peers.realtime_server import RealtimeSession
from tests.interop.peers.tone_server import ToneSession


class OtherServers:
    """Serves while the `with` block runs. `received` logs every frame of the agent; audio by its type too.

    `key`: what the agent must show; anything else gets 401. `mute`: the recogniser's socket opens, and says nothing.
    """

    def __init__(
        self,
        *,
        said: str = "Something.",
        answers: Sequence[str] = ("All right.",),
        key: str = "sk-test",
        mute: bool = False,
    ) -> None:
        self.received = EventLog("providers")
        self._said, self._answers, self._key, self._mute = said, answers, key, mute
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send the agent here."""
        openai, cartesia = (server.sockets[0].getsockname()[1] for server in self._servers)
        return {
            "OPENAI_API_KEY": self._key,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{openai}/v1",
            "CARTESIA_API_KEY": self._key,
            "CARTESIA_BASE_URL": f"http://127.0.0.1:{cartesia}",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        self._servers = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> tuple[Server, Server]:
        openai = await serve(self._realtime, "127.0.0.1", 0, process_request=self._authorise, compression=None)
        cartesia = await serve(self._tone, "127.0.0.1", 0, process_request=self._authorise, compression=None)
        return openai, cartesia

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    def _authorise(self, connection: ServerConnection, request: Request) -> Response | None:
        if not request.path.startswith(("/v1/realtime?model=", "/tts/websocket")):
            return connection.respond(HTTPStatus.NOT_FOUND, "no such path\n")
        shown = {request.headers.get("Authorization"), request.headers.get("X-API-Key")}
        if not shown & {f"Bearer {self._key}", self._key}:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "wrong key\n")
        return None

    async def _realtime(self, connection: ServerConnection) -> None:
        if self._mute:
            await connection.wait_closed()
            return
        with suppress(ConnectionClosed):
            await RealtimeSession(connection, self._said, self._answers, self.received.append).serve()

    async def _tone(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await ToneSession(connection, self.received.append).serve()
