"""A WAV file that grows: after every piece its header is put right."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import wav
from sipagent.recorder.new_file import new_file


class WavFile:
    """16-bit PCM. Nothing is kept back: what was written is the kernel's, which writes it to disk without us."""

    def __init__(self, path: Path, *, rate: int, channels: int) -> None:
        self._rate = rate
        self._channels = channels
        self._frames = 0
        self._file = new_file(path)
        self.write(np.empty((channels, 0), np.int16))

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples, one row a channel. Raises OSError."""
        self._frames += samples.shape[1]
        self._file.seek(0, 2)
        self._file.write(samples.T.astype("<i2").tobytes())
        self._file.seek(0)
        self._file.write(wav.header(rate=self._rate, channels=self._channels, frames=self._frames))

    def close(self) -> None:
        """Close the file; it is whole already."""
        self._file.close()
