"""Which address of ours a peer is told, when a NAT may lie between: as configured, as seen by it, or as STUN says."""

from sipagent.config import General
from sipagent.config.values import Nat
from sipagent.net.nat import advertised_host, is_near, is_private, unreachable_note
from sipagent.sip.flow import Address, Flow, Transport


class Reach:
    """Answers for every peer, the first of these that is there:

    external_address, unless the peer is near; with `nat = off` nothing else. What the peer itself saw (RFC 3581). Our
    own address, for a peer that is near or if it is public. What STUN, or another peer out there, saw. Our own address.
    """

    def __init__(self, general: General) -> None:
        self._general = general
        self._seen: dict[tuple[str, Transport], Address] = {}
        self._public: Address | None = None
        self._warned: set[str] = set()

    def learn(self, flow: Flow, observed: Address) -> None:
        """The peer of a flow told the address that it sees us at.

        Of a connection the port is its own, not where we listen; without a NAT in between that says nothing.
        """
        if flow.transport.reliable and observed.host == flow.local.host:
            return
        self._seen[_way(flow)] = observed
        if self._public is None and not is_private(observed.host) and not flow.transport.reliable:
            self._public = observed

    def learn_public(self, observed: Address) -> bool:
        """STUN told our address; return whether that is news."""
        before, self._public = self._public, observed
        return before != observed

    def forget(self, flow: Flow) -> None:
        """We reach a peer another way: what it saw is no longer so."""
        if self._seen.pop(_way(flow), None) == self._public:
            self._public = None

    def sip(self, flow: Flow) -> Address:
        """Where the peer of a flow sends its requests."""
        general, remote = self._general, flow.remote.host
        if general.external_address:
            host = advertised_host(flow.local.host, remote, general.external_address, general.local_net)
            return Address(host, flow.local.port)
        if general.nat is Nat.OFF:
            return flow.local
        if (seen := self._seen.get(_way(flow))) is not None:
            return seen
        ours_will_do = is_near(remote, general.local_net) or not is_private(flow.local.host)
        return flow.local if ours_will_do or self._public is None else self._public

    def media(self, flow: Flow) -> str:
        """Where the peer of a flow sends speech. RTP ports are assumed to keep their number: no STUN asks for each."""
        return self.sip(flow).host

    def obstacle(self, flow: Flow) -> str:
        """Return why the peer of a flow will not reach us, and the cure; empty if it should."""
        host, peer = self.media(flow), flow.remote.host
        seen = self._seen.get(_way(flow))
        if seen is not None and seen.host != host:
            return (
                f"{peer} sees us at {seen.host} and is told to send speech to {host}:"
                f" write external_address = {seen.host} in [general] of sip.conf"
                + (", or take the line out" if self._general.external_address else ", or nat = auto")
            )
        return unreachable_note(host, peer) or ""

    @property
    def refuses_obstacles(self) -> bool:
        """Calls that would be one-way are not made at all: `nat = strict`."""
        return self._general.nat is Nat.STRICT

    def warning(self, flow: Flow) -> str:
        """As `obstacle`, but once for each peer."""
        note = self.obstacle(flow)
        if not note or flow.remote.host in self._warned:
            return ""
        self._warned.add(flow.remote.host)
        return note


def _way(flow: Flow) -> tuple[str, Transport]:
    return flow.remote.host, flow.transport
