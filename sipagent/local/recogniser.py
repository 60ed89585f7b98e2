"""What did the caller say? pocketsphinx on the receptionist's grammar, in a process of its own.

`python -m sipagent.local.recogniser` reads utterances from its standard input, each a little-endian 32-bit length and
that many bytes of int16 audio at 16 kHz, and answers each with one line of JSON. It ends with its input.

A grammar always finds its nearest phrase, whatever was said. So every utterance is also decoded as mere phones, in
any order that English has; where that explains the sound much better, the caller said something else.
"""

import json
import math
import os
import struct
import sys
from typing import Any, BinaryIO

import numpy as np
import pocketsphinx  # type: ignore[import-untyped]  # ships without types

from sipagent.local.receptionist import Script

LIKELY = -525.0
"""Log likelihood that a phrase may have less than the best row of phones, over the whole utterance.

Measured at 8 kHz mu-law. Of flite's four voices, cut by the ears: 96 of 96 phrases accepted, 5 of 80 other sentences.
Of people: 27 of 31 sentences accepted once they were added to the grammar, 2 of 34 while they were not in it.
"""
NOISE = 6.0
"""RMS of the noise laid under every utterance: the models know no digital silence, and take it for speech."""
QUIET = 40
"""What is so many times less than the loudest sample, at the ends, is silence."""
EDGE = 1600
"""Samples of it that are left: 100 ms, for what begins and ends softly."""
PADDING = 6400
"""Samples of noise on either side, 400 ms: the models judge all sound by its mean, so it is always as much."""
LENGTH = struct.Struct("<I")

_SHIFT = 1024
"""pocketsphinx leaves the scores of a phone search shifted right by 10 bits, and those of a grammar not."""


class Recogniser:
    """pocketsphinx for the phrases of a script. An utterance takes a twentieth of its length, and blocks."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._phrases = pocketsphinx.Decoder(lm=None, loglevel="FATAL", samprate=16000)
        self._phrases.add_jsgf_string("phrases", script.grammar())
        self._phrases.activate_search("phrases")
        phone_model = os.path.join(pocketsphinx.get_model_path(), "en-us", "en-us-phone.lm.bin")
        self._phones = pocketsphinx.Decoder(
            lm=None, allphone=phone_model, loglevel="FATAL", samprate=16000, beam=1e-10, pbeam=1e-10, lw=2.0
        )

    def recognise(self, audio: bytes) -> str:
        """Return the phrase said in an utterance of int16 at 16 kHz, or "" if it was probably none of the script's."""
        audio = _bedded(audio)
        phrase = _decode(self._phrases, audio)
        # The search may stop amid a phrase: "what time is".
        if self._script.intent_of(phrase) is None:
            return ""
        _decode(self._phones, audio)
        margin = _score(self._phrases) - _SHIFT * _score(self._phones)
        return phrase if margin >= LIKELY else ""


def _bedded(audio: bytes) -> bytes:
    """Cut the silence off an utterance, and lay noise under it, before it and after it."""
    samples = np.frombuffer(audio, np.int16)
    loudness = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(loudness * QUIET >= loudness.max(initial=1))
    spoken = samples[max(0, loud[0] - EDGE) : loud[-1] + EDGE] if len(loud) else samples
    bed = np.random.default_rng(0).normal(0, NOISE, len(spoken) + 2 * PADDING)
    return np.clip(np.pad(spoken, PADDING) + bed, -32768, 32767).astype(np.int16).tobytes()


def _decode(decoder: Any, audio: bytes) -> str:
    decoder.start_utt()
    decoder.process_raw(audio, full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    return best.hypstr if best is not None else ""


def _score(decoder: Any) -> float:
    """Acoustic log likelihood of the whole utterance; one too small for a float is none at all."""
    scores = [segment.ascore for segment in decoder.seg()]
    return sum(math.log(score) for score in scores) if all(scores) else -math.inf


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer utterances until the input ends."""
    recogniser = Recogniser(Script.load())
    while len(header := requests.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(header)
        answers.write(json.dumps({"text": recogniser.recognise(requests.read(length))}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
