"""What the legs of a convoy hear, gathered into blocks for the loop: `media.blocks.Blocks`, a row each."""

import numpy as np
from numpy.typing import NDArray

from sipagent.audio.encoding import PCMA, PCMU
from sipagent.audio.level import HANGOVER, are_loud
from sipagent.media.blocks import SETTLED, Blocks, Gathered

LAWS = (PCMU, PCMA)
"""By their place in this the rows say in which encoding a leg is."""

Rows = NDArray[np.intp]


class Gathering:
    """Counts the frames of each row that wait for their block; the frames themselves stay where they are."""

    def __init__(self, capacity: int) -> None:
        self.frames = np.zeros(capacity, np.int64)
        """How many wait."""
        self._voiced = np.zeros(capacity, np.bool_)
        self._silent = np.zeros(capacity, np.int64)
        self._due = np.zeros(capacity, np.int64)
        self._hangover = np.zeros(capacity, np.int64)
        self._size = np.zeros(capacity, np.int64)
        self._quiet_size = np.zeros(capacity, np.int64)
        self._laws = np.zeros(capacity, np.int64)

    def load(self, row: int, blocks: Blocks, law: int) -> None:
        """Go on where a leg is."""
        frames, voiced, silent, due, hangover = blocks.state
        self.frames[row], self._voiced[row], self._silent[row] = len(frames), voiced, silent
        self._due[row], self._hangover[row] = due, hangover
        self._size[row], self._quiet_size[row] = blocks.size, blocks.quiet_size
        self._laws[row] = law

    def state(self, row: int, frames: list[bytes]) -> Gathered:
        """Return where a row is, of which these frames wait."""
        silent, due, hangover = int(self._silent[row]), int(self._due[row]), int(self._hangover[row])
        return Gathered(frames, bool(self._voiced[row]), silent, due, hangover)

    def add(self, rows: Rows, frames: NDArray[np.uint8]) -> None:
        """Take the next frame of some rows."""
        loud = self._are_loud(rows, frames)
        hangover = self._hangover[rows]
        voiced = loud | (hangover > 0)
        self._hangover[rows] = np.where(loud, HANGOVER, hangover - (hangover > 0))
        silent = self._silent[rows]
        settled = ~voiced & (silent >= SETTLED)
        self._due[rows] = np.where(settled, self._quiet_size[rows], self._size[rows])
        self._silent[rows] = np.where(voiced, 0, silent + ~(voiced | settled))
        self._voiced[rows] |= voiced
        self.frames[rows] += 1

    def _are_loud(self, rows: Rows, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
        laws = self._laws[rows]
        loud = np.zeros(len(rows), np.bool_)
        for number, law in enumerate(LAWS):
            those = np.flatnonzero(laws == number)
            if len(those):
                loud[those] = are_loud(frames[those], law)
        return loud

    def take(self, rows: Rows) -> tuple[Rows, NDArray[np.int64], NDArray[np.bool_]]:
        """Take the blocks that are due of some rows: which rows, how many frames each has, and whether it is voiced."""
        ready = rows[self.frames[rows] >= self._due[rows]]
        due = self._due[ready]
        sizes = np.where(due == self._quiet_size[ready], due, self.frames[ready])
        voiced = self._voiced[ready]
        self.frames[ready] -= sizes
        self._voiced[ready] = False
        return ready, sizes, voiced
