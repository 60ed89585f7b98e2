"""What networks did (corpora `jitter/`): the ITU's patterns of loss, and pjmedia's traces with their limits."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_FRAMES, _BITS, _COUNTED = 1000, 512, 456


def itu_losses(path: Path) -> list[bool]:
    """Which frames of a pattern are lost. A frame is 512 bytes, of which 456 count: one a bit, 0 if erased."""
    bits = np.fromfile(path, np.uint8).reshape(_FRAMES, _BITS)[:, :_COUNTED]
    return [bool(lost) for lost in (bits == 0).any(axis=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A trace: what is done one after the other, a letter each, and how many frames of what are borne.

    P: the next packet comes; D: the last one once more; L: the next one is lost; O: one that was lost comes after all;
    R: sequence numbers begin anew; J: they jump by twenty; G: 20 ms are played.
    """

    title: str
    limits: dict[str, int] = field(default_factory=dict)
    steps: str = ""

    def arrivals(self) -> list[tuple[int, int]]:
        """The tick before which each packet comes, and its number. A restart is not told apart: numbers go on."""
        arrivals, missing, tick, number = [], list[int](), 0, 0
        for step in self.steps:
            match step:
                case "G":
                    tick += 1
                case "P":
                    arrivals.append((tick, number))
                    number += 1
                case "D":
                    arrivals.append((tick, number - 1))
                case "O":
                    arrivals.append((tick, missing.pop(0) if missing else 0))
                case "L":
                    missing.append(number)
                    number += 1
                case "J":
                    number += 20
        return arrivals


def sessions(path: Path) -> list[Session]:
    """The traces of pjmedia's `Jbtest.dat` whose buffer may adapt."""
    found: list[Session] = []
    for block in path.read_text().split("\n.\n"):
        lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not any(line.startswith("%adaptive") for line in lines):
            continue
        title = next(line[1:].strip() for line in lines if line.startswith("="))
        limits = {words[0][1:]: int(words[1]) for words in (line.split() for line in lines if line.startswith("!"))}
        steps = "".join(line for line in lines if line[0] not in "=%!").replace(" ", "")
        found.append(Session(title=title, limits=limits, steps=steps))
    return found
