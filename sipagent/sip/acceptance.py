"""A 2xx to an INVITE is repeated by the user agent core until its ACK comes (RFC 3261 section 13.3.1.4)."""

from sipagent.sip.message import Field
from sipagent.sip.timers import PATIENCE, T1, T2
from sipagent.sip.transaction import ServerTransaction


class Acceptance:
    """Times the repetitions of one 2xx: after T1, then doubling up to T2, for 64*T1 in all, over any transport.

    With `delayed_offer` it carries an offer, so that the ACK brings the answer.
    """

    def __init__(
        self,
        transaction: ServerTransaction,
        headers: tuple[Field, ...],
        body: bytes,
        now: float,
        *,
        delayed_offer: bool,
    ) -> None:
        self.transaction = transaction
        self.headers = headers
        self.body = body
        self.delayed_offer = delayed_offer
        self._interval = T1
        self._repeat_at = now + T1
        self._gives_up_at = now + PATIENCE

    @property
    def number(self) -> int:
        """The CSeq number that the ACK will carry."""
        return self.transaction.request.cseq.number

    def next_timer(self) -> float:
        return min(self._repeat_at, self._gives_up_at)

    def expired(self, now: float) -> bool:
        return now >= self._gives_up_at

    def repeat(self, now: float) -> bool:
        """Whether the 2xx has to be sent again now."""
        if now < self._repeat_at:
            return False
        self._interval = min(2 * self._interval, T2)
        self._repeat_at = now + self._interval
        return True
