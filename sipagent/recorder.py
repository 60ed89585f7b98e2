"""Recordings: a WAV file that grows while the call goes on, written by a thread of its own."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sipagent.audio import g711, wav
from sipagent.media import Tape

log = logging.getLogger("sipagent.recorder")

_WRITER = ThreadPoolExecutor(1, "sipagent-recorder")
"""Writes every recording of the process: a slow disk makes recordings late, and no call."""


class Recorder:
    """Writes what the caller said on the left, and what was really sent on the right; `stereo=False` mixes them.

    The header is put right with every half second, so the file can be played whatever kills us. Raises OSError where
    the file cannot be made; a disk that fails later ends the recording, with a line in the log.
    """

    def __init__(self, path: Path, stereo: bool = True) -> None:
        self._path = path
        self._stereo = stereo
        self._frames = 0
        self._failed = False
        self._file = path.open("wb", buffering=0)
        self._write(b"")

    def write(self, tape: Tape) -> None:
        """Take the next piece of tape; returns at once."""
        _WRITER.submit(self._append, tape)

    def close(self) -> Future[None]:
        """End the file behind what was taken so far; the future is done when it is on disk."""
        return _WRITER.submit(self._file.close)

    def _append(self, tape: Tape) -> None:
        received = g711.decode(tape.received, tape.encoding)
        sent = g711.decode(tape.sent, tape.encoding)
        self._frames += len(sent)
        self._write(self._interleave(received, sent))

    def _interleave(self, received: g711.Samples, sent: g711.Samples) -> bytes:
        """Lay the samples as they are in the file; a mix that is too loud is clipped, and does not wrap."""
        if self._stereo:
            return np.stack([received, sent], axis=1).astype("<i2").tobytes()
        mixed = np.clip(received.astype(np.int32) + sent, -32768, 32767)
        return bytes(mixed.astype("<i2"))

    def _write(self, audio: bytes) -> None:
        if self._failed:
            return
        header = wav.header(rate=g711.RATE, channels=2 if self._stereo else 1, frames=self._frames)
        try:
            self._file.seek(0, 2)
            self._file.write(audio)
            self._file.seek(0)
            self._file.write(header)
        except OSError as error:
            self._failed = True
            log.error("the recording %s ends early: %s", self._path, error.strerror)
