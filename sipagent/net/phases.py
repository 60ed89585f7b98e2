"""The phases of a tick: when in every 20 ms which legs are moved.

The packets of many legs leave in five bursts 4 ms apart, and not in a long one, in which the loop would be given the
interpreter. Every wake-up has its price (caches are cold, and the loop is woken too); so legs share one phase until it
takes long, which two hundred of G.711 or a dozen of Opus make it, and a phase without legs is slept through. The first
is always woken for: it takes what is asked of legs to come.
"""

TICK = 0.02
PHASES = 5
LONG = 0.002
"""Seconds of processor that a phase takes, before one more is begun: half of what there is until the next one."""
_SMOOTHING = 8
"""Ticks over which that is told: a single dear one begins nothing."""
_ORDER = (0, 2, 4, 1, 3)
"""In which phases are begun: the next one is to find the thread free, also where the codecs of a phase are dear."""


class Phases:
    """How many legs each phase has, and how long it takes.

    Points count phases from any time on: point // PHASES is the tick.
    """

    def __init__(self) -> None:
        self._legs = [0] * PHASES
        self._took = [0.0] * PHASES

    def join(self) -> int:
        """Give one more leg its phase, for its life."""
        used = [phase for phase in _ORDER if self._is_used(phase)]
        phase = min(used, key=self._took.__getitem__)
        if self._took[phase] >= LONG and len(used) < PHASES:
            phase = next(phase for phase in _ORDER if phase not in used)
        self._legs[phase] += 1
        return phase

    def took(self, phase: int, seconds: float) -> None:
        """Take how much processor a phase needed in this tick."""
        self._took[phase] += (seconds - self._took[phase]) / _SMOOTHING

    def leave(self, phase: int) -> None:
        """A leg of this phase has ended."""
        self._legs[phase] -= 1
        if not self._legs[phase]:
            self._took[phase] = 0.0

    def next(self, point: int) -> int:
        """Return the next point after this at which there is anything to do."""
        return next(later for later in range(point + 1, point + PHASES + 1) if self._is_used(later))

    def due(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return what there is to do at some points, as (tick, phase): each phase once, however many there are."""
        points = range(max(first, last - PHASES + 1), last + 1)
        return [divmod(point, PHASES) for point in points if self._is_used(point)]

    def _is_used(self, point: int) -> bool:
        phase = point % PHASES
        return phase == 0 or self._legs[phase] > 0
