"""The far end of real calls on loopback, and the media thread that they are held with."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sipagent.media import Leg, MediaEvent, StreamSettings
from sipagent.net.media_thread import MediaThread, Ports
from sipagent.rtp import packet
from sipagent.rtp.packet import RtpPacket

HOST = "127.0.0.1"


class Far:
    """The far end: a socket, and all that came to it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    @property
    def settings(self) -> StreamSettings:
        host, port = self.address
        return StreamSettings(
            remote_host=host,
            remote_port=port,
            remote_rtcp_host=host,
            remote_rtcp_port=port,
            codec="pcmu",
            payload_type=0,
            receive_payload_types={0: "pcmu"},
        )

    def say(self, port: int, number: int) -> None:
        self.socket.sendto(packet.build(0, number, number * 160, 0xFA2, bytes([number]) * 160), (HOST, port))

    async def hear(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 2048), 5)

    async def hear_from(self) -> tuple[str, int]:
        """Wait for a datagram, and return where it comes from; `sock_recvfrom` is not on every loop."""
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.socket, came.set)
        await asyncio.wait_for(came.wait(), 5)
        loop.remove_reader(self.socket)
        source: tuple[str, int] = self.socket.recvfrom(2048)[1]
        return source

    async def hear_rtp(self, count: int) -> list[RtpPacket]:
        heard: list[RtpPacket] = []
        while len(heard) < count:
            data = await self.hear()
            parsed = None if packet.is_rtcp(data) else packet.parse(data)
            heard += [parsed] if parsed is not None else []
        return heard


@asynccontextmanager
async def media_thread(ports: Ports) -> AsyncIterator[MediaThread]:
    plane = MediaThread(ports)
    plane.start(asyncio.get_running_loop())
    try:
        yield plane
    finally:
        plane.close()


def open_leg(plane: MediaThread, on_event: Callable[[MediaEvent], None], *, trace: bool = False) -> Leg:
    """Open a leg whose stream begins at sequence number 1."""
    return plane.open_leg(host=HOST, ssrc=7, sequence=1, timestamp=0, cname="test", trace=trace, on_event=on_event)
