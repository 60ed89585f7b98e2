"""The caller's audio on its way to a Realtime session: framed, kept until a turn was taken of it, and watched."""

import binascii
from collections import deque
from collections.abc import Iterable

from sipagent.audio.encoding import UNITS, width

KEPT = 10 * UNITS
"""Ten seconds that a fresh session is given again, if the server may not have heard them."""
KEPT_OF_SILENCE = 2 * UNITS
"""The same while all that was loud is answered: a call of silence, or of noise, is most of the time."""
KEPT_OF_SPEECH = 60 * UNITS
"""The same while the caller speaks: his turn shall be whole."""
LEAD = UNITS
"""A second before the start of speech was told (it is told late) that belong to it."""
SUSPICION = 1.5
"""Seconds after loud audio in which any frame of the server must come, or it is asked whether it still lives."""


def append_frame(audio: bytes) -> str:
    """Return the client event that appends `audio`."""
    data = binascii.b2a_base64(audio, newline=False).decode("ascii")
    return f'{{"type":"input_audio_buffer.append","audio":"{data}"}}'


class Uplink:
    """What the server was given and has not answered.

    A half-open connection swallows speech without a sound. The audio is kept, so that a fresh session hears what the
    old one may have missed; `is_suspicious` says when to ask.
    """

    def __init__(self, encoding: str) -> None:
        self._width = width(encoding)
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._limit = KEPT
        self._loud_since: float | None = None

    def change(self, encoding: str) -> None:
        """Audio comes in another encoding from now on; what is kept is of no use to a session that takes that."""
        self.take_turn()
        self._width = width(encoding)

    def take(self, audio: bytes) -> None:
        """Keep what is about to be sent."""
        self._kept.append(audio)
        self._size += len(audio)
        if self._size > self._limit * self._width:
            self._keep(self._limit)

    def speech_started(self) -> None:
        """The caller has begun to speak: what was before is of no use any more."""
        self._keep(LEAD)
        self._limit = KEPT_OF_SPEECH

    def take_turn(self) -> bytes:
        """The server has made a turn of what is kept: return it, and begin anew."""
        turn = b"".join(self._kept)
        self._limit = KEPT
        self._keep(0)
        return turn

    def again(self) -> Iterable[bytes]:
        """Return the blocks that no turn was taken from, oldest first: a fresh session is given them."""
        self._loud_since = None
        return tuple(self._kept)

    def _keep(self, limit: int) -> None:
        while self._size > limit * self._width:
            self._size -= len(self._kept.popleft())

    def answered(self) -> None:
        """A frame came from a session that is given audio: it lives, and has heard what was sent."""
        self._loud_since = None
        self._keep_of_silence()

    def is_suspicious(self, now: float, *, voiced: bool) -> bool:
        """Has the server been silent for too long since the caller was loud?"""
        if self._loud_since is not None:
            return now - self._loud_since >= SUSPICION
        if voiced:
            self._loud_since = now
        else:
            self._keep_of_silence()
        return False

    def _keep_of_silence(self) -> None:
        if self._limit == KEPT:  # he does not speak
            self._keep(KEPT_OF_SILENCE)
