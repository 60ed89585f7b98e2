"""The SIP side of a replay: datagrams come from the capture, and go nowhere. Beside it stands a kind registrar."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sipagent.capture.bundle import Capture
from sipagent.capture.pcap import Datagram
from sipagent.errors import CaptureError
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.targets import Target, asked_transport
from sipagent.sip.uri import Uri, split_host_port
from sipagent.world import Receive, Unreachable

SIP_PORT = 5060


class PlayedEndpoint:
    """The phone's SIP address: what comes is in the journal, what is sent goes nowhere."""

    def __init__(self, capture: Capture) -> None:
        first = next((record.data for record in capture.records if record.kind == "sip"), None)
        if first is None:
            raise CaptureError("the journal holds no SIP datagram: there is no call in it")
        self._local, self._remote = _address(first["local"]), _address(first["remote"])
        contact = Uri.parse(capture.contact) if capture.contact else None
        self._contact = Address(contact.host, contact.port or SIP_PORT) if contact else None
        self._receive: Receive = lambda data, flow: None

    async def open(self, address: Address, receive: Receive, unreachable: Unreachable) -> "PlayedEndpoint":
        """As `World.open_endpoint`; the address is the captured one, whatever is asked for."""
        self._receive = receive
        return self

    async def resolve(self, uri: Uri, preferred: Transport | None) -> list[Target]:
        """As `World.resolve`: the peer of the call is whoever is looked for."""
        return [Target(transport=asked_transport(uri, preferred) or Transport.UDP, address=self._remote)]

    def play(self, datagram: Datagram, data: Mapping[str, Any]) -> None:
        """Let a datagram arrive."""
        flow = Flow(
            transport=Transport(data.get("transport", Transport.UDP.value)),
            local=_address(data["local"]),
            remote=_address(data["remote"]),
            connection=data.get("connection", 0),
        )
        self._receive(datagram.data, flow)

    @property
    def local(self) -> Address:
        return self._local

    def flow_to(self, target: Target) -> Flow:
        """As `Endpoint.flow_to`: what we register is what we were called by."""
        return Flow(transport=target.transport, local=self._contact or self._local, remote=target.address)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send into the void; only the registrar answers, and what it was asked is granted."""
        if data.startswith(b"REGISTER "):
            asyncio.get_running_loop().call_soon(lambda: self._receive(_granted(data), flow))

    def close(self) -> None:
        """Hear nothing more."""
        self._receive = lambda data, flow: None


def _granted(request: bytes) -> bytes:
    """Return the 200 to a REGISTER of ours: what must be copied (RFC 3261 section 8.2.6.2), and its bindings."""
    copied = ("via:", "from:", "to:", "call-id:", "cseq:", "contact:", "expires:")
    lines = [line for line in request.decode().split("\r\n") if line.lower().startswith(copied)]
    return "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]).encode()


def _address(written: str) -> Address:
    host, port = split_host_port(written)
    return Address(host, port or 0)
