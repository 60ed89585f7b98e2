"""Sound for the tests: phrases spoken by flite (another voice than the agent's), tones, and what a recording holds.

Levels are dBFS of the RMS, where 0 is a full-scale square wave; times are seconds.
"""

import math
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_RATE = 8000
_FRAME = 160
_VOICED = -45.0


def speak(text: str, wav: Path, *, before: float = 0.0, after: float = 0.0, voice: str = "slt") -> Path:
    """Write `text`, spoken between so many seconds of silence, as mono 16 bit 8000 Hz."""
    raw = wav.with_suffix(".flite.wav")
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(raw)], check=True)
    # The telephone has no bass, and nobody speaks at full scale.
    effects = ["highpass", "200", "norm", "-6", "pad", str(before), str(after)]
    subprocess.run(["sox", str(raw), "-r", str(_RATE), "-c", "1", "-b", "16", str(wav), *effects], check=True)
    raw.unlink()
    return wav


def join(parts: Sequence[Path], wav: Path) -> Path:
    """One after the other."""
    subprocess.run(["sox", *map(str, parts), str(wav)], check=True)
    return wav


def silence(seconds: float, wav: Path) -> Path:
    subprocess.run(
        ["sox", "-n", "-r", str(_RATE), "-c", "1", "-b", "16", str(wav), "trim", "0", str(seconds)], check=True
    )
    return wav


def tone(hertz: float, seconds: float, wav: Path, *, rate: int = _RATE, channels: int = 1) -> Path:
    effects = ["synth", str(seconds), *["sine", str(hertz)] * channels, "vol", "0.5"]
    subprocess.run(["sox", "-n", "-r", str(rate), "-c", str(channels), "-b", "16", str(wav), *effects], check=True)
    return wav


def narrow(wav: Path, result: Path) -> Path:
    """The same as mono at 8000 Hz, as everything else here is."""
    subprocess.run(["sox", str(wav), "-r", str(_RATE), "-c", "1", "-b", "16", str(result)], check=True)
    return result


def mu_law(wav: Path, raw: Path) -> Path:
    """The headerless G.711 that sipp streams."""
    subprocess.run(
        ["sox", str(wav), "-r", str(_RATE), "-c", "1", "-e", "mu-law", "-b", "8", "-t", "raw", str(raw)], check=True
    )
    return raw


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """One channel of a WAV file at 8000 Hz; samples from -1 to 1."""

    samples: NDArray[np.float64]

    @classmethod
    def read(cls, wav: Path, channel: int = 0) -> "Sound":
        with wave.open(str(wav)) as file:
            assert (file.getframerate(), file.getsampwidth()) == (_RATE, 2), wav
            frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
            return cls(samples=frames[:, channel] / 32768)

    @property
    def seconds(self) -> float:
        return len(self.samples) / _RATE

    def between(self, start: float, end: float) -> "Sound":
        return Sound(samples=self.samples[int(start * _RATE) : int(end * _RATE)])

    @property
    def level(self) -> float:
        """Loudness in dBFS; digital silence, and nothing at all, is -100."""
        energy = float(np.mean(self.samples**2)) if len(self.samples) else 0.0
        return 10 * math.log10(max(energy, 1e-10))

    @property
    def voiced_seconds(self) -> float:
        """How much of it is louder than a quiet line."""
        frames = self.samples[: len(self.samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
        return float(np.sum(np.mean(frames**2, axis=1) > 10 ** (_VOICED / 10))) * _FRAME / _RATE

    def amplitude(self, hertz: float) -> float:
        """The amplitude of one frequency, 0 to 1."""
        turns = np.exp(-2j * np.pi * hertz / _RATE * np.arange(len(self.samples)))
        return float(2 * abs(np.mean(self.samples * turns))) if len(self.samples) else 0.0
