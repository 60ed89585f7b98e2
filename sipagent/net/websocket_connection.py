"""One WebSocket (RFC 6455) over one transport: what the sans-I/O protocol of `websockets` says, done on the loop.

    transport ─ bytes ─► cutter ─ texts ──────────────────────► inbox ─► frames()
                           └─ other frames ─► ClientProtocol ─────┘
    transport ◄─ bytes ─────────────────────────┘
    transport ◄─ bytes ───────────────────────────────────────────────── send()

A frame is written in the call that sends it: audio goes out 25 times a second, and a task for each costs more than the
frame. It waits only while the network takes nothing. A text that came in one frame, as nearly all do, is taken at once:
the protocol reads whatever is between such frames, and needs to know nothing of them.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from typing import cast

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from sipagent.agent.interfaces import Close
from sipagent.net.websocket_frame import FrameCutter, text_frame

CLOSE_TIMEOUT = 2.0
PING_INTERVAL = 20.0
"""Seconds between pings, and to the pong: a half-open connection is noticed in twice that."""
MAX_FRAME = 16 << 20
SEND_DEADLINE = 5.0
"""Seconds that the network may take nothing before the connection counts as broken."""
SEND_BACKLOG = 2048
"""Frames waiting to be sent; a minute and more of audio."""
INBOX = 256
"""Frames that wait for their reader; with more the network has to wait."""
READ_SIZE = 64 * 1024
USER_AGENT = f"sipagent/{version('sipagent')}"

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_HEAD_ENDS = b"\r\n\r\n"
_wire_log = logging.getLogger("sipagent.net.websocket.wire")
_wire_log.setLevel(logging.INFO)  # at DEBUG the library writes whole frames and headers, keys among them


class _ReadBuffer(threading.local):
    """What all connections of a loop read into, one at a time: a buffer of their own would be most of their memory."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_read_buffer = _ReadBuffer()


