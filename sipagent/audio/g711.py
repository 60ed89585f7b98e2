"""G.711 by table: PCMU (mu-law, 14-bit) and PCMA (A-law, 13-bit), 8000 samples and bytes a second.

An encoding is named by `pcmu` or `pcma` everywhere; linear samples are 16-bit, left-justified as in ITU-T G.191.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

PCMU = "pcmu"
PCMA = "pcma"
RATE = 8000
"""Samples, and bytes, a second."""
FRAME = 160
"""Samples in 20 ms: what one tick plays and hears."""

SILENCE = {PCMU: b"\xff", PCMA: b"\xd5"}
"""The code of the smallest positive value: what a recording holds where nothing was sent."""


def decode(payload: bytes, encoding: str) -> Samples:
    """Expand G.711 to linear samples, one for each byte."""
    return _DECODED[encoding].take(np.frombuffer(payload, np.uint8))


def encode(samples: Samples, encoding: str) -> bytes:
    """Compress linear samples to G.711, one byte for each."""
    return _ENCODED[encoding].take(samples.view(np.uint16)).tobytes()


def transcode(payload: bytes, source: str, target: str) -> bytes:
    """Say the same audio in the other law. The same law costs nothing and changes nothing."""
    return payload if source == target else payload.translate(_TRANSLATED[source])


def _expand_mu_law() -> Samples:
    """The 256 values of G.711 table 2, complemented as they are on the line."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((step << 3) + 132 << segment) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _expand_a_law() -> Samples:
    """The 256 values of G.711 table 1, with the even bits inverted as they are on the line."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(segment == 0, (step << 4) + 8, (step << 4) + 264 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _compress_mu_law() -> NDArray[np.uint8]:
    """The code of every 16-bit sample: rounded down to 14 bits, biased by 33, cut into eight segments."""
    sample = _every_sample() >> 2
    magnitude = np.minimum(np.abs(sample) + 33, 8191)
    segment = np.searchsorted(64 << np.arange(7), magnitude, side="right")
    code: NDArray[np.int64] = segment << 4 | magnitude >> (segment + 1) & 15
    return (code ^ np.where(sample < 0, 0x7F, 0xFF)).astype(np.uint8)


def _compress_a_law() -> NDArray[np.uint8]:
    """The code of every 16-bit sample: rounded down to 13 bits, negative ones by complement."""
    sample = _every_sample() >> 3
    magnitude = np.where(sample < 0, ~sample, sample)
    segment = np.searchsorted(32 << np.arange(7), magnitude, side="right")
    code: NDArray[np.int64] = segment << 4 | magnitude >> np.maximum(segment, 1) & 15
    return (code ^ np.where(sample < 0, 0x55, 0xD5)).astype(np.uint8)


def _every_sample() -> NDArray[np.int32]:
    """All 16-bit values in the order of their bit patterns: 0 … 32767, -32768 … -1."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


_DECODED = {PCMU: _expand_mu_law(), PCMA: _expand_a_law()}
_ENCODED = {PCMU: _compress_mu_law(), PCMA: _compress_a_law()}
_TRANSLATED = {source: encode(_DECODED[source], target) for source, target in ((PCMU, PCMA), (PCMA, PCMU))}
