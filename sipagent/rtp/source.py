"""Where the peer's media comes from: symmetric RTP (RFC 4961), latched and then locked."""

Endpoint = tuple[str, int]
"""IP address literal and port, as sockets give them."""
LOCK_AFTER = 10
"""Packets of one source after which another needs a reason to replace it."""
SILENCE = 3.0
"""Seconds of a locked source's silence after which another may take over: its NAT binding may have moved."""


class SourceLatch:
    """Chooses the one source address whose packets count, and that ours are sent to.

    The SDP names an address, but behind a NAT the packets come from another. Until a source is locked, the first that
    sends RTP of a negotiated payload type is believed; only the address of the SDP itself may take over from it. Once
    it is locked, packets from elsewhere (stray streams, injection) are counted and dropped.
    """

    __slots__ = ("_expected", "_former", "_heard_at", "_packets", "_source", "destination", "foreign")

    def __init__(self, expected: Endpoint | None = None) -> None:
        self.foreign = 0
        self.destination = expected
        """Where to send: the latched source, or the address of the SDP while nothing has come."""
        self._expected = expected
        self._source: Endpoint | None = None
        self._former: Endpoint | None = None
        self._packets = 0
        self._heard_at = 0.0

    @property
    def latched(self) -> Endpoint | None:
        """The source that media comes from; None while nothing has come."""
        return self._source

    def rearm(self, expected: Endpoint | None) -> None:
        """Begin anew where an offer or answer moves the peer's media.

        An unchanged address changes nothing, and neither does one that is none: with 0.0.0.0 or port 0 the peer holds
        us, and will be where it was (RFC 3264 section 8.4).
        """
        if expected == self._expected or (expected is not None and _is_nowhere(expected)):
            return
        self._expected = self.destination = expected
        self._former, self._source = self._source, None
        self._packets = 0

    def accept(self, source: Endpoint, now: float) -> bool:
        """Tell whether a packet of a negotiated payload type counts. What is none must not be brought here."""
        if source != self._source:
            if self._is_still_under_way(source):
                self._packets += 1
                return True
            if not self._may_move_to(source, now):
                self.foreign += 1
                return False
            self._source, self._packets = source, 0
            self.destination = source
        self._packets += 1
        self._heard_at = now
        return True

    @property
    def is_locked(self) -> bool:
        """Whether another source needs a reason to replace the one that media comes from and goes to."""
        return self._packets >= LOCK_AFTER and self._source == self.destination

    def follow(self, packets: int, now: float) -> None:
        """Count packets of the latched source, the last of which came now."""
        self._packets += packets
        self._heard_at = now

    def _is_still_under_way(self, source: Endpoint) -> bool:
        """Whether a packet left the former source before the move: it counts, but it does not draw ours back there."""
        return self._source is None and source == self._former and self._packets < LOCK_AFTER

    def _may_move_to(self, source: Endpoint, now: float) -> bool:
        if self._source is None or now - self._heard_at > SILENCE:
            return True
        return self._packets < LOCK_AFTER and source == self._expected


def _is_nowhere(endpoint: Endpoint) -> bool:
    return endpoint[0] in ("0.0.0.0", "::") or endpoint[1] == 0
