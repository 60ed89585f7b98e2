"""The world of a phone in a test: a host on a network in memory, ids from a seed, sockets from a table."""

import random
import string
from collections.abc import Callable, Mapping

from sipagent.agent.interfaces import FrameSocket
from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri
from sipagent.testing.media import TickedMedia
from sipagent.testing.network import Network
from sipagent.world import Receive, Unreachable, World

_LETTERS = string.ascii_lowercase + string.digits


class SeededIds:
    """Draws that look random, and are the same in every run."""

    def __init__(self, seed: object) -> None:
        self._chance = random.Random(str(seed))

    def token(self, kind: str, scope: str = "") -> str:
        """As `Ids.token`: 16 characters."""
        return "".join(self._chance.choices(_LETTERS, k=16))

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        """As `Ids.number`."""
        return self._chance.getrandbits(bits)


class MemoryEndpoint:
    """A SIP transport on the network in memory."""

    def __init__(self, network: Network, address: Address, receive: Receive, unreachable: Unreachable) -> None:
        self._receive = receive
        self._unreachable = unreachable
        self._endpoint = network.bind(address.host, address.port, self._take, refused=self._refuse)

    @property
    def local(self) -> Address:
        """The bound address."""
        return Address(*self._endpoint.address)

    def flow_to(self, target: Target) -> Flow:
        """The flow to a peer: whatever its transport, a network in memory carries datagrams."""
        return self._flow(target.address)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram."""
        self._endpoint.send(data, (flow.remote.host, flow.remote.port))

    def close(self) -> None:
        """Give the address back."""
        self._endpoint.close()

    def _refuse(self, destination: tuple[str, int]) -> None:
        self._unreachable(self._flow(Address(*destination)), "connection refused")

    def _take(self, data: bytes, source: tuple[str, int]) -> None:
        self._receive(data, self._flow(Address(*source)))

    def _flow(self, remote: Address) -> Flow:
        return Flow(transport=Transport.UDP, local=self.local, remote=remote)


def world_in_memory(
    network: Network, host: str, *, sockets: Mapping[str, Callable[[], FrameSocket]] | None = None
) -> World:
    """Return the world of the machine `host` (an IP address). `sockets` makes those of a provider, by its name.

    Names resolve to themselves: an address in a URI must be an IP address.
    """
    made = sockets or {}

    async def open_endpoint(address: Address, receive: Receive, unreachable: Unreachable) -> MemoryEndpoint:
        return MemoryEndpoint(network, Address(host, address.port), receive, unreachable)

    async def resolve(uri: Uri, preferred: Transport | None) -> list[Target]:
        return [Target(transport=Transport.UDP, address=Address(uri.host, uri.port or 5060))]

    def open_socket(name: str) -> FrameSocket:
        if name not in made:
            raise ConfigurationError(f"the test has no provider {name!r}: give one in `sockets`")
        return made[name]()

    return World(
        ids=SeededIds(host),
        open_endpoint=open_endpoint,
        resolve=resolve,
        media=TickedMedia(network),
        open_socket=open_socket,
    )
