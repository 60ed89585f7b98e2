"""A provider's socket in memory, and the faults that a network and a provider can have."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sipagent.agent.interfaces import Close
from sipagent.errors import ProviderError

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong on one connection. Counts are of frames that the server sends."""

    refuse: int | None = None
    """The upgrade is refused with this HTTP status."""
    never_opens: bool = False
    close_after: int | None = None
    """The server closes behind this frame, with `code` and `reason`."""
    code: int = 1006
    reason: str = ""
    silent_after: int | None = None
    """Nothing comes behind this frame, though the connection stands: half-open."""


HEALTHY = Fault()


class ScriptedSocket:
    """Both ends of one connection: a `FrameSocket` for the client, `deliver` and `drop` for the server.

    Frames arrive in the order in which they were delivered, each after its delay. Text is what crosses, as JSON.
    """

    def __init__(self, provider: str, fault: Fault, opened: "Opened", received: "Received") -> None:
        self.url = ""
        self.headers: Mapping[str, str] = {}
        self._provider = provider
        self._fault = fault
        self._opened = opened
        self._received = received
        self._arrived: asyncio.Queue[str | None] = asyncio.Queue()
        self._on_the_way: deque[str] = deque()
        self._last_arrival = 0.0
        self._count = 0
        self._ended: Close | None = None
        self._given_up = asyncio.Event()

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect, unless the fault says otherwise."""
        if self._fault.refuse is not None:
            message = f"the upgrade was refused with HTTP {self._fault.refuse}"
            raise ProviderError(self._provider, message, status=self._fault.refuse)
        if self._fault.never_opens:
            try:
                await asyncio.wait_for(self._given_up.wait(), 10.0)
            except TimeoutError:
                raise ProviderError(self._provider, "no connection within 10 s") from None
            raise ProviderError(self._provider, "closed while connecting")
        await asyncio.sleep(0)
        self.url, self.headers = url, dict(headers)
        self._opened(self)

    def send(self, frame: str) -> None:
        """Let the server have a frame; dropped once closed."""
        if self._ended is None:
            self._received(self, json.loads(frame))

    async def frames(self) -> AsyncIterator[str]:
        """Yield what the server sent until the connection ends."""
        while (text := await self._arrived.get()) is not None:
            yield text

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's end."""
        self._given_up.set()
        self._end(Close(code=code, reason=reason, clean=True))

    @property
    def ended(self) -> Close | None:
        return self._ended

    # ---- the server's end

    @property
    def is_open(self) -> bool:
        return self._ended is None

    def deliver(self, frame: Mapping[str, Any] | str, after: float = 0.0) -> None:
        """Send a frame, `after` seconds from now at the earliest. Text is sent as it is."""
        loop = asyncio.get_running_loop()
        self._last_arrival = max(loop.time() + after, self._last_arrival)
        self._on_the_way.append(frame if isinstance(frame, str) else json.dumps(frame))
        loop.call_at(self._last_arrival, self._arrive)

    def drop(self, code: int = 1006, reason: str = "") -> None:
        """End the connection from the server's end; 1006 is a connection that just broke."""
        self._end(Close(code=code, reason=reason, clean=code != 1006))

    def _arrive(self) -> None:
        """The next frame is there. Timers of one moment fire in any order, so the frames keep a queue of their own."""
        text = self._on_the_way.popleft()
        silent, closing = self._fault.silent_after, self._fault.close_after
        if self._ended is not None or (silent is not None and self._count >= silent):
            return
        self._count += 1
        self._arrived.put_nowait(text)
        if closing is not None and self._count >= closing:
            self.drop(self._fault.code, self._fault.reason)

    def _end(self, how: Close) -> None:
        if self._ended is None:
            self._ended = how
            self._arrived.put_nowait(None)


Opened = Callable[[ScriptedSocket], None]
Received = Callable[[ScriptedSocket, Frame], None]