class WebSocketConnection(asyncio.BufferedProtocol):
    """A client's connection. `upgrade` once the transport stands; then `send` and `frames`; `close` in any case.

    A `BufferedProtocol` since TLS otherwise allocates 256 KiB for every read.
    """

    def __init__(self, uri: WebSocketURI) -> None:
        self.ended: Close | None = None
        """How it ended; None while it stands."""
        self._loop = asyncio.get_running_loop()
        self._protocol = ClientProtocol(uri, max_size=MAX_FRAME, logger=_wire_log)
        self._transport: asyncio.Transport
        self._upgraded: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._response_end = b""
        """The last octets of the HTTP response, of which the end may come in pieces."""
        self._cutter = FrameCutter()
        self._is_open = False
        """Texts go and come. The protocol knows as well, and takes its time to tell."""
        self._inbox: deque[str] = deque()
        self._parts: list[bytes | bytearray | memoryview] = []
        self._is_text = False
        self._reader: asyncio.Future[None] | None = None
        self._is_held_back = False
        self._backlog: deque[str] = deque()
        self._is_writable = True
        self._stall: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._awaits_pong = False
        self._farewell: asyncio.TimerHandle | None = None

    # ---- what its owner does

    async def upgrade(self, headers: Mapping[str, str]) -> None:
        """Ask for the WebSocket. Raises InvalidHandshake, with the HTTP status where it was refused."""
        request = self._protocol.connect()
        request.headers["User-Agent"] = USER_AGENT
        request.headers.update(headers)
        self._protocol.send_request(request)
        self._write()
        await self._upgraded
        self._beat = self._loop.call_later(PING_INTERVAL, self._ping)

    def send(self, frame: str) -> None:
        """Send one text frame, now if the network takes it. Dropped once closed; a full backlog ends the connection."""
        if not self._is_open:
            return
        if self._is_writable:
            self._transport.write(text_frame(frame))
        elif len(self._backlog) < SEND_BACKLOG:
            self._backlog.append(frame)
        else:
            self._break("the network takes no more")

    async def frames(self) -> AsyncIterator[str]:
        """Yield text frames until the connection ends. There can be one reader."""
        while True:
            while self._inbox:
                yield self._inbox.popleft()
            if self.ended is not None:
                return
            self._take_more()
            self._reader = self._loop.create_future()
            await self._reader

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within two seconds, with a handshake if the peer takes part in it."""
        if self._is_open:
            self._backlog.clear()
            self._protocol.send_close(code, reason)
            self._write()
            self._is_open = False
        self._take_more()
        if not (await asyncio.wait([self._lost], timeout=CLOSE_TIMEOUT))[0]:
            self.abort()
            await self._lost

    def abort(self) -> None:
        """Drop the connection at once; idempotent."""
        if not self._lost.done():
            self._transport.abort()

    # ---- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport stands, TLS included."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read into."""
        return _read_buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        self._awaits_pong = False
        data = bytes(_read_buffer.view[:nbytes])
        if not self._upgraded.done():
            data = self._read_response(data)
        for frame, text in self._cutter.cut(data):
            if text and self._is_open and not self._parts:
                self._take_message(frame[text:])
            else:
                self._read(frame)

    def eof_received(self) -> None:
        """The peer will send no more: the transport closes."""
        self._protocol.receive_eof()
        self._follow()

    def connection_lost(self, error: Exception | None) -> None:
        """The transport is gone."""
        self._protocol.receive_eof()
        self._follow()
        self._end(Close(code=CloseCode.ABNORMAL_CLOSURE, reason="the connection broke", clean=False))
        for timer in (self._stall, self._beat, self._farewell):
            if timer is not None:
                timer.cancel()
        self._is_held_back = False
        self._lost.set_result(None)
        del self._transport  # it knows us: the memory of TLS would wait for the garbage collector

    def pause_writing(self) -> None:
        """The network does not keep up: what is sent waits from now on."""
        self._is_writable = False
        self._watch_writing()

    def resume_writing(self) -> None:
        """The network takes more."""
        self._is_writable = True
        if self._stall is not None:
            self._stall.cancel()
        while self._backlog and self._is_writable:
            self.send(self._backlog.popleft())

    # ---- one step of the protocol

    def _read_response(self, data: bytes) -> bytes:
        """Let the protocol read the response to our request; return what came behind one that upgrades."""
        seen = self._response_end + data
        self._response_end = seen[-len(_HEAD_ENDS) + 1 :]
        if (found := seen.find(_HEAD_ENDS)) >= 0:
            end = found + len(_HEAD_ENDS) - (len(seen) - len(data))
            self._read(data[:end])
            data = data[end:]
            if self._is_open:
                return data
        self._read(data)
        return b""

    def _read(self, data: bytes) -> None:
        """Let the protocol read, and do what comes of it."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._follow()

    def _follow(self) -> None:
        """Do what the protocol wants after it was given something."""
        self._write()
        protocol = self._protocol
        if not self._upgraded.done() and protocol.handshake_exc is not None:
            self._upgraded.set_exception(protocol.handshake_exc)
            self._upgraded.exception()  # perhaps nobody waits for it any more
        elif not self._upgraded.done() and protocol.state is not State.CONNECTING:
            self._upgraded.set_result(None)
        self._is_open = protocol.state is State.OPEN and self.ended is None
        if protocol.close_rcvd is not None:
            received = protocol.close_rcvd
            self._end(Close(code=received.code, reason=received.reason, clean=protocol.close_sent is not None))
        if protocol.close_expected() and self._farewell is None:
            self._farewell = self._loop.call_later(CLOSE_TIMEOUT, self.abort)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the library's sign for the end of what we send
                self._transport.close()

    def _take(self, frame: Frame) -> None:
        """Put a whole text message into the inbox; binary ones are nobody's."""
        if frame.opcode not in _DATA:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(frame.data)
        if not frame.fin:
            return
        message = b"".join(self._parts)
        self._parts.clear()
        if self._is_text:
            self._take_message(message)

    def _take_message(self, message: bytes) -> None:
        """Put a text into the inbox."""
        try:
            self._inbox.append(message.decode())
        except UnicodeDecodeError:
            self._protocol.fail(CloseCode.INVALID_DATA, "text that is no UTF-8")
            self._follow()
        self._wake_reader()
        if len(self._inbox) > INBOX and not self._is_held_back:
            self._is_held_back = True
            self._transport.pause_reading()

    def _take_more(self) -> None:
        """The inbox is empty, or nobody reads it any more."""
        if self._is_held_back:
            self._is_held_back = False
            self._transport.resume_reading()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # ---- how it ends

    def _ping(self) -> None:
        """Ask whether the peer lives. Whatever came since the last time is an answer."""
        if self._awaits_pong:
            self._break(f"nothing came for {PING_INTERVAL:g} s, not even a pong")
        if self.ended is not None:
            return
        self._protocol.send_ping(b"")
        self._write()
        self._awaits_pong = True
        self._beat = self._loop.call_later(PING_INTERVAL, self._ping)

    def _watch_writing(self) -> None:
        waiting = self._transport.get_write_buffer_size()
        self._stall = self._loop.call_later(SEND_DEADLINE, self._judge_writing, waiting)

    def _judge_writing(self, waited: int) -> None:
        """While nothing is added the buffer can only shrink: one that did not has been waiting for the network."""
        if self._transport.get_write_buffer_size() < waited:
            self._watch_writing()
        else:
            self._break(f"the network took nothing for {SEND_DEADLINE:g} s")

    def _break(self, reason: str) -> None:
        """End a connection that does not move, without a closing handshake."""
        self._end(Close(code=CloseCode.ABNORMAL_CLOSURE, reason=reason, clean=False))
        self.abort()

    def _end(self, how: Close) -> None:
        """Nothing is sent any more, and the reader reads what came until now. The first to say how is right."""
        if self.ended is not None:
            return
        self.ended = how
        self._is_open = False
        self._backlog.clear()
        self._wake_reader()
