"""What a leg hears, gathered for the loop: few messages while nothing is said, and no waiting for who speaks."""

from sipagent.audio.level import VoiceMeter
from sipagent.media.commands import OpenLeg
from sipagent.media.events import UplinkBlock

_FRAME_MS = 20
_SETTLED = 50
"""Frames (1 s) of silence after which nobody is taken to be in the middle of a sentence."""


class Blocks:
    """Makes blocks of frames of 20 ms: of `uplink_ms`, and of `quiet_uplink_ms` once it has been silent for a second.

    The first voiced frame after such a silence finds a block that has grown, and ends it at once.
    """

    __slots__ = ("_due", "_frames", "_leg", "_meter", "_quiet_size", "_silent", "_size", "_voiced")

    def __init__(self, opened: OpenLeg) -> None:
        self._leg = opened.leg
        self._size = opened.uplink_ms // _FRAME_MS
        self._quiet_size = opened.quiet_uplink_ms // _FRAME_MS
        self._meter = VoiceMeter()
        self._frames: list[bytes] = []
        self._voiced = False
        self._silent = 0
        self._due = self._size

    def add(self, frame: bytes, encoding: str) -> None:
        """Take a frame."""
        self._frames.append(frame)
        self._due = self._size
        if self._meter.hear(frame, encoding):
            self._voiced = True
            self._silent = 0
        elif self._silent < _SETTLED:
            self._silent += 1
        else:
            self._due = self._quiet_size

    def take(self, encoding: str) -> UplinkBlock | None:
        """Return the block that is due; None while it is too short. Of speech nothing is left for the next."""
        if len(self._frames) < self._due:
            return None
        return self._cut(self._due if self._due == self._quiet_size else len(self._frames), encoding)

    def rest(self, encoding: str) -> UplinkBlock | None:
        """End the block here; None if there is nothing in it."""
        return self._cut(len(self._frames), encoding) if self._frames else None

    def _cut(self, frames: int, encoding: str) -> UplinkBlock:
        block = UplinkBlock(self._leg, b"".join(self._frames[:frames]), encoding, self._voiced)
        del self._frames[:frames]
        self._voiced = False
        return block
