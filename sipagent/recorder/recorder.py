"""What writes one call to a file: tape in, samples of one rate out, by a thread that does so for every call."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import encoding
from sipagent.audio.resampler import Resampler
from sipagent.media import Tape
from sipagent.recorder.ogg_file import OggFile
from sipagent.recorder.wav_file import WavFile

log = logging.getLogger("sipagent.recorder")

Samples = NDArray[np.int16]
"""One row a channel."""

RATE, HD_RATE = 8000, 24_000
OGG_SUFFIXES = (".ogg", ".oga", ".opus")

MOST_WAITING = 120
"""Pieces of tape (a minute) that may wait for a disk: a dead one must not fill the memory."""

_WRITER = ThreadPoolExecutor(1, "sipagent-recorder")
"""Writes every recording of the process: a slow disk makes recordings late, and no call."""


class RecordingFile(Protocol):
    """A file on its way to disk. All of it raises OSError."""

    def write(self, samples: Samples) -> None:
        """Append samples; what was appended half a second ago can be played, whatever happens to us."""

    def close(self) -> None:
        """Write what is still to be written."""


class Recorder:
    """Writes what the caller said on the left, and what was really sent on the right; `stereo=False` mixes them.

    The file is Ogg Opus if it is called `.ogg`, `.oga` or `.opus`, else WAV, of 8000 samples a second, or 24,000 with
    `hd_audio`, whatever the codec of the call is and becomes. Raises OSError where the file cannot be made; a disk that
    fails later ends the recording, with a line in the log.
    """

    def __init__(self, path: Path, *, stereo: bool = True, hd_audio: bool = False) -> None:
        rate = HD_RATE if hd_audio else RATE
        make = OggFile if path.suffix.lower() in OGG_SUFFIXES else WavFile
        self._path = path
        self._file: RecordingFile | None = make(path, rate=rate, channels=2 if stereo else 1)
        self._mixer = _Mixer(rate, stereo=stereo)
        self._taken = self._done = 0
        """Pieces of tape: what came, and what the writer is through with. Each is counted by one thread only."""
        self._is_behind = False

    def write(self, tape: Tape) -> None:
        """Take the next piece of tape; returns at once. Behind a disk that hangs the recording ends."""
        if self._is_behind:
            return
        self._taken += 1
        self._is_behind = self._taken - self._done > MOST_WAITING
        if self._is_behind:
            log.error("the recording %s ends early: its disk is a minute behind", self._path)
        else:
            _WRITER.submit(self._append, tape)

    def close(self) -> Future[None]:
        """End the file behind what was taken so far; the future is done when it is on disk."""
        return _WRITER.submit(self._close)

    def _append(self, tape: Tape) -> None:
        try:
            if self._file is not None:
                self._file.write(self._mixer.samples(tape))
        except OSError as error:
            self._file = None
            log.error("the recording %s ends early: %s", self._path, error.strerror)
        except Exception:  # our fault and no disk's; nobody looks at what this thread raises
            log.exception("the recording %s misses half a second", self._path)
        self._done += 1

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            log.error("the end of the recording %s is missing: %s", self._path, error.strerror)


class MakeRecorder(Protocol):
    """Makes what writes a call to a file: `Recorder` itself, or a stand-in for it."""

    def __call__(self, path: Path, *, stereo: bool, hd_audio: bool) -> Recorder:
        """Begin the file. Raises OSError."""


class _Mixer:
    """Turns tape of any encoding into samples of one rate: two rows, or both voices in one."""

    def __init__(self, rate: int, *, stereo: bool) -> None:
        self._rate = rate
        self._stereo = stereo
        self._source = rate
        self._resamplers: list[Resampler] = []

    def samples(self, tape: Tape) -> Samples:
        """Return the next samples; a mix that is too loud is clipped, and does not wrap."""
        rows = np.stack([encoding.decode(side, tape.encoding) for side in (tape.received, tape.sent)])
        if not self._stereo:
            rows = np.clip(rows.sum(axis=0, dtype=np.int32, keepdims=True), -32768, 32767).astype(np.int16)
        return self._resampled(rows, encoding.rate(tape.encoding))

    def _resampled(self, rows: Samples, source: int) -> Samples:
        if source != self._source:
            self._source = source
            self._resamplers = [Resampler(source, self._rate) for _ in rows]
        if source == self._rate:
            return rows
        return np.stack([resampler.convert(row) for resampler, row in zip(self._resamplers, rows, strict=True)])
