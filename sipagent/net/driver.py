"""Drives the SIP core: gives it datagrams and the time, sends what it has ready, and keeps its one timer.

socket ─► receive ─► UserAgent ─► outputs ─┬─ Send ─► socket
timer  ─► wake ────►     │                 └─ events ─► on_event
                         └─ next_timer ─► timer
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from sipagent.sip.flow import Flow
from sipagent.sip.outputs import Output, Send


class ProtocolMachine(Protocol):
    """What the driver needs of `sipagent.sip.core.UserAgent`."""

    def receive(self, data: bytes, flow: Flow, now: float) -> None: ...

    def transport_failed(self, flow: Flow, now: float, why: str) -> None: ...

    def handle_timer(self, now: float) -> None: ...

    def next_timer(self) -> float | None: ...

    def outputs(self) -> Sequence[Output]: ...


class Sender(Protocol):
    """A bound transport."""

    def send(self, data: bytes, flow: Flow) -> None: ...


class SipDriver:
    """One SIP core on one event loop. Whoever gives the core an order calls `transmit` after it."""

    def __init__(
        self,
        user_agent: ProtocolMachine,
        endpoint: Sender,
        on_event: Callable[[Output], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._endpoint = endpoint
        self._on_event = on_event
        self._loop = loop or asyncio.get_running_loop()
        self._pending: deque[Output] = deque()
        self._transmitting = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None  # the timer itself cannot tell exactly: uvloop counts milliseconds

    def now(self) -> float:
        """The time that the core lives by: seconds of the loop's monotonic clock."""
        return self._loop.time()

    def receive(self, data: bytes, flow: Flow) -> None:
        """Take one datagram."""
        self._user_agent.receive(data, flow, self.now())
        self.transmit()

    def unreachable(self, flow: Flow, reason: str) -> None:
        """Take the network's word that the peer is not there, or its connection gone (RFC 3261 section 18.4)."""
        self._user_agent.transport_failed(flow, self.now(), reason)
        self.transmit()

    def transmit(self) -> None:
        """Send and tell everything that the core has ready, in its order, and set the timer anew.

        Called from within `on_event` or by a failing send, it returns at once: the outer call does its work.
        """
        if self._transmitting:
            return
        self._transmitting = True
        try:
            while self._next_is_ready():
                self._carry_out(self._pending.popleft())
        finally:
            self._transmitting = False
            self._set_timer()

    def close(self) -> None:
        """Keep the time no longer; idempotent."""
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_is_ready(self) -> bool:
        self._pending.extend(self._user_agent.outputs())
        return bool(self._pending)

    def _carry_out(self, output: Output) -> None:
        if isinstance(output, Send):
            self._endpoint.send(output.data, output.flow)
        else:
            self._on_event(output)

    def _set_timer(self) -> None:
        deadline = self._user_agent.next_timer()
        if deadline == self._deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._deadline = deadline
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._wake, deadline)

    def _wake(self, deadline: float) -> None:
        self._timer = self._deadline = None
        # asyncio wakes up to one clock resolution early; the core would find nothing due
        self._user_agent.handle_timer(max(self.now(), deadline))
        self.transmit()
