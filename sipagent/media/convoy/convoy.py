"""Who is in a convoy, and the steps of its tick: `board`, `put_ashore`, `send`, `receive`."""

import contextlib
import heapq
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from sipagent.media.commands import Speak
from sipagent.media.convoy.fetched import Fetched, Packed
from sipagent.media.convoy.hearing import Hearing
from sipagent.media.convoy.sending import Sending
from sipagent.media.downlink import Downlink
from sipagent.media.events import RTCP, RTP, Arrival, Departure, HostPort, MediaEvent, UplinkBlock
from sipagent.media.stream import Passage, Stream
from sipagent.media.uplink import Uplink

_CAPACITY = 512
"""Legs of one convoy: more than a core carries in one phase."""
_NOWHERE = ("", 0)


class Convoy:
    """Legs of one phase and stride.

    A driver may move their packets by rows: `outgoing`, `aboard` and `seats` say which.
    """

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._sending = Sending(_CAPACITY)
        self._hearing = Hearing(_CAPACITY)
        self._streams: dict[int, Stream] = {}
        self._uplinks: dict[int, Uplink] = {}
        self._aboard = np.zeros(_CAPACITY, np.bool_)
        self._free = list(range(_CAPACITY))
        self._count = 0
        """Rows up to the last that was ever taken."""
        self._legs = [0] * _CAPACITY
        self._encodings = [""] * _CAPACITY
        self._peers = [_NOWHERE] * _CAPACITY
        self._reports_at = np.full(_CAPACITY, np.inf)
        self._called: set[int] = set()
        """Rows for whose legs something has come that is not in what is fetched."""
        self._last_tick = 0
        self._unplayed: list[tuple[int, float]] = []
        """Ticks in which was sent, and not heard yet, with their times."""
        self._telling: list[Downlink] = []
        self._blocks: list[UplinkBlock] = []
        self.seats: dict[int, tuple[int, HostPort]] = {}
        """Leg and peer of rows that were taken since a driver last looked, and forgot them."""

    @property
    def streams(self) -> Sequence[Stream]:
        """Who is in it."""
        return tuple(self._streams.values())

    @property
    def outgoing(self) -> np.typing.NDArray[np.uint8]:
        """The packets that leave, by row; it is the same memory always."""
        return self._sending.outgoing

    @property
    def aboard(self) -> bytes:
        """For each row a 1 if a leg is in it, else a 0."""
        return self._aboard[: self._count].tobytes()

    def is_due(self, tick: int) -> bool:
        """Whether all that has come since is to be taken in this tick."""
        return bool(self._streams) and tick % self._stride == 0

    # ---- who is in it

    def board(self, stream: Stream, passage: Passage, tick: int) -> int:
        """Take a leg that is through with this tick; returns its row."""
        row = heapq.heappop(self._free)
        self._count = max(self._count, row + 1)
        expected = passage.expected
        self._hearing.load(row, expected)
        self._sending.load(row, passage.downlink, relays=passage.relays)
        self._streams[row], self._uplinks[row] = stream, passage.uplink
        self._aboard[row] = True
        self._legs[row], self._encodings[row], self._peers[row] = stream.leg, expected.encoding, expected.peer
        self._reports_at[row] = passage.report_at
        self.seats[row] = stream.leg, expected.peer
        self._last_tick = tick
        return row

    @property
    def has_room(self) -> bool:
        """Whether one more leg may board."""
        return bool(self._free)

    def put_ashore(self, row: int) -> Stream:
        """Let a leg go on by itself, from where it is."""
        stream = self._streams[row]
        self._sending.unload(row)
        self._hearing.tell(row, self._uplinks[row], settles=False)
        gathered = self._hearing.gathering.state(row, self._hearing.gathered(row))
        stream.come_ashore(self._hearing.followed(row), gathered, self._last_tick, self._unplayed)
        self._leave(row)
        return stream

    def drop(self, row: int) -> None:
        """Let a leg go that has failed. It knows what it has sent, if telling it does not fail as well."""
        with contextlib.suppress(Exception):
            self._sending.tell(row)
        self._sending.drop(row)
        self._blocks = [block for block in self._blocks if block.leg != self._legs[row]]
        self._leave(row)

    def _leave(self, row: int) -> None:
        del self._streams[row], self._uplinks[row]
        self._aboard[row] = False
        self._called.discard(row)
        self.seats.pop(row, None)
        heapq.heappush(self._free, row)
        if not self._streams:
            self._unplayed = []

    def call(self, row: int) -> None:
        """Have a leg seen to when it is to hear: a report has come for it, or what no row can take."""
        self._called.add(row)

    def speak(self, row: int, command: Speak) -> bool:
        """Give a leg more to say; False if it cannot have it here."""
        self._sending.tell_if_quiet(row)
        if not self._streams[row].speak(command):
            return False
        self._sending.speech_added(row)
        return True

    # ---- the tick

    def put_ashore_before(self, tick: int, ashore: Callable[[Stream], None]) -> None:
        """Where a tick was missed, give all `ashore`."""
        if tick != self._last_tick + 1:
            for row in list(self._streams):
                ashore(self.put_ashore(row))

    def send(self, tick: int, now: float, fail: Callable[[Stream], None]) -> list[Departure]:
        """Make the packets of this tick: `outgoing`, of who is `aboard`; returns the reports that are due as well.

        A leg that raises is given to `fail`.
        """
        reports: list[Departure] = []
        if not self._streams:
            return reports
        count = self._count
        for row in self._sending.send(tick, self._aboard[:count]):
            try:
                self._telling.append(self._sending.see_to(row, tick))
            except Exception:
                fail(self._streams[row])
        if not self._unplayed:
            for row in np.flatnonzero(self._aboard[:count] & (self._reports_at[:count] <= now)).tolist():
                try:
                    self._report(row, now, reports)
                except Exception:
                    fail(self._streams[row])
        self._last_tick = tick
        self._unplayed.append((tick, now))
        return reports

    def _report(self, row: int, now: float, reports: list[Departure]) -> None:
        self._tell(row)
        self._reports_at[row] = self._streams[row].report(now, reports)

    def _tell(self, row: int) -> None:
        """Let a leg know of what has left and what has come."""
        self._sending.tell(row)
        self._hearing.tell(row, self._uplinks[row], settles=False)

    def departures(self) -> list[Departure]:
        """Return the packets of this tick, for a driver that moves them one by one."""
        packets = self._sending.outgoing
        return [
            Departure(stream.leg, RTP, self._peers[row], packets[row].tobytes())
            for row, stream in sorted(self._streams.items())
        ]

    def pack(self) -> Fetched:
        """Lay out by row what has come to the inboxes of the legs, for a driver that has it one by one."""
        arrivals: dict[int, Sequence[Arrival]] = {}
        for row, stream in self._streams.items():
            if stream.inbox:
                arrivals[row] = [arrival for arrival in stream.inbox if arrival.kind == RTP]
                stream.inbox = [arrival for arrival in stream.inbox if arrival.kind == RTCP]
        return Packed(self._count, arrivals, self._peers)

    def receive(
        self, tick: int, fetched: Fetched, ashore: Callable[[Stream], None], fail: Callable[[Stream], None]
    ) -> None:
        """Take what has come, and play what is due.

        A leg for which that is not to be done here is given `ashore`, with what has come in its inbox; one that raises
        is given to `fail`.
        """
        count, moments = self._count, [now for _, now in self._unplayed]
        taken = self._hearing.ordinary(count, fetched, moments) & self._aboard[:count]
        for row in self._called:
            taken[row] &= all(arrival.kind == RTCP for arrival in self._streams[row].inbox)
        for row in np.flatnonzero(self._aboard[:count] & ~taken).tolist():
            stream = self.put_ashore(row)
            stream.inbox[:0] = fetched.arrivals(row)
            ashore(stream)
        rows = np.flatnonzero(taken)
        if len(rows):
            self._hearing.take(rows, fetched)
            for _ in moments:
                self._play(rows)
            if tick % 2 == 0:  # as a leg does by itself (Uplink.play)
                for row in self._hearing.settling(rows):
                    self._hearing.tell(row, self._uplinks[row], settles=True)
            self._blocks += self._hearing.blocks(rows, self._legs, self._encodings)
        called, self._called = self._called, set()
        for row in called:
            try:
                self._tell(row)
                self._streams[row].receive_reports()
            except Exception:
                fail(self._streams[row])
        self._unplayed = []

    def take_events(self) -> Iterable[MediaEvent]:
        """Take what the loop must know of this tick."""
        for downlink in self._telling:
            yield from downlink.events
            downlink.events.clear()
        yield from self._blocks
        self._telling, self._blocks = [], []

    def _play(self, rows: np.typing.NDArray[np.intp]) -> None:
        frames = self._hearing.play(rows)
        relays = self._sending.relays[rows]
        if relays.any():
            self._sending.hear(rows[relays], frames[relays])
            rows, frames = rows[~relays], frames[~relays]
        if len(rows):
            self._hearing.gathering.add(rows, frames)
