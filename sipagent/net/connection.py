"""One TCP or TLS connection: messages in and out, pings answered, and an end for peers that stall."""

import asyncio
from collections.abc import Callable
from typing import cast

from sipagent.sip.flow import Flow
from sipagent.sip.framing import PING, PONG, Framing

BACKLOG = 256 * 1024
"""Bytes that may wait for a peer that does not read; it loses the connection with more."""
STALLED = 32.0
"""Seconds that a peer has for its first message, and for the rest of one that it has begun."""
CLOSED_BY_PEER = "the peer has closed the connection"
IDLE = 3600.0
"""Seconds without a byte: longer than most calls, since a peer behind a NAT is reached by its own connection alone."""


class Connection(asyncio.Protocol):
    """Cuts the stream into messages for `receive`, each with the flow it came by.

    `opened` is called when the connection stands, and says which flow it is. `lost` is called once, with the reason.
    Messages given before it stands leave when it does.
    """

    def __init__(
        self,
        opened: Callable[["Connection"], Flow],
        receive: Callable[[bytes, Flow], None],
        lost: Callable[["Connection", str], None],
        *,
        answers_pings: bool,
    ) -> None:
        self.flows: set[Flow] = set()
        """Those who are to be told when it is lost: each flow that messages took here."""
        self._opened = opened
        self._receive = receive
        self._lost = lost
        self._answers_pings = answers_pings
        self._loop = asyncio.get_running_loop()
        self._framing = Framing()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._flow: Flow | None = None
        self._active_at = self._loop.time()
        self._was_spoken = False
        self._why = ""
        self._is_over = False

    # ---- the driver's side

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message, or a ping."""
        self.flows.add(flow)
        self._active_at = self._loop.time()
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)
        if self._backlog() > BACKLOG:
            self.end("the peer does not read what we send")

    def look_at_the_clock(self) -> None:
        """End the connection if its peer has been silent for too long."""
        is_waiting = self._framing.unfinished or not self._was_spoken
        silence = self._loop.time() - self._active_at
        if silence > (STALLED if is_waiting else IDLE):
            self.end("a message that does not come to its end" if is_waiting else "nothing was said for an hour")

    def close(self) -> None:
        """Send what waits, and close."""
        if self._transport is None:
            self.end("closed")
        else:
            self._transport.close()

    def end(self, reason: str) -> None:
        """Close at once, and tell the loss; idempotent."""
        if self._transport is not None:
            self._transport.abort()
        self._tell_loss(reason)

    def _tell_loss(self, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._lost(self, reason)

    def _backlog(self) -> int:
        waiting = sum(map(len, self._waiting))
        return waiting if self._transport is None else self._transport.get_write_buffer_size()

    # ---- the loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = made = cast(asyncio.Transport, transport)
        if self._is_over:
            made.abort()
            return
        self._flow = self._opened(self)
        self.flows.add(self._flow)
        made.writelines(self._waiting)
        self._waiting.clear()

    @property
    def transport(self) -> asyncio.Transport:
        """The connection below; it stands once `opened` is called."""
        assert self._transport is not None
        return self._transport

    def data_received(self, data: bytes) -> None:
        if self._flow is None:
            return
        self._active_at = self._loop.time()
        for frame in self._framing.receive(data):
            if frame != PING:
                self._was_spoken = True
                self._receive(frame, self._flow)
            elif self._answers_pings:
                self.transport.write(PONG)
        if self._framing.broken:
            self._why = self._framing.broken
            self.close()

    def eof_received(self) -> None:
        """The peer says no more. Told at once: the end of a TLS connection can take half a minute more."""
        self._tell_loss(self._why or CLOSED_BY_PEER)

    def connection_lost(self, error: Exception | None) -> None:
        self._tell_loss(self._why or (str(error) if error else CLOSED_BY_PEER))
