"""A port pair for each call.

A port that a call gave back rests for ten seconds: packets of the old call that are still under way must not be
heard in a new one. When no other is left, the one that has rested longest is taken rather than refuse a call.
"""

from collections import deque

from sipagent.errors import ConfigurationError, NoPortFree
from sipagent.net.leg_sockets import OwnSockets
from sipagent.net.port_pair import PortPair, bind_pair

QUARANTINE = 10.0
"""Seconds that a port rests after a call."""


class PortPool:
    """Leases the port pairs in `low`-`high` on `host`, the longest unused first. `now` is monotonic seconds."""

    def __init__(self, low: int, high: int, host: str = "0.0.0.0") -> None:
        self._range = f"{low}-{high}"
        self._host = host
        self._free = deque(range(low + low % 2, high, 2))
        self._resting: deque[tuple[float, int]] = deque()
        if not self._free:
            raise ConfigurationError(f"rtp_ports = {self._range} holds no even port with the next one free for RTCP")

    def lease(self, now: float) -> PortPair:
        """Bind a pair. Raises NoPortFree when calls, or other programs, hold all of them."""
        while self._resting and self._resting[0][0] + QUARANTINE <= now:
            self._free.append(self._resting.popleft()[1])
        for _ in range(len(self._free)):
            port = self._free.popleft()
            if (pair := bind_pair(self._host, port)) is not None:
                return pair
            self._free.append(port)
        while self._resting:
            if (pair := bind_pair(self._host, self._resting.popleft()[1])) is not None:
                return pair
        raise NoPortFree(f"all RTP ports of {self._range} are taken: widen rtp_ports in [general]")

    def release(self, pair: PortPair, now: float) -> None:
        """Close a pair and let its port rest."""
        pair.rtp.close()
        pair.rtcp.close()
        self._resting.append((now, pair.port))

    def sockets(self) -> OwnSockets:
        """Make what the media thread moves datagrams by."""
        return OwnSockets()
