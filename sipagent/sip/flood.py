"""How fast one source may send, and one caller call, before we stop to listen: token buckets, ahead of the parser.

A bucket is one number, the time at which it will be full again (the virtual scheduling algorithm of ITU-T I.371), and
the tables are bounded: a flood from spoofed addresses fills them and no more.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sipagent.sip.timers import PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`burst` at once, and `per_second` in the long run."""

    per_second: float
    burst: int


STRANGER = Rate(per_second=10, burst=50)
"""Of one address that nobody vouches for. A call takes five messages, a scanner sends hundreds a second."""
STRANGERS = Rate(per_second=200, burst=400)
"""Of all strangers together: with spoofed sources each has a bucket of its own. It costs 2 % of a core to turn away."""
KNOWN = Rate(per_second=3000, burst=6000)
"""Of one registrar, trunk or party to a call: 300 calls a second, challenged and with their BYE, and half as much
again. A PBX gone mad costs a third of a core, no more."""
CALLS = Rate(per_second=200, burst=400)
"""Of all callers: above the set-ups that one core carries; what is past it would only be answered late."""
CALLS_OF_ONE = Rate(per_second=0.5, burst=30)
"""Of one caller: who redials by hand takes two seconds; thirty at once are the phones behind one company's number."""
GUESSES = Rate(per_second=1 / 60, burst=5)
"""Wrong passwords of one address: five typing errors; a cracker gets 1440 a day."""
SOURCES_KEPT = 4096
"""Addresses, or callers, in one table: half a megabyte."""
RETRY_AFTER = 5
"""Seconds, for who is turned away because of too many calls."""


class Buckets:
    """A bucket each for the most recent SOURCES_KEPT keys."""

    def __init__(self, rate: Rate) -> None:
        self._interval = 1 / rate.per_second
        self._tolerance = (rate.burst - 1) * self._interval
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def takes(self, key: str, now: float) -> bool:
        """Put one more into the bucket of `key`; false if it is over the brim."""
        full_at = max(self._full_at.get(key, now), now)
        fits = full_at - now <= self._tolerance
        self._full_at[key] = full_at + self._interval if fits else full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > SOURCES_KEPT:
            self._full_at.popitem(last=False)
        return fits

    def is_full(self, key: str, now: float) -> bool:
        """Whether one more would be over the brim."""
        return self._full_at.get(key, now) - now > self._tolerance

    def __len__(self) -> int:
        return len(self._full_at)


class Floodgate:
    """Decides about a datagram by its source alone. `knows` tells whether somebody vouches for an address."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._known = Buckets(KNOWN)
        self._strangers = Buckets(STRANGER)
        self._all_strangers = Buckets(STRANGERS)

    def admits(self, host: str, now: float) -> bool:
        """Whether a datagram from `host` is looked at."""
        if self._knows(host):
            return self._known.takes(host, now)
        return self._strangers.takes(host, now) and self._all_strangers.takes("", now)

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._known) + len(self._strangers)


class CallRates:
    """Counts the calls that begin."""

    def __init__(self) -> None:
        self._all = Buckets(CALLS)
        self._callers = Buckets(CALLS_OF_ONE)

    def refusal(self, caller: str, now: float) -> int | None:
        """Return the status for one call too many, or None. An empty `caller` is not counted on its own.

        503 would make a proxy avoid us for everybody (RFC 3261 section 21.5.4), so one caller's excess is 480.
        """
        if caller and not self._callers.takes(caller, now):
            return 480
        return None if self._all.takes("", now) else 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """How an INVITE was refused, and until when its like is refused without asking anybody."""

    code: int
    reason: str
    until: float


class Rejections:
    """Remembers refusals that would be the same again, by Call-ID and From tag.

    Some carriers send a refused INVITE anew, as another transaction; each must not start an agent.
    """

    FINAL = frozenset({403, 404, 410, 480, 484, 486, 600, 603, 604})
    """What trying again in the same call does not change; not those that ask for other headers or another offer."""

    def __init__(self) -> None:
        self._rejected: OrderedDict[tuple[str, str], Rejection] = OrderedDict()

    def put(self, call_id: str, tag: str, code: int, reason: str, now: float) -> None:
        """An INVITE outside any dialog is refused."""
        if code in self.FINAL:
            self._rejected[call_id, tag] = Rejection(code=code, reason=reason, until=now + PATIENCE)
            if len(self._rejected) > SOURCES_KEPT:
                self._rejected.popitem(last=False)

    def get(self, call_id: str, tag: str, now: float) -> Rejection | None:
        """How the call was refused, if that was not long ago."""
        found = self._rejected.get((call_id, tag))
        return found if found is not None and now < found.until else None
