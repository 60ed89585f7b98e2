"""A context of Cartesia's TTS: one utterance on the wire, from its first request to its last chunk.

A context in which more text is announced, and is long in coming, expires at the server (a second after its last
audio), and text for an expired one is never spoken. So the utterance then goes on in a new context.
"""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from sipagent.agent.heard import Utterance
from sipagent.agent.interfaces import Speaker
from sipagent.audio.encoding import PCM, PCMA, PCMU, UNITS, Transcoder, duration, rate, width

FIRST_AUDIO = 1.2
"""Seconds from a request to its first audio, after which the socket is given up."""
NEXT_AUDIO = 3.0
"""Seconds between chunks of which more are owed."""

_NAMES = {PCMU: "pcm_mulaw", PCMA: "pcm_alaw", PCM: "pcm_s16le"}


class Context:
    """Text goes in, frames for the server come out; its audio is held until it may be spoken.

    All requests of a context repeat the same `fields`; the format is the call's own, so nothing is resampled.
    """

    def __init__(self, context_id: str, fields: Mapping[str, Any], encoding: str) -> None:
        self.wire_id = context_id
        """Its name on the wire."""
        self.utterance = Utterance(context_id)
        self.is_open = True
        """More text may follow."""
        self.is_voiced = False
        """Audio has come."""
        self.is_done = False
        """The server has sent everything."""
        self.deadline: float | None = None
        """When the next audio is due; None while none is owed."""
        self._encoding = encoding
        self._transcoder = Transcoder()
        self._broken = b""
        self._held: list[bytes] = []
        self._given = 0
        self._begins_at = 0
        self._fields = {
            **fields,
            "output_format": {"container": "raw", "encoding": _NAMES[encoding], "sample_rate": rate(encoding)},
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,
        }

    def request(self, text: str, *, more: bool) -> str:
        """Take text, verbatim; return the frame that asks for it."""
        self.utterance.take_text(text)
        self.is_open = more
        frame = {"context_id": self.wire_id, "transcript": text, "continue": more, **self._fields}
        return json.dumps(frame, ensure_ascii=False)

    @property
    def has_expired(self) -> bool:
        """The server ended it, though more text was announced."""
        return self.is_done and self.is_open

    def renew(self, wire_id: str) -> None:
        """Go on under another name; times count from its own beginning again."""
        self.wire_id = wire_id
        self.is_done = self.is_voiced = False
        self._begins_at = self._given
        self._broken = b""

    def end(self) -> None:
        """No more text will come, and the server need not be told."""
        self.is_open = False

    def cancellation(self) -> str:
        """Return the frame that stops the generation. Chunks may still come afterwards."""
        return json.dumps({"context_id": self.wire_id, "cancel": True})

    def expect_audio(self, now: float) -> None:
        """The next audio is owed from now on."""
        self.deadline = now + (NEXT_AUDIO if self.is_voiced else FIRST_AUDIO)

    def take_chunk(self, frame: Mapping[str, Any], now: float) -> None:
        """Hold a chunk's audio. While text may follow, it cannot be known whether more is owed."""
        try:
            audio = base64.b64decode(frame.get("data") or "")
        except (ValueError, TypeError):
            return  # no base64, or no text at all
        if audio and not self.is_done:
            self.is_voiced = True
            self._hold(audio)
            self.deadline = None if self.is_open else now + NEXT_AUDIO

    def _hold(self, audio: bytes) -> None:
        """Keep whole units of 1/8000 s for the leg; a chunk may end inside one."""
        audio = self._broken + audio
        whole = duration(audio, self._encoding) * width(self._encoding)
        self._broken = audio[whole:]
        if whole:
            self._held.append(audio[:whole])
            self._given += duration(audio, self._encoding)

    def take_timestamps(self, frame: Mapping[str, Any]) -> None:
        """Word timestamps, seconds from the start of the context."""
        timestamps = frame.get("word_timestamps")
        columns = [timestamps.get(key) for key in ("words", "start", "end")] if isinstance(timestamps, Mapping) else []
        if not columns or not all(isinstance(column, list) for column in columns):
            return
        begin = self._begins_at / UNITS
        rows = [row for row in zip(*columns, strict=False) if _is_word(*row)]
        words, starts, ends = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
        self.utterance.take_words(words, [begin + start for start in starts], [begin + end for end in ends])

    def take_done(self) -> bool:
        """The server is done. False when it should have spoken, and has not."""
        self.is_done = True
        self.deadline = None
        return self.is_voiced or not any(letter.isalnum() for letter in self.utterance.text)

    def speak_into(self, unit: Speaker) -> None:
        """Give a unit what is held, in the encoding that it speaks now."""
        for audio in self._held:
            units = duration(audio, self._encoding)
            audio = self._transcoder.convert(audio, self._encoding, unit.encoding)
            position = unit.speak(audio, marks=((0, "begin"), (units, "end")), listener=self.utterance)
            self.utterance.take_audio(position, units)
        self._held.clear()


def _is_word(word: object, start: object, end: object) -> bool:
    """A text with two times."""
    times = all(isinstance(time, int | float) and math.isfinite(time) for time in (start, end))
    return isinstance(word, str) and times
