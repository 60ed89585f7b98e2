"""What audio is encoded in on the wire: G.711, G.722 and Opus, and how it becomes audio of the house and back.

    payload ─► decoder(codec, encoding) ─► audio of the house ─► Encoder(codec) ─► payload

Both keep the state of one stream. G.711 needs neither where the house speaks the same law.
"""

from collections.abc import Mapping
from typing import Protocol

from sipagent.audio import encoding as house
from sipagent.audio.encoding import PCM, PCMA, PCMU, UNITS, Transcoder
from sipagent.audio.resampler import Resampler
from sipagent.audio.wideband import OPUS, Compressor, Expander

_OPUS_FRAMES = (*(80, 160, 320, 480) * 3, *(80, 160) * 2, *(20, 40, 80, 160) * 4)
"""Units in a frame of each of the 32 configurations (RFC 6716 section 3.1, table 2)."""
_LONGEST_OPUS = 960
"""Units: 120 ms (section 3.2.5)."""


def clock_rate(codec: str) -> int:
    """Return by what the RTP timestamp counts: 48,000 a second for Opus whatever its sound (RFC 7587 section 4.1).

    G.722 says 8000 and samples 16,000 times, for the sake of an old mistake (RFC 3551 section 4.5.2).
    """
    return 48000 if codec == OPUS else 8000


def units(payload: bytes, codec: str) -> int:
    """Return how many units of 1/8000 s a payload lasts, without decoding it; 0 for what is no payload."""
    if codec != OPUS:
        return len(payload)
    if not payload:
        return 0
    configuration, frames = payload[0] >> 3, payload[0] & 3
    count = (1, 2, 2, payload[1] & 0x3F if len(payload) > 1 else 0)[frames]
    lasts = _OPUS_FRAMES[configuration] * count
    return lasts if lasts <= _LONGEST_OPUS else 0


class Decoder(Protocol):
    """One stream of payloads of any duration, made audio."""

    def decode(self, payload: bytes) -> bytes | None:
        """Take the next payload; returns as much audio as `units` says, None for what cannot be decoded."""


def decoder(codec: str, encoding: str) -> Decoder:
    """Return a decoder of `codec` that gives audio in an encoding of the house."""
    return _LawDecoder(codec, encoding) if codec in (PCMU, PCMA) else _WidebandDecoder(codec, encoding)


class _LawDecoder:
    """G.711, for a house that speaks another law, or `pcm`."""

    __slots__ = ("_codec", "_encoding", "_transcoder")

    def __init__(self, codec: str, encoding: str) -> None:
        self._codec, self._encoding = codec, encoding
        self._transcoder = Transcoder()

    def decode(self, payload: bytes) -> bytes:
        """Whatever it is, it can be decoded."""
        return self._transcoder.convert(payload, self._codec, self._encoding)


class _WidebandDecoder:
    """G.722 or Opus."""

    __slots__ = ("_codec", "_encoding", "_expander", "_resampler")

    def __init__(self, codec: str, encoding: str) -> None:
        self._codec, self._encoding = codec, encoding
        self._expander = Expander(codec)
        self._resampler = Resampler(self._expander.rate, house.rate(encoding))

    def decode(self, payload: bytes) -> bytes | None:
        """What turns out to last longer or shorter than it says is refused too."""
        samples = self._expander.decode(payload)
        if samples is None or len(samples) * UNITS != units(payload, self._codec) * self._expander.rate:
            return None
        return house.encode(self._resampler.convert(samples), self._encoding)


class Encoder:
    """One stream of `pcm`, made payloads of G.722 or Opus, each of 20 ms. `parameters`: as in `Compressor`."""

    __slots__ = ("_compressor", "_resampler")

    def __init__(self, codec: str, parameters: Mapping[str, str]) -> None:
        self._compressor = Compressor(codec, parameters)
        rates = house.rate(PCM), self._compressor.rate
        self._resampler = Resampler(*rates) if rates[0] != rates[1] else None

    def encode(self, audio: bytes) -> bytes:
        """Take the next 20 ms."""
        samples = house.decode(audio, PCM)
        return self._compressor.encode(self._resampler.convert(samples) if self._resampler is not None else samples)
