"""How a call sounds, as a number: the E-model (ITU-T G.107), reduced to what a network does to it.

The rating begins at 93.2, the default of every other parameter, and loses what delay and loss take from it. Loss counts
as G.113 appendix I has it for G.711 with concealment, losses at random. The score is the mean opinion, 1 to 4.4.
"""

from dataclasses import dataclass

PERFECT = 93.2
"""The rating of a call without delay or loss (section 7.7)."""

_ROBUSTNESS = 25.1
"""Bpl of G.711 with concealment (G.113 table I.4)."""
_NOTICED = 0.1773
"""Seconds of delay from one mouth to the other's ear beyond which people begin to talk into each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One direction of a call. `loss` is a fraction of the packets, `delay` is from mouth to ear, in seconds."""

    loss: float
    delay: float

    @property
    def rating(self) -> float:
        """R, from 0 to 93.2."""
        return max(0.0, PERFECT - self._delay_impairment - self._loss_impairment)

    @property
    def score(self) -> float:
        """MOS-CQE, from 1 to 4.4 (annex B)."""
        rating = self.rating
        return 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6 if rating > 6.5 else 1.0

    @property
    def _delay_impairment(self) -> float:
        """Id by its usual straight lines (Cole and Rosenbluth 2001)."""
        return 24.0 * self.delay + 110.0 * max(0.0, self.delay - _NOTICED)

    @property
    def _loss_impairment(self) -> float:
        """Ie-eff of losses at random (section 7.5)."""
        percent = 100 * min(1.0, max(0.0, self.loss))
        return 95.0 * percent / (percent + _ROBUSTNESS)
