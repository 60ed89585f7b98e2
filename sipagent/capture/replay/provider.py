"""The providers of a replay: their sockets open, speak and end as the journal says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sipagent.agent.interfaces import Close
from sipagent.errors import ProviderError

_CUT = Close(code=1006, reason="the journal ends here", clean=False)


class PlayedProviders:
    """The sockets of a call by the names that the tap gave them: `openai`, and its second one `openai#2`."""

    def __init__(self) -> None:
        self._sockets: dict[str, PlayedSocket] = {}
        self._opened: Counter[str] = Counter()
        self._over = False

    def open_socket(self, name: str) -> "PlayedSocket":
        """As `World.open_socket`."""
        self._opened[name] += 1
        number = self._opened[name]
        return self._named(name if number == 1 else f"{name}#{number}")

    def play(self, kind: str, data: Mapping[str, Any]) -> None:
        """Let a socket `open`, be `refused`, `close`, or receive a `frame`."""
        socket = self._named(data["provider"])
        match kind:
            case "open":
                socket.settle(None)
            case "refused":
                socket.refuse(data["text"], data["status"])
            case "frame":
                socket.receive(data["text"])
            case "close":
                socket.end(Close(code=data["code"], reason=data["reason"], clean=data["clean"]))

    def finish(self) -> None:
        """The journal is over: end what stands, and what is asked for later."""
        self._over = True
        for socket in self._sockets.values():
            socket.end(_CUT)

    def _named(self, label: str) -> "PlayedSocket":
        if label not in self._sockets:
            self._sockets[label] = PlayedSocket(label.partition("#")[0])
            if self._over:
                self._sockets[label].end(_CUT)
        return self._sockets[label]


class PlayedSocket:
    """A `FrameSocket` whose other side is the journal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._settled = asyncio.Event()
        self._refusal: ProviderError | None = None
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended: Close | None = None

    # ---- as the journal plays it

    def settle(self, refusal: ProviderError | None) -> None:
        """Let `open` return, or raise; the first word counts."""
        if not self._settled.is_set():
            self._refusal = refusal
            self._settled.set()

    def refuse(self, text: str, status: int | None) -> None:
        """Let `open` raise what it raised then; `text` begins with the provider's name, as the error's does."""
        self.settle(ProviderError(self._name, text.removeprefix(f"{self._name}: "), status=status))

    def receive(self, text: str) -> None:
        """Let a frame come in."""
        self._frames.put_nowait(text)

    def end(self, how: Close) -> None:
        """Let the connection, or the attempt, end."""
        if self._ended is None:
            self._ended = how
            self._frames.put_nowait(None)
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
