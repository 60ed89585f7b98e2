"""What a leg hears, gathered for the loop: few messages while nothing is said, and no waiting for who speaks."""

from collections.abc import Sequence
from typing import NamedTuple

from sipagent.audio.level import VoiceMeter
from sipagent.media.commands import OpenLeg
from sipagent.media.events import UplinkBlock

_FRAME_MS = 20
SETTLED = 50
"""Frames (1 s) of silence after which nobody is taken to be in the middle of a sentence."""


class Gathered(NamedTuple):
    """What waits to become a block, and what is known of the silence that it is in."""

    frames: Sequence[bytes]
    voiced: bool
    """One of them is."""
    silent: int
    """Frames in a row, counted up to a second."""
    due: int
    """How many make a block."""
    hangover: int
    """Frames to come that are voiced, however quiet they are."""


class Blocks:
    """Makes blocks of frames of 20 ms: of `uplink_ms`, and of `quiet_uplink_ms` once it has been silent for a second.

    The first voiced frame after such a silence finds a block that has grown, and ends it at once.
    """

    __slots__ = ("_due", "_frames", "_leg", "_meter", "_silent", "_voiced", "quiet_size", "size")

    def __init__(self, opened: OpenLeg) -> None:
        self._leg = opened.leg
        self.size = opened.uplink_ms // _FRAME_MS
        """Frames of a block while somebody may be talking."""
        self.quiet_size = opened.quiet_uplink_ms // _FRAME_MS
        self._meter = VoiceMeter()
        self._frames: list[bytes] = []
        self._voiced = False
        self._silent = 0
        self._due = self.size

    @property
    def state(self) -> Gathered:
        """What has been gathered."""
        return Gathered(self._frames, self._voiced, self._silent, self._due, self._meter.left)

    @state.setter
    def state(self, gathered: Gathered) -> None:
        frames, self._voiced, self._silent, self._due, self._meter.left = gathered
        self._frames = list(frames)

    def add(self, frame: bytes, encoding: str) -> None:
        """Take a frame."""
        self._frames.append(frame)
        self._due = self.size
        if self._meter.hear(frame, encoding):
            self._voiced = True
            self._silent = 0
        elif self._silent < SETTLED:
            self._silent += 1
        else:
            self._due = self.quiet_size

    def take(self, encoding: str) -> UplinkBlock | None:
        """Return the block that is due; None while it is too short. Of speech nothing is left for the next."""
        if len(self._frames) < self._due:
            return None
        return self._cut(self._due if self._due == self.quiet_size else len(self._frames), encoding)

    def rest(self, encoding: str) -> UplinkBlock | None:
        """End the block here; None if there is nothing in it."""
        return self._cut(len(self._frames), encoding) if self._frames else None

    def _cut(self, frames: int, encoding: str) -> UplinkBlock:
        block = UplinkBlock(self._leg, b"".join(self._frames[:frames]), encoding, self._voiced)
        del self._frames[:frames]
        self._voiced = False
        return block
