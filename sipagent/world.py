"""Everything that the phone has from outside, as one value: sockets, media plane, ids, time.

The real one opens UDP ports and starts the media thread; a test's or a replay's is memory and virtual time.
The phone cannot tell them apart.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sipagent.agent.conversation import ToolRunner
from sipagent.agent.interfaces import FrameSocket, ProviderOptions
from sipagent.agent.tools import Tool
from sipagent.config import Configuration
from sipagent.media import Leg, MediaEvent
from sipagent.net.ids import RandomIds
from sipagent.net.media_thread import MediaThread
from sipagent.net.ports import PortPool
from sipagent.net.resolve import Resolver
from sipagent.net.udp import UdpEndpoint
from sipagent.net.websocket import WebSocketFrames
from sipagent.recorder import Recorder
from sipagent.sip.flow import Address, Flow
from sipagent.sip.ids import Ids

Receive = Callable[[bytes, Flow], None]
Unreachable = Callable[[Flow, str], None]


class Endpoint(Protocol):
    """A bound transport for SIP."""

    @property
    def local(self) -> Address:
        """What we are bound to; the port is the real one."""

    def flow_to(self, remote: Address) -> Flow:
        """The flow to a peer, with the address that it can reach us at."""

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram; a failure is the transport's to report, never an exception."""

    def close(self) -> None:
        """Give the port back."""


class MediaPlane(Protocol):
    """Where RTP lives: the media thread, or its like on virtual time."""

    @property
    def capacity(self) -> int:
        """How many calls the port range carries."""

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
    """Bind SIP, and call back with every datagram, and with every peer that the network says is not there."""
    resolve: Callable[[str, int], Awaitable[list[Address]]]
    """Addresses of a host, the best first. Raises ConfigurationError when there are none."""
    media: MediaPlane
    open_socket: Callable[[str], FrameSocket]
    """An unopened socket for the provider of this name."""
    run_tool: ToolRunner = Tool.run
    """How a tool is run."""
    make_recorder: Callable[[Path, bool], Recorder] = Recorder
    """Makes what writes a call to a WAV file, stereo or not."""


def real_world(configuration: Configuration) -> World:
    """Return the world of this machine: UDP, the media thread, WebSockets, random ids."""
    general = configuration.general
    ports = PortPool(general.rtp_ports.first, general.rtp_ports.last, general.bind.host)
    return World(
        ids=RandomIds(),
        open_endpoint=UdpEndpoint.open,
        resolve=Resolver(),
        media=MediaThread(ports, rtp_timeout=general.rtp_timeout),
        open_socket=WebSocketFrames,
    )


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
