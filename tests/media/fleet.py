"""Many legs on one media plane, moved in phases as the media thread moves them, each with a caller of its own.

fleet = Fleet([Line(leg=1)], convoys=True)
fleet.run(500)
fleet.log[1]          # all that left of the leg and all that it told, each with its tick
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from sipagent.media import (
    RTCP,
    RTP,
    Arrival,
    CloseLeg,
    Command,
    Departure,
    HostPort,
    LegClosed,
    LegFailed,
    Media,
    MediaEvent,
    MediaLate,
    OpenLeg,
    SetMedia,
    StreamSettings,
    UplinkBlock,
)
from sipagent.media.convoy import Convoy
from sipagent.media.convoy.fetched import Packed
from sipagent.rtp.packet import is_rtcp
from tests.media.caller import Caller, Mishap
from tests.media.desk import TICK, settings

Entry = tuple[int, Any]
"""The tick, and what left or was told in it."""

EVERYBODY = 0
"""Whose log says what concerns every leg."""
_BEGIN = 1234.5
"""The time of the first tick."""
_NOBODY = ("", 0)
_READING = 0.0003
"""Seconds from the time that a tick goes by to when it has read what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A leg, its caller, and what becomes of both. Ticks are counted from 0; `asked` may be between two."""

    leg: int
    phase: int = 0
    stride: int = 2
    begins: int = 0
    codec: str = "pcmu"
    speaks: str = "pcmu"
    """The law of the caller, which need not be the one that we send."""
    opening: Mapping[str, Any] = field(default_factory=dict)
    calling: Mapping[str, Any] = field(default_factory=dict)
    settled_after: float = 0.0
    """Ticks from its opening to its settings."""
    natted: bool = False
    """The caller's packets come from elsewhere than its SDP says."""
    offset: float = 0.011
    """Seconds from a tick of ours to when the caller's telephone sends."""
    mishaps: Sequence[Mishap] = ()
    asked: Sequence[tuple[float, Command]] = ()

    def settings(self, **changes: Any) -> StreamSettings:
        """What was agreed with this caller, but for these changes."""
        host = self._host
        plain = {"remote_host": host, "remote_port": 7000, "remote_rtcp_host": host, "remote_rtcp_port": 7001}
        agreed: dict[str, Any] = {"codec": self.codec} | plain | changes
        return settings(**agreed)

    def commands(self) -> list[tuple[float, Command]]:
        """All that the leg is asked, and when."""
        opened = OpenLeg(leg=self.leg, phase=self.phase, stride=self.stride, **self._opening)
        settled = SetMedia(leg=self.leg, settings=self.settings())
        return [(self.begins, opened), (self.begins + self.settled_after, settled), *self.asked]

    def caller(self) -> Caller:
        """Make who calls."""
        address: HostPort = (self._host, 31000) if self.natted else (self._host, 7000)
        return Caller(
            self.leg,
            address,
            begins=_BEGIN + self.begins * TICK + self.offset,
            first_tick=self.begins,
            codec=self.speaks,
            heard_ssrc=self._opening["ssrc"],
            heard_sequence=self._opening["sequence"] - self.begins,
            seed=self.leg,
            mishaps=self.mishaps,
            **self.calling,
        )

    @property
    def _host(self) -> str:
        return f"192.0.2.{self.leg}"

    @property
    def _opening(self) -> dict[str, Any]:
        plain = {"ssrc": self.leg * 0x9E3779B1 % 2**32, "sequence": 1, "timestamp": 0, "cname": f"leg {self.leg}"}
        return plain | {"wall_offset": 1e9} | dict(self.opening)


