"""What each caller of the soak does, drawn beforehand: from one seed the same callers come in the same order."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

CODECS = {"pcmu": 11, "pcma": 6, "g722": 2, "opus": 1}
"""And how many callers in twenty have each: most of the world calls by G.711."""
ENCRYPTED = 0.1
"""The share of callers who do."""
SHORTEST, USUAL, LONGEST = 0.5, 15.0, 60.0
"""Seconds."""


class Ending(Enum):
    """How a call ends."""

    CALLER = "the caller hangs up"
    AGENT = "the agent hangs up"
    CANCEL = "the caller gives up while it rings"
    VANISH = "the caller is never heard of again"
    SPOILT = "its media fails"
    HUNG = "the phone's loop hangs"


class Deed(Enum):
    """What a caller does in the midst of a call."""

    HOLD = "holds, and says nothing"
    HOLD_WITH_MUSIC = "holds, and plays music"
    RESUME = "goes on"
    PRESS = "presses a key, by RTP"
    PRESS_BY_INFO = "presses a key, by INFO"


ENDINGS = {Ending.CALLER: 55, Ending.AGENT: 25, Ending.CANCEL: 12, Ending.VANISH: 8}
"""And how many callers in a hundred end so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One call. `seconds` count from the answer, those of CANCEL from the INVITE; `deeds` are in order."""

    codec: str = "pcmu"
    is_encrypted: bool = False
    ending: Ending = Ending.CALLER
    seconds: float = USUAL
    deeds: tuple[tuple[float, Deed], ...] = field(default=())

    @property
    def order(self) -> str:
        """What the scenario of the worker is to do, by the header X-Soak; it then does it by itself."""
        match self.ending:
            case Ending.AGENT:
                return f"leave {self.seconds:.2f}"
            case Ending.CANCEL:
                return f"ring {self.seconds + 20:.2f}"
            case Ending.SPOILT:
                return f"spoil {self.seconds:.2f}"
            case Ending.HUNG:
                return "block 0"
            case _:
                return "talk 0"


def plans(seed: int) -> Iterator[Plan]:
    """Draw callers without end."""
    chance = random.Random(seed)
    while True:
        seconds = min(SHORTEST + chance.expovariate(1 / USUAL), LONGEST)
        plan = Plan(
            codec=_drawn(chance, CODECS),
            is_encrypted=chance.random() < ENCRYPTED,
            ending=_drawn(chance, ENDINGS),
            seconds=seconds,
            deeds=tuple(_deeds(chance, seconds)),
        )
        yield replace(plan, seconds=min(seconds, 3.0), deeds=()) if plan.ending is Ending.CANCEL else plan


def _drawn(chance: random.Random, weights: Mapping[T, int]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]


def _deeds(chance: random.Random, seconds: float) -> Iterator[tuple[float, Deed]]:
    """A caller in four presses keys, one in six holds; each needs some seconds of a call."""
    if seconds > 3 and chance.random() < 1 / 4:
        by = chance.choice((Deed.PRESS, Deed.PRESS_BY_INFO))
        yield from ((1.0 + number * 0.4, by) for number in range(chance.randint(1, 4)))
    if seconds > 8 and chance.random() < 1 / 6:
        held = chance.uniform(3.5, seconds - 4)
        yield held, chance.choice((Deed.HOLD, Deed.HOLD_WITH_MUSIC))
        yield held + chance.uniform(0.2, 3.5), Deed.RESUME
