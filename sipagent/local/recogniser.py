"""What did the caller say? pocketsphinx on the receptionist's grammar, in a process of its own.

`python -m sipagent.local.recogniser` reads utterances from its standard input, each a little-endian 32-bit length and
that many bytes of int16 audio at 16 kHz, and answers each with one line of JSON. It ends with its input.
"""

import json
import math
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pocketsphinx  # type: ignore[import-untyped]  # ships without types

from sipagent.local.receptionist import Script

WORST_WORD = -8.0
"""Log score a frame, against the best sounds the model has for each: words below it were not really said."""
LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """The words heard, empty for none, and how well the worst of them fits (0 is perfect, -8 poor)."""

    text: str
    worst_word: float

    @property
    def likely(self) -> bool:
        """Whether it was probably said, and is not just the grammar's nearest phrase."""
        return bool(self.text) and self.worst_word >= WORST_WORD


class Recogniser:
    """A pocketsphinx decoder for one grammar (JSGF). An utterance takes a fiftieth of its length, and blocks."""

    def __init__(self, grammar: str) -> None:
        self._decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL", samprate=16000)
        self._decoder.add_jsgf_string("phrases", grammar)
        self._decoder.activate_search("phrases")

    def recognise(self, audio: bytes) -> Hypothesis:
        """Find the words of a whole utterance: int16 at 16 kHz."""
        self._decoder.start_utt()
        self._decoder.process_raw(audio, full_utt=True)
        self._decoder.end_utt()
        best = self._decoder.hyp()
        if best is None:
            return Hypothesis(text="", worst_word=-math.inf)
        return Hypothesis(text=best.hypstr, worst_word=min(self._word_scores(), default=-math.inf))

    def _word_scores(self) -> Iterator[float]:
        """Mean log score a frame of every word, without pauses and fillers."""
        for segment in self._decoder.seg():
            if not segment.word.startswith(("<", "(", "[")):
                frames = segment.end_frame - segment.start_frame + 1
                # A score too small for a float comes as 0: as bad as can be.
                yield math.log(segment.ascore) / frames if segment.ascore > 0 else -math.inf


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer utterances until the input ends."""
    recogniser = Recogniser(Script.load().grammar())
    while len(header := requests.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(header)
        hypothesis = recogniser.recognise(requests.read(length))
        text = hypothesis.text if hypothesis.likely else ""
        answers.write(json.dumps({"text": text}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
