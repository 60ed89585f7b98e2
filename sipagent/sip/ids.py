"""Where unguessable text and numbers come from: drawn from an object, so that a replay can serve the captured ones."""

from typing import Protocol


class Ids(Protocol):
    """Draws identifiers. `scope` is the Call-ID the draw belongs to, or empty for what belongs to no call."""

    def token(self, kind: str, scope: str = "") -> str:
        """Return fresh text, unguessable in 64 bits: letters and digits. `kind`: branch, tag, call-id, cnonce, …"""

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        """Return a fresh number of `bits` random bits. `kind`: ssrc, sequence, timestamp, sdp-session, cseq, …"""
