"""An Ogg Opus file that grows (RFC 7845): libopus by way of av, and a page for every piece."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sipagent.audio.ogg import Pages, opus_tags
from sipagent.recorder.new_file import new_file

BIT_RATE = 24_000
"""Bits a second and channel: speech of this rate is hardly told from the original."""
_NARROW = 8000
_COMPLEXITY, _WIDE_COMPLEXITY = "0", "10"
"""Of 10, which is twice the work of 0. Narrow speech is hardly better for it, PESQ 4.53 in place of 4.52; wide speech
is, PESQ-WB 4.43 in place of 4.23 where one side speaks, 2.6 in place of 2.0 where both do."""
_CLOCK = 48_000
"""What positions in Ogg Opus count, whatever the rate of the sound (section 4)."""
_PACKET = _CLOCK // 50
_SKIP = slice(10, 12)
"""Where the first packet (section 5.1) says how much of the beginning no player plays: what libopus needs, and 20 ms of
silence that we put before the sound."""
_MOST_PACKETS = 40
"""In a page: so many of the longest that there are, of 1275 bytes, have a place."""


class OggFile:
    """Whatever of a piece fills packets of 20 ms is a page at once: a file that ends anywhere can be played."""

    def __init__(self, path: Path, *, rate: int, channels: int) -> None:
        self._encoder = _encoder(rate, channels)
        self._pages = Pages(serial=1)
        self._samples = 0
        self._position = 0
        head = bytes(self._encoder.extradata or b"")
        self._skipped = int.from_bytes(head[_SKIP], "little") + _PACKET
        head = head[: _SKIP.start] + self._skipped.to_bytes(2, "little") + head[_SKIP.stop :]
        self._file = new_file(path)
        self._file.write(self._pages.page([head], 0) + self._pages.page([opus_tags("sipagent")], 0))
        self.write(np.zeros((channels, rate // 50), np.int16))  # some players open no file without sound in it

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples, one row a channel. Raises OSError."""
        frame = av.AudioFrame(format="s16", layout=self._encoder.layout.name, samples=samples.shape[1])
        frame.sample_rate, frame.pts = self._encoder.sample_rate, self._samples
        frame.planes[0].update(samples.T.tobytes())
        self._samples += samples.shape[1]
        self._put(self._encode(frame))

    def close(self) -> None:
        """Write what the encoder still has, and where the sound ends in it (section 4.4). Raises OSError."""
        *packets, last = self._encode(None) or [b""]
        self._put(packets)
        end = self._skipped - _PACKET + self._samples * _CLOCK // self._encoder.sample_rate
        self._file.write(self._pages.page([last] if last else [], end, last=True))
        self._file.close()

    def _encode(self, frame: av.AudioFrame | None) -> list[bytes]:
        return [bytes(packet) for packet in self._encoder.encode(frame)]

    def _put(self, packets: list[bytes]) -> None:
        for start in range(0, len(packets), _MOST_PACKETS):
            part = packets[start : start + _MOST_PACKETS]
            self._position += len(part) * _PACKET
            self._file.write(self._pages.page(part, self._position))


def _encoder(rate: int, channels: int) -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate = rate
    encoder.format = av.AudioFormat("s16")
    encoder.layout = av.AudioLayout("stereo" if channels == 2 else "mono")
    encoder.bit_rate = channels * BIT_RATE
    complexity = _COMPLEXITY if rate == _NARROW else _WIDE_COMPLEXITY
    encoder.options = {"application": "voip", "compression_level": complexity}
    encoder.open()
    return encoder
