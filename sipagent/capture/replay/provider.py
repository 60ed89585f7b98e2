"""The providers of a replay: their sockets open, speak and end as the journal says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sipagent.agent.interfaces import Close
from sipagent.errors import ProviderError

_CUT = Close(code=1006, reason="the journal ends here", clean=False)


class PlayedProvider:
    """The connections to one provider, in the order in which they were opened."""

    def __init__(self) -> None:
        self._sockets: list[PlayedSocket] = []
        self._taken = 0
        self._settled = 0
        self._over = False

    def socket(self, name: str) -> "PlayedSocket":
        """Return the next connection that the phone asks for."""
        self._taken += 1
        return self._at(self._taken - 1, name)

    def play(self, kind: str, data: Mapping[str, Any]) -> None:
        """Let a connection stand or be refused, a frame come in on the newest, or the oldest that stands end."""
        name = data["provider"]
        if kind in ("open", "refused"):
            self._settled += 1
        newest = self._at(max(self._settled - 1, 0), name)
        if kind == "open":
            newest.settle(None)
        elif kind == "refused":
            newest.settle(ProviderError(name, data["text"].removeprefix(f"{name}: "), status=data["status"]))
        elif kind == "frame":
            newest.receive(data["text"])
        else:
            standing = next((socket for socket in self._sockets if socket.stands), newest)
            standing.end(Close(code=data["code"], reason=data["reason"], clean=data["clean"]))

    def finish(self) -> None:
        """The journal is over: end what stands, and what is asked for later."""
        self._over = True
        for socket in self._sockets:
            socket.end(_CUT)

    def _at(self, index: int, name: str) -> "PlayedSocket":
        while len(self._sockets) <= index:
            self._sockets.append(PlayedSocket(name))
            if self._over:
                self._sockets[-1].end(_CUT)
        return self._sockets[index]


class PlayedSocket:
    """A `FrameSocket` whose other side is the journal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._settled = asyncio.Event()
        self._refusal: ProviderError | None = None
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended: Close | None = None

    # ---- as the journal plays it

    @property
    def stands(self) -> bool:
        """Opened, and not ended."""
        return self._settled.is_set() and self._refusal is None and self._ended is None

    def settle(self, refusal: ProviderError | None) -> None:
        """Let `open` return, or raise."""
        self._refusal = self._refusal or refusal
        self._settled.set()

    def receive(self, text: str) -> None:
        """Let a frame come in."""
        self._frames.put_nowait(text)

    def end(self, how: Close) -> None:
        """Let the connection, or the attempt, end."""
        if self._ended is None:
            self._ended = how
            self._frames.put_nowait(None)
        if not self._settled.is_set():
            self.settle(ProviderError(self._name, "closed while connecting"))

    # ---- as the phone uses it

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """As `FrameSocket.open`, when the journal says so."""
        await self._settled.wait()
        if self._refusal is not None:
            raise self._refusal

    def send(self, frame: str) -> None:
        """Send into the void."""

    async def frames(self) -> AsyncIterator[str]:
        """As `FrameSocket.frames`."""
        while (frame := await self._frames.get()) is not None:
            yield frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """As `FrameSocket.close`; the closing handshake takes no time."""
        self.end(Close(code=code, reason=reason, clean=True))

    @property
    def ended(self) -> Close | None:
        return self._ended
