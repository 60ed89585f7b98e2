"""How long from one RTCP report to the next: five seconds, spread by chance (RFC 3550 section 6.2, 6.3.1).

Calls that were opened together must not report together, and not come to do so later: each interval is drawn anew.
"""

MEAN = 5.0
"""Seconds: the least there is, which two parties of one call never need to lengthen."""


class ReportInterval:
    """Draws intervals of half the mean to one and a half. `seed` (32 bits) is all the chance that there is.

    The same seed draws the same again: an SSRC is as random, and a replay knows it.
    """

    __slots__ = ("_drawn",)

    def __init__(self, seed: int) -> None:
        self._drawn = seed

    def draw(self) -> float:
        """Return the next interval in seconds."""
        # A linear congruential generator (Numerical Recipes, section 7.1), whose upper bits pass for chance.
        self._drawn = (1664525 * self._drawn + 1013904223) & 0xFFFFFFFF
        return MEAN * (0.5 + self._drawn / 0x100000000)