class Fleet:
    """The driver of a plane: asks, sends, reads and drains, phase by phase.

    `missed` says of a tick how many after it are missed; the next one then moves all phases at once. A wake-up is up to
    `unpunctual` seconds late. RTP is read of the legs that are due, and reports of all; of a `shared` port all of both
    is. Packets of convoys are moved `by_row`, or one by one with all others.
    """

    def __init__(
        self,
        lines: Iterable[Line],
        *,
        convoys: bool,
        by_row: bool = False,
        phases: int = 1,
        missed: Mapping[int, int] | None = None,
        unpunctual: float = 0.0,
        shared: bool = False,
    ) -> None:
        self.media = Media(phases, convoys=convoys, by_row=by_row)
        self.tick = -1
        self.log: dict[int, list[Entry]] = {EVERYBODY: []}
        self.aboard: list[int] = []
        """How many legs were in convoys at the end of each tick."""
        self._by_row = by_row
        self._phases = phases
        self._missed = missed or {}
        self._unpunctual = unpunctual
        self._shared = shared
        self._chance = random.Random(7)
        self._callers: dict[int, Caller] = {}
        self._commands: list[tuple[float, Command]] = []
        self._open: set[int] = set()
        self._network: list[Arrival] = []
        self._seats: dict[Convoy, dict[int, tuple[int, HostPort]]] = {}
        for line in lines:
            self.log[line.leg] = []
            self._callers[line.leg] = line.caller()
            self._commands += line.commands()
        self._commands.sort(key=lambda asked: asked[0])

    def run(self, ticks: int) -> None:
        """Go through so many ticks, and the ones that are missed."""
        for _ in range(ticks):
            missed = self._missed.get(self.tick, 0)
            self.tick += 1 + missed
            phases = [(self.tick, phase) for phase in range(self._phases)]
            if missed:
                self._move(phases)
            else:
                for phase in phases:
                    self._move([phase])
            self.aboard.append(self.media.aboard)

    def end(self) -> None:
        """Hang up everywhere."""
        self._commands = [(self.tick + 1, CloseLeg(leg=leg)) for leg in sorted(self._open)]
        self.run(1)

    def told(self, leg: int, kind: type[Any]) -> list[Entry]:
        """What a leg told of one kind, and when."""
        return [entry for entry in self.log[leg] if isinstance(entry[1], kind)]

    def left(self, leg: int, kind: str = RTP) -> list[Entry]:
        """The datagrams that left of a leg by one of its sockets, and when."""
        departed = [entry for entry in self.log[leg] if isinstance(entry[1], Departure)]
        return [entry for entry in departed if entry[1].kind == kind]

    def _move(self, due: list[tuple[int, int]]) -> None:
        """Move what is due, as (tick, phase), in one wake-up."""
        tick, phase = due[-1]
        point = tick + phase / self._phases
        now = _BEGIN + point * TICK + self._chance.random() ** 8 * self._unpunctual
        while self._commands and self._commands[0][0] <= point:
            self._ask(self._commands.pop(0)[1])
        for tick, phase in due:
            departures = self.media.send(tick, now, phase)
            for departure in self._leaving(phase) + departures if self._by_row else departures:
                self._depart(departure)
        arrivals = self._read(now, {leg for tick, phase in due for leg in self.media.due(tick, phase)})
        for tick, phase in due:
            self.media.receive(tick, now, arrivals, phase, self._fetch(tick, phase, now) if self._by_row else None)
            arrivals = []
        for event in self.media.drain():
            self._note(event)

    def _ask(self, command: Command) -> None:
        if isinstance(command, OpenLeg):
            self._open.add(command.leg)
        self.media.submit(command)

    def _depart(self, departure: Departure) -> None:
        if is_rtcp(departure.data):
            self._callers[departure.leg].take_report(departure.data)
        self.log[departure.leg].append((self.tick, departure))

    def _read(self, now: float, due: set[int]) -> list[Arrival]:
        """Return what has come; nothing is said to have come after the time that the tick goes by."""
        for leg in sorted(self._open):
            self._network += self._callers[leg].until(now + _READING)
        read, waiting = list[Arrival](), list[Arrival]()
        for one in self._network:
            (read if one.kind == RTCP or one.leg in due or self._shared else waiting).append(one)
        self._network = waiting
        read.sort(key=lambda one: one.kind == RTCP)
        return [one._replace(time=min(one.time, now)) for one in read]

    def _leaving(self, phase: int) -> list[Departure]:
        """Return what leaves of the rows of convoys."""
        departures = list[Departure]()
        for convoy in self.media.convoys(phase):
            seats = self._seated(convoy)
            for row in (row for row, is_aboard in enumerate(convoy.aboard) if is_aboard):
                leg, peer = seats[row]
                departures.append(Departure(leg, RTP, peer, convoy.outgoing[row].tobytes()))
        return departures

    def _fetch(self, tick: int, phase: int, now: float) -> Mapping[Convoy, Packed]:
        """Return what has come for the rows of the convoys that are due."""
        fetched = {}
        for convoy in [convoy for convoy in self.media.convoys(phase) if convoy.is_due(tick)]:
            seats, aboard = self._seated(convoy), convoy.aboard
            row_of = {leg: row for row, (leg, _) in seats.items() if row < len(aboard) and aboard[row]}
            came: dict[int, list[Arrival]] = {row: [] for row in row_of.values()}
            for one in self._network:
                if one.leg in row_of:
                    came[row_of[one.leg]].append(one._replace(time=min(one.time, now)))
            self._network = [one for one in self._network if one.leg not in row_of]
            peers = [seats[row][1] if row in seats else _NOBODY for row in range(len(aboard))]
            fetched[convoy] = Packed(len(aboard), came, peers)
        return fetched

    def _seated(self, convoy: Convoy) -> dict[int, tuple[int, HostPort]]:
        """Who was seen to take which row last."""
        seats = self._seats.setdefault(convoy, {})
        seats.update(convoy.seats)
        convoy.seats.clear()
        return seats

    def _note(self, event: MediaEvent) -> None:
        """Write down what was told."""
        if isinstance(event, LegClosed):
            self._open.discard(event.leg)
        self.log[EVERYBODY if isinstance(event, MediaLate) else event.leg].append((self.tick, event))


def difference(one: Fleet, other: Fleet) -> tuple[int, Entry | None, Entry | None] | None:
    """Return the leg and the two entries where two logs part first; None where they are the same."""
    parted = []
    for leg, entries in one.log.items():
        for here, there in zip_longest(entries, other.log[leg]):
            if not _same(here, there):
                parted.append((leg, here, there))
                break
    return min(parted, key=lambda found: min(entry[0] for entry in found[1:] if entry), default=None)


def _same(here: Entry | None, there: Entry | None) -> bool:
    """Compare, also whether a number of numpy stands for one of Python, of which a journal knows nothing.

    Where a leg has failed the code may differ, so the tracebacks do.
    """
    if here and there and isinstance(here[1], LegFailed) and isinstance(there[1], LegFailed):
        return (here[0], here[1].leg) == (there[0], there[1].leg)
    if here is None or there is None or here != there:
        return False
    one, other = here[1], there[1]
    if isinstance(one, Departure | UplinkBlock):
        return [type(value) for value in one] == [type(value) for value in other]
    return repr(one) == repr(other)
