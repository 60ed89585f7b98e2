"""One socket of a provider, from the attempt to open it to its end; frames are handled as they come, in one task.

Beside it, what every unit keeps about its sockets: whether the present one can be used, and those it has left.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from sipagent.agent.interfaces import Close, FrameSocket
from sipagent.errors import LocalProtocolError, ProviderError

log = logging.getLogger("sipagent.providers")


class Connection:
    """Opens `socket` in the background and reports to three plain functions, all called on the loop.

    `opened()` once it stands, `receive(frame)` for every JSON object, then `ended(how)`: ProviderError when it was
    refused, else how it was closed. After `close` nothing is reported. Must be made in a running loop.
    """

    def __init__(
        self,
        provider: str,
        socket: FrameSocket,
        url: str,
        headers: Mapping[str, str],
        *,
        opened: Callable[[], None],
        receive: Callable[[Mapping[str, Any]], None],
        ended: Callable[[Close | ProviderError], None],
    ) -> None:
        self.is_open = False
        self.send = socket.send
        """Queues one frame; only for an open connection."""
        self._provider = provider
        self._socket = socket
        self._opened = opened
        self._receive = receive
        self._ended = ended
        self._closed = False
        self._malformed = 0
        self._task = asyncio.create_task(self._run(url, headers))

    async def close(self) -> None:
        """Close with 1000, or give up opening; returns when it is over."""
        self._closed = True
        await self._socket.close()
        await asyncio.wait([self._task])

    async def _run(self, url: str, headers: Mapping[str, str]) -> None:
        try:
            await self._socket.open(url, headers)
        except ProviderError as refusal:
            self._over(refusal)
            return
        if self._closed:
            return
        self.is_open = True
        self._opened()
        async for text in self._socket.frames():
            if self._closed:
                return
            self._take(text)
        self._over(self._socket.ended or Close(code=1006, reason="", clean=False))

    def _take(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            self._malformed += 1
            if self._malformed == 1:
                log.warning("%s sent a frame that is no JSON object; such frames are passed over", self._provider)
            return
        try:
            self._receive(frame)
        except Exception:  # one frame of an unforeseen shape must not end the reading of all others
            log.exception("the %s frame %s could not be handled", self._provider, frame.get("type"))

    def _over(self, how: Close | ProviderError) -> None:
        self.is_open = False
        if not self._closed:
            self._closed = True
            self._ended(how)


class Readiness:
    """Whether a unit's socket can be used: for any number of waiters, through one attempt after the other.

    `unit` is the name of its class, for who forgets `async with`.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._future: asyncio.Future[ProviderError | None] | None = None

    def begin(self) -> None:
        """An attempt begins: whoever waits, for the last one too, waits for this one."""
        if self._future is None or self._future.done():
            self._future = asyncio.get_running_loop().create_future()

    def stand(self) -> None:
        """The socket can be used."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def fail(self, error: ProviderError) -> None:
        """The attempt has failed."""
        if self._future is not None and not self._future.done():
            self._future.set_result(error)

    async def wait(self) -> None:
        """Return once the socket can be used. Raises the ProviderError of an attempt that failed."""
        if self._future is None:
            raise LocalProtocolError(f"{self._unit} is used outside its `async with`")
        if (failure := await asyncio.shield(self._future)) is not None:
            # one for each who waits: an exception that is kept keeps all frames that it came through, and they us
            text = str(failure).removeprefix(f"{failure.provider}: ")
            raise ProviderError(failure.provider, text, status=failure.status)


class Leaving:
    """Connections that close in the background: nothing more is heard of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def leave(self, connection: Connection) -> None:
        """Let it close."""
        task = asyncio.create_task(connection.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def over(self) -> None:
        """Return when all are closed."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def websocket_url(base: str, path: str) -> str:
    """Put `path` behind a base URL that may say http or ws: `http://host/v1`, `/realtime` → `ws://host/v1/realtime`."""
    scheme, _, rest = base.rstrip("/").rpartition("://")
    secure = scheme in ("https", "wss", "")
    return f"{'wss' if secure else 'ws'}://{rest}{path}"
