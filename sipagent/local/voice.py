"""The voice of the offline demo: espeak-ng, spoken into memory, with the time of every word.

espeak-ng is GPL-3 and keeps its state in globals, so it is loaded only in processes that exist for it: the local
Cartesia server and `python -m sipagent.local.say`. It is installed by the `local` extra, never shipped with us.
A second of speech takes about a millisecond, so a sentence is spoken whole and streamed afterwards.
"""

import ctypes
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sipagent.audio.resample import resample

DEFAULT_VOICE = "en-us+f3"
"""An espeak-ng voice: language, plus a variant of the speaker."""

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_EVENT_LIST_TERMINATED, _EVENT_WORD = 0, 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word as written, with the time it takes, in seconds from the start of the speech."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Spoken text: int16 mono samples at `rate`, and when each blank-separated word of the text is heard."""

    samples: NDArray[np.int16]
    rate: int
    words: tuple[Word, ...]

    def at(self, rate: int) -> "Speech":
        """Return the same speech at another sample rate."""
        return Speech(samples=resample(self.samples, self.rate, rate), rate=rate, words=self.words)

    def louder(self, gain: float) -> "Speech":
        """Return the same speech, `gain` times as loud."""
        samples = np.clip(self.samples * gain, -32768, 32767).astype(np.int16)
        return Speech(samples=samples, rate=self.rate, words=self.words)


class Voice:
    """espeak-ng in this process. One object a process: the library keeps its state in globals."""

    def __init__(self) -> None:
        import espeakng_loader  # type: ignore[import-untyped]  # ships without types

        self._espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self._rate = self._espeak.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _INITIALIZE_DONT_EXIT)
        if self._rate <= 0:
            raise OSError(f"espeak-ng does not start with its data in {espeakng_loader.get_data_path()}")
        # Kept by the object: ctypes callbacks die with their last Python reference.
        self._callback = _SYNTH_CALLBACK(self._take)
        self._espeak.espeak_SetSynthCallback(self._callback)
        self._blocks: list[NDArray[np.int16]] = []
        self._word_events: list[tuple[int, float]] = []

    def knows(self, voice: str) -> bool:
        """Whether espeak-ng has a voice of this name, such as `en-us+f3` or `de`."""
        return bool(self._espeak.espeak_SetVoiceByName(voice.encode()) == 0)

    def speak(self, text: str, *, voice: str = DEFAULT_VOICE, words_per_minute: int = 165, pitch: int = 50) -> Speech:
        """Speak `text`; an unknown voice is replaced by the default one. `pitch` is 0 to 100."""
        if not self.knows(voice):
            self.knows(DEFAULT_VOICE)
        self._espeak.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
        self._espeak.espeak_SetParameter(_PARAMETER_PITCH, pitch, 0)
        self._blocks, self._word_events = [], []
        encoded = text.encode() + b"\0"
        self._espeak.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        samples = np.concatenate([np.zeros(0, np.int16), *self._blocks])
        words = place_words(text, self._word_events, len(samples) / self._rate)
        return Speech(samples=samples, rate=self._rate, words=words)

    def _take(self, samples: Any, count: int, events: Any) -> int:
        """Collect one block of samples and its word events; 0 tells espeak-ng to go on."""
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in _until_terminated(events):
            if event.type == _EVENT_WORD:
                self._word_events.append((event.text_position - 1, event.audio_position / 1000))
        return 0


def place_words(text: str, events: list[tuple[int, float]], duration: float) -> tuple[Word, ...]:
    """Give every blank-separated word of `text` its time.

    `events` are espeak's: (character position, seconds), several for a number, none for a lone dash. A word without
    an event takes no time. Each word lasts until the next begins.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    starts: list[float] = []
    for begin, end in spans:
        inside = [seconds for position, seconds in events if begin <= position < end]
        starts.append(max(min(inside, default=0.0), starts[-1] if starts else 0.0))
    ends = [*starts[1:], duration]
    return tuple(
        Word(text=text[begin:end], start=round(start, 3), end=round(max(start, stop), 3))
        for (begin, end), start, stop in zip(spans, starts, ends, strict=True)
    )


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_SYNTH_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _until_terminated(events: Any) -> list[_Event]:
    """The events of espeak's array, which ends with one of type LIST_TERMINATED."""
    found: list[_Event] = []
    while events[len(found)].type != _EVENT_LIST_TERMINATED:
        found.append(events[len(found)])
    return found
