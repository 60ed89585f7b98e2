"""Which way audio flows: the four attributes of RFC 8866 section 6.7, and what becomes of them in an answer."""

from enum import Enum


class Direction(Enum):
    """Which way audio flows, seen from whoever wrote the attribute (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> "Direction":
        """The direction of somebody who sends and receives, or not."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> "Direction":
        """The same flow, seen from the other side."""
        return Direction.of(sends=self.receives, receives=self.sends)

    @property
    def on_hold(self) -> "Direction":
        """What to offer so that the other side stops to speak (RFC 3264 section 8.4)."""
        return Direction.of(sends=self.sends, receives=False)

    def limited_to(self, other: "Direction") -> "Direction":
        """What both allow."""
        return Direction.of(sends=self.sends and other.sends, receives=self.receives and other.receives)
