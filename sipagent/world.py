"""Everything that the phone has from outside, as one value: sockets, media plane, ids, time.

The real one opens sockets and starts the media thread; a test's or a replay's is memory and virtual time.
The phone cannot tell them apart.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sipagent.agent.interfaces import FrameSocket, ProviderOptions
from sipagent.agent.tools import Tool, ToolRunner
from sipagent.config import Configuration
from sipagent.config.options import General
from sipagent.config.values import RtpPorts
from sipagent.media import Leg, MediaEvent
from sipagent.net import websocket
from sipagent.net.ids import RandomIds
from sipagent.net.media_thread import MediaThread, Ports
from sipagent.net.ports import PortPool
from sipagent.net.resolve import Resolver, SystemDns
from sipagent.net.shared_port import SharedPort
from sipagent.net.tls import Certificates
from sipagent.net.transports import Transports
from sipagent.recorder import MakeRecorder, Recorder
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.ids import Ids
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri

Receive = Callable[[bytes, Flow], None]
Unreachable = Callable[[Flow, str], None]


class Endpoint(Protocol):
    """The bound transports of SIP."""

    @property
    def local(self) -> Address:
        """What we are bound to; the port is the real one."""

    def flow_to(self, target: Target) -> Flow:
        """The flow to a peer, with the address that it can reach us at."""

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message; a failure is the transport's to report, never an exception."""

    def close(self) -> None:
        """Give the port back."""


class MediaPlane(Protocol):
    """Where RTP lives: the media thread, or its like on virtual time."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to tick; events are delivered on `loop`."""

    def open_leg(
        self,
        *,
        host: str,
        ssrc: int,
        sequence: int,
        timestamp: int,
        cname: str,
        trace: bool,
        on_event: Callable[[MediaEvent], None],
    ) -> Leg:
        """Bind a port pair and make a leg on it, which the peer reaches at `host`. Raises NoPortFree."""

    def close(self) -> None:
        """End every leg; give all ports back."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What a phone needs of the machine it runs on."""

    ids: Ids
    open_endpoint: Callable[[Address, Receive, Unreachable], Awaitable[Endpoint]]
    """Bind SIP, and call back with every message, and with every peer that the network says is not there."""
    resolve: Callable[[Uri, Transport | None], Awaitable[list[Target]]]
    """Where requests to a URI go, the best first, over the given transport unless the URI names one.

    Raises ConfigurationError when there is nothing.
    """
    media: MediaPlane
    open_socket: Callable[[str], FrameSocket]
    """An unopened socket for the provider of this name."""
    run_tool: ToolRunner = Tool.run
    """How a tool is run."""
    make_recorder: MakeRecorder = Recorder
    """Makes what writes a call to a file."""


def real_world(configuration: Configuration, *, exit_when_stuck: bool = False) -> World:
    """Return the world of this machine: its network, the media thread, WebSockets, random ids.

    `exit_when_stuck`: as for `MediaThread`.
    """
    websocket.tls()  # takes 20 ms, which are not the first call's
    general = configuration.general
    family = socket.AF_INET6 if ":" in general.bind.host else socket.AF_INET
    return World(
        ids=RandomIds(),
        open_endpoint=partial(
            Transports.open, transports=general.transports, certificates=certificates_of(configuration)
        ),
        resolve=Resolver(SystemDns(family), transports=general.transports),
        media=MediaThread(media_ports(general), rtp_timeout=general.rtp_timeout, exit_when_stuck=exit_when_stuck),
        open_socket=websocket.WebSocketFrames,
    )


def media_ports(general: General) -> Ports:
    """Return what RTP is received on: a pair of ports for each call, or one for all."""
    if general.rtp is RtpPorts.SHARED:
        return SharedPort(general.rtp_ports.first, general.bind.host)
    return PortPool(general.rtp_ports.first, general.rtp_ports.last, general.bind.host)


def certificates_of(configuration: Configuration) -> Certificates:
    """Return the files of [tls], for the network."""
    tls = configuration.tls
    return Certificates(certificate=tls.certificate, key=tls.key, ca=tls.ca, verify=tls.verify)


def provider_options(configuration: Configuration, name: str) -> ProviderOptions:
    """Return how to reach a provider, by the name its units give it. Raises LookupError for one we do not know."""
    if name == "openai":
        openai = configuration.openai
        return ProviderOptions(
            api_key=openai.api_key,
            base_url=openai.base_url,
            model=openai.model,
            organization=openai.organization,
            project=openai.project,
        )
    if name == "cartesia":
        cartesia = configuration.cartesia
        return ProviderOptions(
            api_key=cartesia.api_key,
            base_url=cartesia.base_url,
            model=cartesia.model,
            voice=cartesia.voice,
            agent_id=cartesia.agent_id,
        )
    raise LookupError(f"no provider is called {name!r}")
