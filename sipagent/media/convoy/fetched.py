"""What has come for the legs of a convoy, laid out in their rows."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sipagent.media.events import Arrival, HostPort
from sipagent.rtp.packet import PLAIN

DEPTH = 4
"""Datagrams of a leg that are fetched at once; where so many came, there may be more."""
PACKET = 172
"""Octets of a plain RTP packet with 20 ms of G.711."""


def plain_word(payload_type: int) -> int:
    """Return the first 32 bits of a packet with no marker and nothing optional, without its sequence number."""
    return PLAIN << 24 | payload_type << 16


class Fetched(Protocol):
    """Datagrams by row and order of arrival. Of a row only the first `counts` mean anything."""

    counts: NDArray[np.int64]
    packets: NDArray[np.uint8]
    """[rows, DEPTH, 172]: the beginning of each."""
    lengths: NDArray[np.uint32]
    times: NDArray[np.float64]
    familiar: NDArray[np.bool_]
    """Whether the source is the one that the leg exchanges media with."""

    def arrivals(self, row: int) -> list[Arrival]:
        """Return all that came for a row, whole, and whatever more there is to fetch for it."""


class Packed:
    """`Fetched` of arrivals, for a driver that has them one by one."""

    def __init__(self, rows: int, arrivals: Mapping[int, Sequence[Arrival]], peers: Sequence[HostPort]) -> None:
        """`arrivals` by row; `peers` says by row where its media comes from."""
        self.counts = np.zeros(rows, np.int64)
        self.packets = np.zeros((rows, DEPTH, PACKET), np.uint8)
        self.lengths = np.zeros((rows, DEPTH), np.uint32)
        self.times = np.zeros((rows, DEPTH), np.float64)
        self.familiar = np.zeros((rows, DEPTH), np.bool_)
        self._arrivals = arrivals
        for row, came in arrivals.items():
            self.counts[row] = min(len(came), DEPTH)
            for place, arrival in enumerate(came[:DEPTH]):
                beginning = arrival.data[:PACKET]
                self.packets[row, place, : len(beginning)] = np.frombuffer(beginning, np.uint8)
                self.lengths[row, place] = len(arrival.data)
                self.times[row, place] = arrival.time
                self.familiar[row, place] = arrival.source == peers[row]

    def arrivals(self, row: int) -> list[Arrival]:
        """Return all that came for a row."""
        return list(self._arrivals.get(row, ()))
