"""Keeps the way back to us open: pings over a flow that we registered by (RFC 5626 section 4.4.1)."""

from sipagent.sip.flow import Flow
from sipagent.sip.framing import PING
from sipagent.sip.ids import Ids
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.outputs import Send

STREAM_INTERVAL = 120.0
UDP_INTERVAL = 29.0
"""Seconds between pings at most; each wait is 80 to 100 % of it. NATs forget a UDP port after 30 s or later."""


class KeepAlive:
    """Pings over one flow at a time; `call_id` is what its messages and draws belong to."""

    def __init__(self, layer: TransactionLayer, ids: Ids, call_id: str) -> None:
        self._layer = layer
        self._ids = ids
        self._call_id = call_id
        self._flow: Flow | None = None
        self._due: float | None = None

    def start(self, flow: Flow, now: float) -> None:
        """Ping over `flow` from now on; over the one that is in use already, in the rhythm of before."""
        if flow != self._flow:
            self._flow = flow
            self._schedule(now)

    def stop(self) -> None:
        self._flow = self._due = None
        self._layer.schedule.update(self)

    def next_timer(self) -> float | None:
        return self._due

    def handle_timer(self, now: float) -> None:
        if self._flow is not None and self._due is not None and now >= self._due:
            self._layer.emit(Send(data=PING, flow=self._flow, call_id=self._call_id))
            self._schedule(now)

    def _schedule(self, now: float) -> None:
        reliable = self._flow is not None and self._flow.transport.reliable
        chance = self._ids.number("keep-alive", 16, self._call_id) / 2**16
        self._due = now + (STREAM_INTERVAL if reliable else UDP_INTERVAL) * (0.8 + 0.2 * chance)
        self._layer.schedule.update(self)
