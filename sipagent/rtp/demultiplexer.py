"""Whose a datagram is, where all calls share one RTP port and one RTCP port: told by where it comes from.

1. The address that a call's SDP names, for RTP and for RTCP.
2. An address that was recognised before: the peer is behind a NAT, and its packets come from elsewhere.
3. A report, by our SSRC in it.
4. RTP of a new address, by the one call that misses its peer: a call that last heard from the same host, and is silent
   now; else one that has heard nothing yet. Where two could be meant, none is.

Two calls whose SDP names the same address and port cannot be told apart. To guess by the SSRC could let one caller hear
the other's call, so the second is refused.
"""

import struct
from collections.abc import Container
from dataclasses import dataclass

from sipagent.rtp.packet import HEADER_LENGTH, VERSION, is_rtcp
from sipagent.rtp.source import SILENCE, Endpoint

_LONG_AGO = float("-inf")
_REPORTED = {200: struct.Struct("!28xI"), 201: struct.Struct("!8xI")}
"""Where the first report block of SR and RR has the SSRC that it is about (RFC 3550 section 6.4)."""


@dataclass(slots=True, eq=False)
class _Peer:
    """The far end of a leg."""

    leg: int
    ssrc: int
    payload_types: Container[int] = frozenset()
    expected: Endpoint | None = None
    heard_at: float = _LONG_AGO
    reporting: Endpoint | None = None
    """Where a report came from that we knew by our SSRC."""

    def misses(self, payload_type: int, now: float) -> bool:
        return now - self.heard_at > SILENCE and payload_type in self.payload_types


class Demultiplexer:
    """Knows the peers of all legs. `now` is in seconds of one clock."""

    def __init__(self) -> None:
        self.foreign = 0
        """Datagrams of nobody's."""
        self._peers: dict[int, _Peer] = {}
        self._by_ssrc: dict[int, _Peer] = {}
        self._by_rtp: dict[Endpoint, _Peer] = {}
        self._by_rtcp: dict[Endpoint, _Peer] = {}
        self._by_host: dict[str, dict[int, _Peer]] = {}
        self._unheard: dict[int, _Peer] = {}

    # ---- legs

    def add(self, leg: int, ssrc: int) -> None:
        """Begin a leg that sends with this SSRC."""
        self._peers[leg] = self._by_ssrc[ssrc] = _Peer(leg, ssrc)

    def direct(self, leg: int, rtp: Endpoint, rtcp: Endpoint, payload_types: Container[int]) -> str | None:
        """Take what a leg's SDP names; returns why its packets could not be told from another leg's, if so.

        An address that is none (0.0.0.0, port 0) is a hold: the peer will be where it was. For a leg that is gone
        nothing is done.
        """
        peer = self._peers.get(leg)
        if peer is None:
            return None
        peer.payload_types = payload_types
        if rtp == peer.expected or rtp[0] in ("0.0.0.0", "::") or rtp[1] == 0:
            return None
        other = self._by_rtp.get(rtp)
        if other is not None and other is not peer:
            if other.expected == rtp:
                return f"the peer of another call is at {rtp[0]}:{rtp[1]} too, and rtp = shared cannot tell them apart"
            self._miss(other)  # it was recognised by mistake, or has moved away
        peer.expected = rtp
        self._place(rtp, peer)
        self._by_rtcp.setdefault(rtcp, peer)
        self._miss(peer)
        return None

    def remove(self, leg: int) -> None:
        """Forget a leg."""
        peer = self._peers.pop(leg)
        if self._by_ssrc.get(peer.ssrc) is peer:
            del self._by_ssrc[peer.ssrc]
        self._unheard.pop(leg, None)
        self._by_rtp = {source: other for source, other in self._by_rtp.items() if other is not peer}
        self._by_rtcp = {source: other for source, other in self._by_rtcp.items() if other is not peer}
        for host in [host for host, there in self._by_host.items() if there.pop(leg, None) and not there]:
            del self._by_host[host]

    # ---- datagrams

    def rtp(self, source: Endpoint, datagram: bytes, now: float) -> int | None:
        """Return the leg of what came to the RTP port, which may be a report (RFC 5761); None and a count: nobody's."""
        peer = self._by_rtp.get(source)
        if peer is None:
            peer = self._reported(datagram) if is_rtcp(datagram) else self._recognised(source, datagram, now)
            if peer is None:
                self.foreign += 1
                return None
        peer.heard_at = now
        if self._unheard:
            self._unheard.pop(peer.leg, None)
        return peer.leg

    def rtcp(self, source: Endpoint, datagram: bytes) -> int | None:
        """Return the leg of what came to the RTCP port; None and a count: nobody's."""
        peer = self._by_rtcp.get(source)
        if peer is None:
            peer = self._reported(datagram)
            if peer is None:
                self.foreign += 1
                return None
            self._report_from(source, peer)
        return peer.leg

    def _reported(self, datagram: bytes) -> _Peer | None:
        """Whose SSRC a report is about."""
        layout = _REPORTED.get(datagram[1]) if len(datagram) > 1 and datagram[0] & 0x1F else None
        if layout is None or len(datagram) < layout.size:
            return None
        return self._by_ssrc.get(layout.unpack_from(datagram)[0])

    def _report_from(self, source: Endpoint, peer: _Peer) -> None:
        """Know a peer's reports by where they come from now. One address each: anybody can forge more."""
        if peer.reporting is not None:
            self._by_rtcp.pop(peer.reporting, None)
        peer.reporting = source
        self._by_rtcp[source] = peer

    def _recognised(self, source: Endpoint, datagram: bytes, now: float) -> _Peer | None:
        """Find the one leg that a new source of RTP can belong to."""
        if len(datagram) < HEADER_LENGTH or datagram[0] >> 6 != VERSION:
            return None
        payload_type = datagram[1] & 0x7F
        near = [peer for peer in self._by_host.get(source[0], {}).values() if peer.misses(payload_type, now)]
        possible = near or [peer for peer in self._unheard.values() if peer.misses(payload_type, now)]
        if len(possible) != 1:
            return None
        (peer,) = possible
        self._place(source, peer)
        return peer

    def _place(self, source: Endpoint, peer: _Peer) -> None:
        self._by_rtp[source] = peer
        self._by_host.setdefault(source[0], {})[peer.leg] = peer

    def _miss(self, peer: _Peer) -> None:
        peer.heard_at = _LONG_AGO
        self._unheard[peer.leg] = peer
