"""WAV files (RIFF) as bytes: lenient in what is read, 16-bit PCM in what is written."""

from dataclasses import dataclass
from struct import error, iter_unpack, pack, unpack_from

import numpy as np
from numpy.typing import NDArray

from sipagent.audio import g711
from sipagent.audio.resample import resample

_PCM, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE


class WavError(ValueError):
    """The bytes are no WAV file that can be played; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Sound with its rate in Hz. `samples` has one row a channel."""

    rate: int
    samples: NDArray[np.int16]

    def mono(self, rate: int = g711.RATE) -> g711.Samples:
        """Return the mean of the channels at another rate."""
        mixed = self.samples.mean(axis=0).astype(np.int16) if len(self.samples) > 1 else self.samples[0]
        return resample(mixed, self.rate, rate)


def header(*, rate: int, channels: int, frames: int) -> bytes:
    """Return the 44 bytes before the samples of a 16-bit PCM file."""
    size = frames * channels * 2
    form = pack("<4sIHHIIHH", b"fmt ", 16, _PCM, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        pack("<4sI4s", b"RIFF", min(36 + size, 0xFFFFFFFF), b"WAVE")
        + form
        + pack("<4sI", b"data", min(size, 0xFFFFFFFF))
    )


def write(samples: NDArray[np.int16], rate: int = g711.RATE) -> bytes:
    """Return a whole file. `samples`: one dimension for mono, or one row a channel."""
    rows = np.atleast_2d(samples)
    return header(rate=rate, channels=len(rows), frames=rows.shape[1]) + rows.T.astype("<i2").tobytes()


def read(data: bytes) -> Recording:
    """Read PCM of 8, 16, 24 or 32 bits, or G.711. Raises WavError.

    A data chunk longer than the file, as a killed recorder leaves it, ends with the file.
    """
    chunks = _chunks(data)
    try:
        kind, channels, rate, _, _, bits = unpack_from("<HHIIHH", chunks[b"fmt "])
        if kind == _EXTENSIBLE:
            (kind,) = unpack_from("<H", chunks[b"fmt "], 24)
        audio = chunks[b"data"]
    except (KeyError, error):
        raise WavError("this is not a WAV file: it has no format or no data") from None
    if not channels or not rate:
        raise WavError("the WAV file says that it has no channels, or no sample rate")
    samples = _linear(audio, kind, bits)
    return Recording(rate=rate, samples=samples[: len(samples) // channels * channels].reshape(-1, channels).T)


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Cut a RIFF file into its chunks. The first of each name counts."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WavError("this is not a WAV file: it does not begin with RIFF and WAVE")
    chunks: dict[bytes, bytes] = {}
    offset = 12
    while offset + 8 <= len(data):
        ((name, size),) = iter_unpack("<4sI", data[offset : offset + 8])
        chunks.setdefault(name, data[offset + 8 : offset + 8 + size])
        offset += 8 + size + (size & 1)
    return chunks


def _linear(audio: bytes, kind: int, bits: int) -> NDArray[np.int16]:
    """Turn the data chunk into 16-bit samples."""
    match kind, bits:
        case (1, 8):
            return (np.frombuffer(audio, np.uint8).astype(np.int16) - 128) << 8
        case (1, 16 | 24 | 32):
            width = bits // 8
            rows = np.frombuffer(audio[: len(audio) // width * width], np.uint8).reshape(-1, width)
            return np.ascontiguousarray(rows[:, -2:]).view("<i2").ravel().astype(np.int16)
        case (6 | 7, 8):
            return g711.decode(audio, g711.PCMA if kind == _A_LAW else g711.PCMU)
    raise WavError(f"WAV format {kind} with {bits} bits is not supported: save it as 16-bit PCM")
