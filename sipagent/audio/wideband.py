"""G.722 and Opus by way of av (FFmpeg's own, and libopus): samples at the codec's rate, and payloads of RTP.

Each object keeps the state of one stream. av lets other threads run while it codes; a thread that must not wait for
them sets a short switch interval.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from sipagent.audio.g711 import Samples
from sipagent.audio.libav import AudioCodecContext, AudioFrame, CodecContext, FFmpegError, Packet

G722 = "g722"
OPUS = "opus"

_LIBRARY = {G722: "g722", OPUS: "libopus"}
_COMPRESSED_RATE = {G722: 16000, OPUS: 24000}
_EXPANDED_RATE = {G722: 16000, OPUS: 48000}
"""libopus takes several rates, and gives 48,000 samples a second whatever was sent."""

_OPUS_BIT_RATE = 24000
"""Bits a second, mono: speech of the ITU keeps 4.5 of PESQ-WB, and no more with 32,000 (RFC 7587 section 3.1.1)."""
_OPUS_LOWEST = 6000
_EXPECTED_LOSS = "5"
"""Per cent, for which libopus repeats speech in the next packet where the peer can use that."""


class Compressor:
    """One stream of samples at `rate`, mono, made payloads of 20 ms.

    `parameters` is what the peer asks of Opus (RFC 7587 section 6.1): `maxaveragebitrate`, `cbr` and `useinbandfec` are
    heeded.
    """

    __slots__ = ("_context", "rate")

    def __init__(self, codec: str, parameters: Mapping[str, str]) -> None:
        self.rate = _COMPRESSED_RATE[codec]
        self._context = _context(codec, "w", self.rate)
        if codec == OPUS:
            _set_up_opus(self._context, parameters)
        self._context.open()

    def encode(self, samples: Samples) -> bytes:
        """Take the next 20 ms."""
        frame = AudioFrame(format="s16", layout="mono", samples=len(samples))
        frame.sample_rate = self.rate
        frame.planes[0].update(samples.tobytes())
        return b"".join(map(bytes, self._context.encode(frame)))


class Expander:
    """One stream of payloads, made samples at `rate`. Of two channels it gives the mean."""

    __slots__ = ("_context", "rate")

    def __init__(self, codec: str) -> None:
        self.rate = _EXPANDED_RATE[codec]
        self._context = _context(codec, "r", self.rate)
        self._context.open()

    def decode(self, payload: bytes) -> Samples | None:
        """Take the next payload, of any duration; returns None for what the library will not have."""
        try:
            frames = self._context.decode(Packet(payload)) if payload else []
        except FFmpegError:
            return None
        decoded = [np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples) for frame in frames]
        return decoded[0] if len(decoded) == 1 else None


def _context(codec: str, mode: Literal["r", "w"], rate: int) -> AudioCodecContext:
    context = CodecContext.create(_LIBRARY[codec], mode)
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono"
    context.format = "s16"
    return context


def _set_up_opus(context: AudioCodecContext, parameters: Mapping[str, str]) -> None:
    context.bit_rate = _bit_rate(parameters.get("maxaveragebitrate", ""))
    options = {"application": "voip", "frame_duration": "20"}
    if parameters.get("cbr") == "1":
        options["vbr"] = "off"
    if parameters.get("useinbandfec") == "1":
        options |= {"fec": "1", "packet_loss": _EXPECTED_LOSS}
    context.options = options


def _bit_rate(asked: str) -> int:
    """Ours, or less where the peer asks for that; what is no number of up to six digits asks for nothing."""
    is_number = asked.isascii() and asked.isdecimal() and len(asked) <= 6
    return min(_OPUS_BIT_RATE, max(_OPUS_LOWEST, int(asked))) if is_number else _OPUS_BIT_RATE
