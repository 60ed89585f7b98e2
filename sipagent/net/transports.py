"""UDP, TCP and TLS as one endpoint: which of them carries a message is for its flow to say.

TLS has the port above the one that UDP and TCP share (5061 beside 5060), and listens where there is a certificate. TCP
and TLS carry our own connections even where they do not listen; UDP is there only if it is among the `transports`.
"""

import errno
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

from sipagent.errors import ConfigurationError
from sipagent.net.tcp import Receive, StreamEndpoint, Unreachable
from sipagent.net.tls import Certificates, client_context, server_context
from sipagent.net.udp import UdpEndpoint
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.targets import Target

ATTEMPTS = 20
"""How often a port is drawn anew, when any will do, until all transports can have it."""


@dataclass(slots=True, kw_only=True)
class Transports:
    """What SIP is bound to. Made by `open`."""

    local: Address
    """What UDP and TCP are bound to; the port is the real one."""
    udp: UdpEndpoint | None = None
    streams: dict[Transport, StreamEndpoint] = field(default_factory=dict)

    @classmethod
    async def open(
        cls,
        bind: Address,
        receive: Receive,
        unreachable: Unreachable,
        *,
        transports: Collection[Transport] = tuple(Transport),
        certificates: Certificates | None = None,
    ) -> Self:
        """Bind all `transports`, and call `receive` with every message, `unreachable` with every peer not there.

        Raises ConfigurationError if an address cannot be had, or a certificate not be used.
        """
        files = certificates or Certificates()
        for attempt in range(ATTEMPTS):
            endpoint = cls(local=bind)
            try:
                await endpoint._bind(bind, receive, unreachable, transports, files)
            except ConfigurationError as error:
                endpoint.close()
                if bind.port or not _is_taken(error) or attempt == ATTEMPTS - 1:
                    raise
            else:
                return endpoint
        raise AssertionError("the last attempt returns or raises")

    def flow_to(self, target: Target) -> Flow:
        """Return the flow to a target, with the address that it can reach us at."""
        if target.transport is not Transport.UDP:
            return self.streams[target.transport].flow_to(target.address, target.name)
        if self.udp is None:
            raise ConfigurationError(f"{target.address} is to be reached by UDP: add udp to transports in [general]")
        return self.udp.flow_to(target.address)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message by the transport of its flow; a failure is told to `unreachable`."""
        if flow.transport is not Transport.UDP:
            self.streams[flow.transport].send(data, flow)
        elif self.udp is not None:
            self.udp.send(data, flow)

    def close(self) -> None:
        """Close every connection, give the ports back; idempotent."""
        if self.udp is not None:
            self.udp.close()
        for stream in self.streams.values():
            stream.close()

    async def _bind(
        self,
        bind: Address,
        receive: Receive,
        unreachable: Unreachable,
        transports: Collection[Transport],
        files: Certificates,
    ) -> None:
        if Transport.UDP in transports:
            self.udp = await UdpEndpoint.open(bind, receive, unreachable)
            self.local = self.udp.local
        self.streams[Transport.TCP] = tcp = await StreamEndpoint.open(
            Transport.TCP, self.local, receive, unreachable, listens=Transport.TCP in transports
        )
        self.local = tcp.local
        server = server_context(files) if Transport.TLS in transports else None
        self.streams[Transport.TLS] = await StreamEndpoint.open(
            Transport.TLS,
            Address(self.local.host, self.local.port + 1 if self.local.port else 0),
            receive,
            unreachable,
            listens=server is not None,
            client=client_context(files),
            server=server,
        )


def _is_taken(error: ConfigurationError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
