"""Audio that can be told again wherever it comes out: frames of loud PCMU, each with a name and a number in it.

G.711 goes through the house untouched, so what was marked at one end is found by its bytes at the other.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

FRAME = 160
"""Bytes of 20 ms."""
_MAGIC = b"\x01\x02\x03\x05"
_MARK = struct.Struct("!4s3I")
_REPEATS = FRAME // _MARK.size


class Kind(IntEnum):
    """What a frame is for."""

    CALLER = 1
    """A caller spoke it; `owner` is the call, `number` counts its marks."""
    FIRST = 2
    """The first of an utterance of the voice, which is `owner`."""
    VOICE = 3
    """The others; `number` counts the frames of the utterance, from 1."""


class Mark(NamedTuple):
    """What a marked frame says."""

    kind: Kind
    owner: int
    number: int


def frame(kind: Kind, owner: int, number: int) -> bytes:
    """Return 20 ms of audio that say so."""
    return _MARK.pack(_MAGIC, kind, owner, number) * _REPEATS


def read(audio: bytes) -> Mark | None:
    """Return the mark that audio begins with, if it is one."""
    return _unpack(audio, 0) if audio.startswith(_MAGIC) else None


def find(audio: bytes) -> Mark | None:
    """Return the first mark in audio that was cut anywhere."""
    at = audio.find(_MAGIC)
    return _unpack(audio, at) if at >= 0 else None


def _unpack(audio: bytes, at: int) -> Mark | None:
    if at + _MARK.size > len(audio):
        return None
    _, kind, owner, number = _MARK.unpack_from(audio, at)
    return Mark(Kind(kind), owner, number) if kind in _KINDS else None


_KINDS = frozenset(Kind)
