"""What the tests of TCP and TLS share: an endpoint of ours with all that it tells, and plain streams as its peers."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sipagent.sip.flow import Address, Flow

DEADLINE = 10.0


@dataclass
class Told:
    """What an endpoint calls back with."""

    messages: "asyncio.Queue[tuple[bytes, Flow]]" = field(default_factory=asyncio.Queue)
    failures: "asyncio.Queue[tuple[Flow, str]]" = field(default_factory=asyncio.Queue)

    def receive(self, data: bytes, flow: Flow) -> None:
        self.messages.put_nowait((data, flow))

    def unreachable(self, flow: Flow, reason: str) -> None:
        self.failures.put_nowait((flow, reason))


class Peer:
    """One end of a stream that is not ours."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, to: Address, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, name: str | None = None
    ) -> "Peer":
        return cls(
            *await asyncio.open_connection(to.host, to.port, local_addr=(host, 0), ssl=tls, server_hostname=name)
        )

    @property
    def address(self) -> Address:
        return Address(*self.writer.get_extra_info("sockname")[:2])

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, data: bytes) -> None:
        """Wait for exactly these bytes."""
        assert await self.reader.readexactly(len(data)) == data

    async def is_hung_up_on(self) -> bool:
        """Wait for the end of the stream; whether nothing came before it."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    def hang_up(self) -> None:
        self.writer.close()


class Server:
    """A listener that is not ours, with the peers that its connections are."""

    def __init__(self) -> None:
        self.peers: asyncio.Queue[Peer] = asyncio.Queue()
        self.address = Address("127.0.0.1", 0)

    async def listen(self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> "Server":
        self._server = await asyncio.start_server(
            lambda reader, writer: self.peers.put_nowait(Peer(reader, writer)), host, port, ssl=tls
        )
        self.address = Address(*self._server.sockets[0].getsockname()[:2])
        return self

    def close(self) -> None:
        self._server.close()


def in_time(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test on real sockets, but not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(bounded())
