"""What audio is encoded in on the wire: G.711, and by way of av (FFmpeg, libopus) G.722 and Opus.

    payload ─► decoder(codec, encoding) ─► audio of the house ─► Encoder(codec) ─► payload

Both keep the state of one stream. G.711 needs neither where the house speaks the same law.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from av import AudioFrame, CodecContext, Packet
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from sipagent.audio import encoding as house
from sipagent.audio.encoding import PCM, PCMA, PCMU, UNITS, Transcoder
from sipagent.audio.g711 import Samples
from sipagent.audio.resampler import Resampler

G722 = "g722"
OPUS = "opus"

_LIBRARY = {G722: "g722", OPUS: "libopus"}
_DECODED_RATE = {G722: 16000, OPUS: 48000}
_ENCODED_RATE = {G722: 16000, OPUS: 24000}
"""libopus takes our own rate, and gives 48,000 samples a second whatever was sent."""

_OPUS_BIT_RATE = 24000
"""Wideband speech, mono (RFC 7587 section 3.1.1)."""
_OPUS_EFFORT = "5"
"""Of 10: half the work of the highest, and no difference that PESQ would notice in speech."""
_EXPECTED_LOSS = "5"
"""Per cent, for which libopus repeats speech in the next packet where the peer can use that."""
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
    return _LawDecoder(codec, encoding) if codec in (PCMU, PCMA) else _AvDecoder(codec, encoding)


class _LawDecoder:
    """G.711, for a house that speaks another law, or `pcm`."""

    __slots__ = ("_codec", "_encoding", "_transcoder")

    def __init__(self, codec: str, encoding: str) -> None:
        self._codec, self._encoding = codec, encoding
        self._transcoder = Transcoder()

    def decode(self, payload: bytes) -> bytes:
        """Whatever it is, it can be decoded."""
        return self._transcoder.convert(payload, self._codec, self._encoding)


class _AvDecoder:
    """G.722 or Opus. Of two channels it gives the mean."""

    __slots__ = ("_codec", "_context", "_encoding", "_resampler")

    def __init__(self, codec: str, encoding: str) -> None:
        self._codec, self._encoding = codec, encoding
        self._context = _context(_LIBRARY[codec], "r", _DECODED_RATE[codec])
        self._context.open()
        self._resampler = Resampler(_DECODED_RATE[codec], house.rate(encoding))

    def decode(self, payload: bytes) -> bytes | None:
        """What the library will not have, or makes something else of than it says, is refused."""
        try:
            frames = self._context.decode(Packet(payload)) if payload else []
        except FFmpegError:
            return None
        decoded = [np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples) for frame in frames]
        samples = np.concatenate(decoded) if decoded else np.zeros(0, np.int16)
        if len(samples) != units(payload, self._codec) * _DECODED_RATE[self._codec] // UNITS:
            return None
        return house.encode(self._resampler.convert(samples), self._encoding)


class Encoder:
    """One stream of `pcm`, made payloads of 20 ms. `parameters` is what the peer asks of Opus (RFC 7587 section 6.1).

    Of those `maxaveragebitrate`, `cbr` and `useinbandfec` are heeded.
    """

    __slots__ = ("_context", "_rate", "_resampler")

    def __init__(self, codec: str, parameters: Mapping[str, str]) -> None:
        self._rate = _ENCODED_RATE[codec]
        self._context = _context(_LIBRARY[codec], "w", self._rate)
        if codec == OPUS:
            _set_up_opus(self._context, parameters)
        self._context.open()
        self._resampler = Resampler(house.rate(PCM), self._rate) if self._rate != house.rate(PCM) else None

    def encode(self, audio: bytes) -> bytes:
        """Take the next 20 ms."""
        samples = house.decode(audio, PCM)
        if self._resampler is not None:
            samples = self._resampler.convert(samples)
        return b"".join(map(bytes, self._context.encode(_frame(samples, self._rate))))


def _context(library: str, mode: Literal["r", "w"], rate: int) -> AudioCodecContext:
    context = CodecContext.create(library, mode)
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono"
    context.format = "s16"
    return context


def _set_up_opus(context: AudioCodecContext, parameters: Mapping[str, str]) -> None:
    asked = parameters.get("maxaveragebitrate", "")
    context.bit_rate = min(_OPUS_BIT_RATE, max(6000, int(asked))) if asked.isdecimal() else _OPUS_BIT_RATE
    options = {"application": "voip", "frame_duration": "20", "compression_level": _OPUS_EFFORT}
    if parameters.get("cbr") == "1":
        options["vbr"] = "off"
    if parameters.get("useinbandfec") == "1":
        options |= {"fec": "1", "packet_loss": _EXPECTED_LOSS}
    context.options = options


def _frame(samples: Samples, rate: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples))
    frame.sample_rate = rate
    frame.planes[0].update(samples.tobytes())
    return frame
