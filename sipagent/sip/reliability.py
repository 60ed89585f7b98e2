"""Provisional responses that are acknowledged by PRACK (RFC 3262)."""

from collections import deque
from dataclasses import dataclass

from sipagent.sip.message import Request, Response
from sipagent.sip.timers import PATIENCE, T1

LARGEST_FIRST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A 1xx of ours. `rseq` is 0 for one that nobody acknowledges."""

    code: int
    body: bytes
    rseq: int = 0


class ReliableProvisionals:
    """The called side (section 3): one at a time, repeated from T1 on in ever longer intervals until its PRACK."""

    def __init__(self, first: int, number: int) -> None:
        """`first` is the RSeq of the first one: random, from 1 to 2**31 - 1 (section 3); `number` the INVITE's CSeq."""
        self._number = number
        self._rests = False
        self._next = min(max(first, 1), LARGEST_FIRST)
        self._queue: deque[Provisional] = deque()
        self._interval = T1
        self._repeat_at = 0.0
        self._gives_up_at = 0.0

    def add(self, code: int, body: bytes, now: float) -> Provisional | None:
        """Number one more; returns it if it may leave now, not after the acknowledgement of another."""
        self._queue.append(Provisional(code=code, body=body, rseq=self._next))
        self._next += 1
        return self._start(now) if len(self._queue) == 1 else None

    def acknowledge(self, request: Request) -> bool:
        """Take the PRACK of the one that waits for it. False for any other."""
        rack = (request.headers.get("rack") or "").split()
        if not self._queue or rack != [str(self._queue[0].rseq), str(self._number), "INVITE"]:
            return False
        self._queue.popleft()
        return True

    def rest(self) -> None:
        """A 2xx has left: none is sent any more, but the PRACK of the one that was sent may still come (section 3)."""
        self._rests = True
        while len(self._queue) > 1:
            self._queue.pop()

    def next(self, now: float) -> Provisional | None:
        """The one that leaves after an acknowledgement, if there is one."""
        return self._start(now) if self._queue else None

    @property
    def withhold_success(self) -> bool:
        """Whether a description waits for its PRACK: no 2xx may leave before (section 5)."""
        return bool(self._queue and self._queue[0].body)

    def next_timer(self) -> float | None:
        return min(self._repeat_at, self._gives_up_at) if self._is_waiting else None

    def expired(self, now: float) -> bool:
        return self._is_waiting and now >= self._gives_up_at

    def repeat(self, now: float) -> Provisional | None:
        """The one that has to be sent again now."""
        if not self._is_waiting or now < self._repeat_at:
            return None
        self._interval *= 2
        self._repeat_at = now + self._interval
        return self._queue[0]

    @property
    def _is_waiting(self) -> bool:
        return bool(self._queue) and not self._rests

    def _start(self, now: float) -> Provisional:
        self._interval = T1
        self._repeat_at = now + T1
        self._gives_up_at = now + PATIENCE
        return self._queue[0]


class ReliableOrder:
    """The calling side (section 4): in each early dialog they count on by one; what does not is not taken."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def takes(self, response: Response) -> bool:
        """Whether a reliable 1xx is the next one of its dialog."""
        rseq, tag = response.headers.number("rseq"), response.to.tag
        if not rseq or (tag in self._last and rseq != self._last[tag] + 1):
            return False
        self._last[tag] = rseq
        return True


def is_reliable(response: Response) -> bool:
    """Whether a response wants a PRACK. 100 never does (section 3), and without RSeq there is nothing to name in it."""
    headers = response.headers
    return 100 < response.code < 200 and "100rel" in headers.tokens("require") and bool(headers.number("rseq"))


def rack_of(response: Response) -> str:
    """The RAck of the PRACK for a reliable 1xx (section 7.2)."""
    return f"{response.headers.number('rseq')} {response.cseq}"
