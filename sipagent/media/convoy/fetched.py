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
    """Datagrams by order of arrival and row. Of a row only the first `counts` mean anything.

    Where none of any row came the arrays may end.
    """

    counts: NDArray[np.int64]
    packets: NDArray[np.uint8]
    """[DEPTH, rows, 172]: the beginning of each."""
    times: NDArray[np.float64]
    """[DEPTH, rows]: when each came."""
    lengths: NDArray[np.uint32]
    """[DEPTH, rows]: octets of each."""
    familiar: NDArray[np.bool_]
    """[DEPTH, rows]: whether its source is the one that the leg exchanges media with."""

    def arrivals(self, row: int) -> list[Arrival]:
        """Return all that came for a row, whole, and whatever more there is to fetch for it."""


class Packed:
    """`Fetched` of arrivals, for a driver that has them one by one."""

    def __init__(self, rows: int, arrivals: Mapping[int, Sequence[Arrival]], peers: Sequence[HostPort]) -> None:
        """`arrivals` by row; `peers` says by row where its media comes from."""
        self.counts = np.zeros(rows, np.int64)
        self.packets = np.zeros((DEPTH, rows, PACKET), np.uint8)
        self.times = np.zeros((DEPTH, rows), np.float64)
        self.lengths = np.zeros((DEPTH, rows), np.uint32)
        self.familiar = np.zeros((DEPTH, rows), np.bool_)
        self._arrivals = arrivals
        for row, came in arrivals.items():
            self.counts[row] = min(len(came), DEPTH)
            for place, arrival in enumerate(came[:DEPTH]):
                beginning = arrival.data[:PACKET]
                self.packets[place, row, : len(beginning)] = np.frombuffer(beginning, np.uint8)
                self.lengths[place, row] = len(arrival.data)
                self.times[place, row] = arrival.time
                self.familiar[place, row] = arrival.source == peers[row]

    def arrivals(self, row: int) -> list[Arrival]:
        """Return all that came for a row."""
        return list(self._arrivals.get(row, ()))
