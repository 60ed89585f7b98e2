"""SIP over TCP, and over TLS where contexts are given: one listener, and connections used for as long as they last.

A flow with a connection number is one that a peer opened to us; without, it is the one that we open ourselves, and open
again when it is gone. What belongs to a peer's connection that is gone goes where the message itself says.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Self

from sipagent.errors import ConfigurationError
from sipagent.net.connection import Connection
from sipagent.net.routes import Routes
from sipagent.net.udp import cannot_listen
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.targets import way_round

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to stand, its TLS handshake included."""
CONNECTIONS = 1000
"""Both ways together."""
CONNECTIONS_PER_PEER = 200
"""Opened to us by one address."""
UNACKNOWLEDGED = 30_000
"""Milliseconds after which a peer is gone that does not acknowledge what was sent: a ping finds that out."""
LOOK_AROUND = 5.0
"""Seconds between looks for peers that stall."""

Receive = Callable[[bytes, Flow], None]
Unreachable = Callable[[Flow, str], None]


class StreamEndpoint:
    """All connections of one transport. Made by `open`."""

    def __init__(
        self,
        transport: Transport,
        local: Address,
        receive: Receive,
        unreachable: Unreachable,
        client: ssl.SSLContext | None,
    ) -> None:
        self._transport = transport
        self._receive = receive
        self._unreachable = unreachable
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._routes = Routes(local, self._loop.time)
        self._server: asyncio.Server | None = None
        self._opened: dict[Flow, Connection] = {}
        self._accepted: dict[int, Connection] = {}
        self._flows: dict[Connection, Flow] = {}
        self._numbers = count(1)
        self._connecting: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None
        self.local = local
        """Where we listen, or would."""

    @classmethod
    async def open(
        cls,
        transport: Transport,
        bind: Address,
        receive: Receive,
        unreachable: Unreachable,
        *,
        listens: bool = True,
        client: ssl.SSLContext | None = None,
        server: ssl.SSLContext | None = None,
    ) -> Self:
        """Listen, and call `receive` with every message, `unreachable` with every flow whose connection is gone.

        `client` and `server` are the TLS contexts of connections that we open and of those that peers open. Raises
        ConfigurationError if the address cannot be had; its cause is the OSError.
        """
        endpoint = cls(transport, bind, receive, unreachable, client)
        if listens:
            await endpoint._listen(bind, server)
        endpoint._look_around()
        return endpoint

    def flow_to(self, remote: Address, name: str = "") -> Flow:
        """Return the flow to a peer, with the address it can reach us at; `name` is what its certificate must say."""
        local = self._routes.local_towards(remote.host)
        return Flow(transport=self._transport, local=local, remote=remote, name=name if self._client else "")

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message, over a connection that is opened if need be; what fails is told to `unreachable`."""
        connection = self._accepted.get(flow.connection) if flow.connection else self._connection_to(flow)
        if connection is None and flow.connection and (remote := way_round(data)) is not None:
            connection = self._connection_to(replace(flow, remote=remote, connection=0))
        if connection is None:
            reason = "its connection is closed" if flow.connection else "there are too many connections"
            self._unreachable(flow, reason)
        else:
            connection.send(data, flow)

    def close(self) -> None:
        """Send what waits, close every connection, give the port back; idempotent."""
        if self._watch is not None:
            self._watch.cancel()
        if self._server is not None:
            self._server.close()
        for task in self._connecting:
            task.cancel()
        self._unreachable = lambda flow, reason: None
        for connection in [*self._opened.values(), *self._accepted.values()]:
            connection.close()

    # ---- ours

    def _connection_to(self, flow: Flow) -> Connection | None:
        """The connection that we opened to a peer, or open now; None if there are too many."""
        if (connection := self._opened.get(flow)) is not None:
            return connection
        if self._is_full():
            return None

        def opened(connection: Connection) -> Flow:
            _prepare(connection.transport)
            return flow

        connection = self._opened[flow] = Connection(opened, self._receive, self._lost, answers_pings=False)
        self._flows[connection] = flow
        task = self._loop.create_task(self._connect(connection, flow))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return connection

    async def _connect(self, connection: Connection, flow: Flow) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._loop.create_connection(
                    lambda: connection,
                    flow.remote.host,
                    flow.remote.port,
                    ssl=self._client,
                    server_hostname=(flow.name or flow.remote.host) if self._client else None,
                    local_addr=None if self._routes.is_wildcard else (self.local.host, 0),
                )
        except (OSError, ValueError) as error:  # of names that no certificate can have
            connection.end(_in_words(error))

    # ---- theirs

    async def _listen(self, bind: Address, server: ssl.SSLContext | None) -> None:
        try:
            self._server = await self._loop.create_server(
                self._new_peer,
                bind.host,
                bind.port,
                ssl=server,
                ssl_handshake_timeout=CONNECT_TIMEOUT if server else None,
            )
        except OSError as error:
            raise ConfigurationError(cannot_listen(bind, self._transport, error)) from error
        self.local = Address(bind.host, self._server.sockets[0].getsockname()[1])
        self._routes = Routes(self.local, self._loop.time)

    def _new_peer(self) -> Connection:
        return Connection(self._accept, self._receive, self._lost, answers_pings=True)

    def _accept(self, connection: Connection) -> Flow:
        """Take in a connection that a peer opened, unless there are too many."""
        _prepare(connection.transport)
        here, there = (connection.transport.get_extra_info(name) for name in ("sockname", "peername"))
        number = next(self._numbers)
        flow = Flow(
            transport=self._transport,
            local=Address(here[0], self.local.port),
            remote=Address(*there[:2]),
            connection=number,
        )
        if self._is_full() or self._opened_by(flow.remote.host) >= CONNECTIONS_PER_PEER:
            connection.end("there are too many connections")
        else:
            self._accepted[number] = connection
            self._flows[connection] = flow
        return flow

    def _opened_by(self, host: str) -> int:
        return sum(self._flows[connection].remote.host == host for connection in self._accepted.values())

    # ---- all

    def _is_full(self) -> bool:
        return len(self._flows) >= CONNECTIONS

    def _lost(self, connection: Connection, reason: str) -> None:
        flow = self._flows.pop(connection, None)
        if flow is None:
            return
        if flow.connection:
            del self._accepted[flow.connection]
        else:
            del self._opened[flow]
        for user in connection.flows:
            self._unreachable(user, reason)

    def _look_around(self) -> None:
        for connection in list(self._flows):
            connection.look_at_the_clock()
        self._watch = self._loop.call_later(LOOK_AROUND, self._look_around)


def _prepare(transport: asyncio.Transport) -> None:
    """Have the kernel notice a peer that has vanished."""
    made = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)


def _in_words(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted ({error.verify_message}): name the CA that signed it as ca in [tls],"
            " or its own name as registrar"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {error.reason or error}"
    if isinstance(error, TimeoutError) and error.errno != errno.ETIMEDOUT:
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
