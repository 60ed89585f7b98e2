"""Session timers (RFC 4028): a call that nobody confirms any more is ended, on both sides and in every proxy.

UAC ── Session-Expires: 1800 ──► UAS         one of them, the refresher, asks again after half of the interval;
    ◄─ Session-Expires: 1800;refresher=uac   the other hangs up when that does not come
"""

from dataclasses import dataclass
from enum import Enum

from sipagent.sip.headers import parse_number
from sipagent.sip.message import Field, Headers, Request, Response
from sipagent.sip.parameters import Parameters

MINIMUM = 90
"""Seconds: no shorter interval is accepted by anybody (section 4)."""
INTERVAL = 1800
"""Seconds that we ask for when we call: the value that section 4 recommends."""
MARGIN = 32
"""Seconds before its end at which a session that was not refreshed is hung up, or a third of the interval."""
LAST_TRY = 4.0
"""Seconds: a refresh that failed is not tried again when less than twice this is left."""


class Refresher(Enum):
    """Which side of the transaction that carries the header sends the next refresh."""

    UAC = "uac"
    UAS = "uas"


class Due(Enum):
    REFRESH = "refresh"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExpires:
    """The header of that name (section 4)."""

    seconds: int
    refresher: Refresher | None = None

    @classmethod
    def of(cls, headers: Headers) -> "SessionExpires | None":
        """Read it; None where it is absent, or says nothing."""
        value, _, parameters = (headers.get("session-expires") or "").partition(";")
        try:
            seconds = parse_number(value)
        except ValueError:
            return None
        named = (Parameters.parse(parameters).get("refresher") or "").lower()
        refresher = next((item for item in Refresher if item.value == named), None)
        return cls(seconds=seconds, refresher=refresher) if seconds else None

    @property
    def field(self) -> Field:
        refresher = f";refresher={self.refresher.value}" if self.refresher else ""
        return "Session-Expires", f"{self.seconds}{refresher}"


def is_too_brief(request: Request) -> bool:
    """Whether a request is to be met with 422: who does not know that answer is not given it (section 9)."""
    asked = SessionExpires.of(request.headers)
    return asked is not None and asked.seconds < MINIMUM and _supports(request)


class SessionTimer:
    """The interval that was agreed on, and how much of it is left."""

    def __init__(self) -> None:
        self._interval = 0
        self._minimum = MINIMUM
        self._refreshing = False
        self._refresh_at: float | None = None
        self._expires_at: float | None = None

    @property
    def proposal(self) -> tuple[Field, ...]:
        """The headers of an INVITE that opens a call."""
        return SessionExpires(seconds=max(INTERVAL, self._minimum)).field, *self._minimum_field

    @property
    def renewal(self) -> tuple[Field, ...]:
        """The headers of a request of ours that refreshes a call, which keep the refresher; none without a timer."""
        if self._expires_at is None:
            return ()
        refresher = Refresher.UAC if self._refreshing else Refresher.UAS
        return SessionExpires(seconds=self._interval, refresher=refresher).field, *self._minimum_field

    @property
    def _minimum_field(self) -> tuple[Field, ...]:
        return (("Min-SE", str(self._minimum)),) if self._minimum > MINIMUM else ()

    def lengthen(self, response: Response) -> bool:
        """Take the interval that a 422 asks for (section 7.4); False where it asks for nothing new."""
        minimum = response.headers.number("min-se") or 0
        if minimum <= self._minimum:
            return False
        self._minimum = minimum
        self._interval = max(self._interval, minimum)
        return True

    def answer(self, request: Request, now: float) -> tuple[Field, ...]:
        """Choose what a 2xx of ours says, and start anew (section 9); nothing where nobody asked for a timer."""
        asked, supported = SessionExpires.of(request.headers), _supports(request)
        if asked is None and self._expires_at is None:
            return ()
        if asked is None:  # it was agreed on before, and the far end leaves it to us
            refresher = Refresher.UAC if supported and not self._refreshing else Refresher.UAS
            chosen = SessionExpires(seconds=self._interval, refresher=refresher)
        else:
            left_to_us = Refresher.UAC if supported else Refresher.UAS
            chosen = SessionExpires(seconds=asked.seconds, refresher=asked.refresher or left_to_us)
        self._start(chosen.seconds, refreshing=chosen.refresher is Refresher.UAS, now=now)
        return chosen.field, *((("Require", "timer"),) if supported else ())

    def agree(self, response: Response, now: float) -> None:
        """Start anew with what a 2xx to a request of ours says; without the header there is no timer (section 7.2)."""
        agreed = SessionExpires.of(response.headers)
        if agreed is None:
            self.stop()
        else:
            self._start(agreed.seconds, refreshing=agreed.refresher is not Refresher.UAS, now=now)

    def failed(self, now: float) -> None:
        """A refresh was refused for a reason that may pass: try once more while there is time (section 7.3)."""
        left = (self._expires_at or now) - now
        self._refresh_at = now + left / 2 if left > 2 * LAST_TRY else None

    def stop(self) -> None:
        """There is no timer any more."""
        self._refresh_at = self._expires_at = None

    def next_timer(self) -> float | None:
        return min((at for at in (self._refresh_at, self._expires_at) if at is not None), default=None)

    def due(self, now: float) -> Due | None:
        """What has to be done now, once."""
        if self._expires_at is not None and now >= self._expires_at:
            self.stop()
            return Due.EXPIRED
        if self._refresh_at is not None and now >= self._refresh_at:
            self._refresh_at = None
            return Due.REFRESH
        return None

    def _start(self, interval: int, *, refreshing: bool, now: float) -> None:
        self._interval = interval
        self._refreshing = refreshing
        self._expires_at = now + interval - min(MARGIN, interval / 3)
        self._refresh_at = now + interval / 2 if refreshing else None


def _supports(request: Request) -> bool:
    return "timer" in request.headers.tokens("supported") | request.headers.tokens("require")
