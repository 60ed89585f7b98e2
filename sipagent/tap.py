"""Taps: everything that enters or leaves one call, as the loop saw it, for whoever keeps it (`capture/`).

    datagrams ─┐
    frames    ─┤
    id draws  ─┼─► Taps ─► one Tap a call ─► NAME.pcap, NAME.journal.jsonl, NAME.golden.jsonl
    ticks     ─┤
    notes     ─┘

The first datagram of a call comes before anybody knows that it is one we want; what belongs to it is held back
until the call is accepted, and forgotten when it is not. No key of SRTP passes here: what is kept can be shown.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from sipagent.agent.interfaces import Close, FrameSocket
from sipagent.errors import ProviderError
from sipagent.media import TickRecord
from sipagent.sip.flow import Flow
from sipagent.sip.ids import Ids


class Tap(Protocol):
    """Takes down one call. Called on the loop, in the order of events; must not block."""

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        """One SIP datagram, in or out."""

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        """One frame of a provider's socket, in or out."""

    def tick(self, record: TickRecord, time: float) -> None:
        """What one media tick took and sent for this call."""

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        """Anything else a replay needs: `id` draws, `open`, `refused` and `close` of sockets, `tool` results, …"""

    def close(self) -> None:
        """The call and its media are over."""


Entry = Callable[[Tap], None]

_KEY = re.compile(rb"(?<=inline:)[A-Za-z0-9+/]+", re.IGNORECASE)


class Taps:
    """The taps of all calls, and one for `everything`. Without either nothing is kept, and recording costs one test."""

    def __init__(self, make: Callable[[str], Tap] | None, everything: Tap | None = None) -> None:
        self._make = make
        self._everything = everything
        self._open: dict[str, Tap] = {}
        self._held: dict[str, list[Entry]] = {}

    @property
    def wanted(self) -> bool:
        """Somebody listens."""
        return self._make is not None or self._everything is not None

    def record(self, call_id: str, entry: Entry) -> None:
        """Give `entry` the tap of this call, now or when it is opened."""
        if self._everything is not None:
            entry(self._everything)
        if tap := self._open.get(call_id):
            entry(tap)
        elif self._make is not None and call_id:
            self._held.setdefault(call_id, []).append(entry)

    def tapped(self, socket: FrameSocket, call_id: str, *, name: str, now: Callable[[], float]) -> FrameSocket:
        """Return `socket` with all that passes it taken down under `name`; where nobody listens, as it is."""
        if not self.wanted:
            return socket
        return TappedSocket(socket, name=name, record=lambda entry: self.record(call_id, entry), now=now)

    def open(self, call_id: str) -> None:
        """The call is one of ours: keep what came so far, and all that follows."""
        if self._make is None:
            return
        tap = self._open[call_id] = self._make(call_id)
        for entry in self._held.pop(call_id, ()):
            entry(tap)

    def forget_strangers(self) -> None:
        """Drop what was held back for calls that nobody opened."""
        self._held.clear()

    def close(self, call_id: str) -> None:
        """The call is over, the last of its ticks is taken down."""
        if tap := self._open.pop(call_id, None):
            tap.close()


class TappedIds:
    """Draws from `ids`, and takes each draw of a call down."""

    def __init__(self, ids: Ids, taps: Taps) -> None:
        self._ids = ids
        self._taps = taps

    def token(self, kind: str, scope: str = "") -> str:
        """As `Ids.token`."""
        value = self._ids.token(kind, scope)
        self._taps.record(scope, lambda tap: tap.note("id", {"what": kind, "value": value}, 0.0))
        return value

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        """As `Ids.number`."""
        value = self._ids.number(kind, bits, scope)
        self._taps.record(scope, lambda tap: tap.note("id", {"what": kind, "value": value}, 0.0))
        return value

    def key(self, length: int, scope: str) -> bytes:
        """Draw a key of so many octets. A zero is taken down in its place, as in the SDP that `without_keys` leaves."""
        value = self._ids.number("srtp-key", 8 * length, scope)
        self._taps.record(scope, lambda tap: tap.note("id", {"what": "srtp-key", "value": 0}, 0.0))
        return value.to_bytes(length, "big")


def without_keys(datagram: bytes) -> bytes:
    """Return a SIP datagram with the keys in its SDP (RFC 4568) made zeros, so that it is as long as it was."""
    return _KEY.sub(lambda key: b"A" * len(key[0]), datagram)


class TappedSocket:
    """A provider's socket whose frames, openings and endings are taken down under `name`."""

    def __init__(
        self, socket: FrameSocket, *, name: str, record: Callable[[Entry], None], now: Callable[[], float]
    ) -> None:
        self._socket = socket
        self._name = name
        self._record = record
        self._now = now

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """As `FrameSocket.open`. The URL is taken down, the headers (they hold the key) are not."""
        try:
            await self._socket.open(url, headers)
        except ProviderError as error:
            self._note("refused", {"provider": self._name, "text": str(error), "status": error.status})
            raise
        self._note("open", {"provider": self._name, "url": url})

    def send(self, frame: str) -> None:
        """As `FrameSocket.send`."""
        time = self._now()
        self._record(lambda tap: tap.frame(provider=self._name, sent=True, text=frame, time=time))
        self._socket.send(frame)

    async def frames(self) -> AsyncIterator[str]:
        """As `FrameSocket.frames`."""
        async for frame in self._socket.frames():
            self._received(frame)
            yield frame
        if (ended := self.ended) is not None:
            data = {"provider": self._name, "code": ended.code, "reason": ended.reason, "clean": ended.clean}
            self._note("close", data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """As `FrameSocket.close`."""
        await self._socket.close(code, reason)

    @property
    def ended(self) -> Close | None:
        return self._socket.ended

    def _received(self, frame: str) -> None:
        time = self._now()
        self._record(lambda tap: tap.frame(provider=self._name, sent=False, text=frame, time=time))

    def _note(self, kind: str, data: Mapping[str, object]) -> None:
        time = self._now()
        self._record(lambda tap: tap.note(kind, data, time))
