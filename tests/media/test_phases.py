"""Legs that are moved in parts of every 20 ms: each in its own, and as if there were no others."""

from dataclasses import replace

from sipagent.media import (
    Arrival,
    Departure,
    LegFailed,
    Media,
    MediaEvent,
    MediaLate,
    OpenLeg,
    SetMedia,
    Speak,
    TickRecord,
    UplinkBlock,
)
from sipagent.media.commands import Bridge
from tests.media.desk import PEER, TICK, Peer, frame, settings

PHASES = 4


class Grid:
    """A driver with four phases; leg n is of phase n % 4. What comes, comes in whichever phase is next."""

    def __init__(self, legs: int) -> None:
        self.media = Media(phases=PHASES)
        self.peers = {leg: Peer(ssrc=leg + 1) for leg in range(legs)}
        self.sent: list[list[Departure]] = []
        self.events: list[MediaEvent] = []
        self._at = 0
        for leg in self.peers:
            opening = OpenLeg(leg=leg, ssrc=leg, sequence=1, timestamp=0, cname="grid", phase=leg % PHASES)
            self.media.submit(opening)
            self.media.submit(SetMedia(leg=leg, settings=settings()))

    def run(self, parts: int, *, missed: int = 0) -> None:
        """Go through so many parts of 5 ms, the first time after having missed some."""
        self._at += missed
        for _ in range(parts):
            tick, phase = divmod(self._at, PHASES)
            now = self._at * TICK / PHASES
            self.sent.append(self.media.send(tick, now, phase))
            spoken = [(leg, peer.say(frame(leg))) for leg, peer in self.peers.items()] if phase == 1 else []
            arrivals = [Arrival(leg, "rtp", PEER, data, now - 0.001) for leg, data in spoken]
            self.media.receive(tick, now, arrivals, phase)
            self.events += self.media.drain()
            self._at += 1


def test_a_leg_sends_in_its_own_phase_once_a_tick() -> None:
    grid = Grid(6)
    grid.run(3 * PHASES)
    assert [[departure.leg for departure in sent] for sent in grid.sent] == [[0, 4], [1, 5], [2], [3]] * 3


def test_what_comes_waits_for_the_phase_of_its_leg_and_nothing_is_lost() -> None:
    grid = Grid(4)
    grid.run(60 * PHASES)
    for leg in grid.peers:
        blocks = [event for event in grid.events if isinstance(event, UplinkBlock) and event.leg == leg]
        audio = b"".join(block.audio for block in blocks)
        assert len(audio) == 60 * 160
        assert audio.endswith(frame(leg) * 55)


def test_a_late_wake_up_is_made_up_for_in_every_phase_and_told_once() -> None:
    grid = Grid(4)
    grid.run(2 * PHASES)
    grid.sent.clear()
    grid.run(PHASES, missed=9 * PHASES)
    assert [len(sent) for sent in grid.sent] == [3, 3, 3, 3]
    assert [event for event in grid.events if isinstance(event, MediaLate)] == [MediaLate(ticks=7)]


def test_a_bridge_joins_legs_of_different_phases() -> None:
    grid = Grid(4)
    grid.media.submit(Bridge(leg=0, other=3))
    grid.run(20 * PHASES)
    heard = [departure.data[12:] for sent in grid.sent for departure in sent if departure.leg == 3]
    assert heard[-10:] == [frame(0)] * 10


def test_a_leg_that_fails_ends_alone_whatever_its_phase() -> None:
    grid = Grid(6)
    grid.run(2 * PHASES)
    grid.media.submit(Speak(leg=1, audio=b"?", encoding="no codec"))
    grid.sent.clear()
    grid.run(2 * PHASES)
    assert [event.leg for event in grid.events if isinstance(event, LegFailed)] == [1]
    assert [[departure.leg for departure in sent] for sent in grid.sent] == [[0, 4], [5], [2], [3]] * 2


def test_what_is_asked_between_is_done_with_the_next_tick_of_the_leg_and_by_its_time() -> None:
    """A record tells of a tick and its time, and of nothing between: so nothing may happen there."""
    grid = Grid(0)
    opening = OpenLeg(leg=7, ssrc=500, sequence=1, timestamp=0, cname="grid", phase=2, trace=True)
    for command in (opening, SetMedia(leg=7, settings=settings())):
        grid.media.submit(command)
    grid.run(400 * PHASES)
    records = [event for event in grid.events if isinstance(event, TickRecord)]
    assert [record.commands for record in records[:2]] == [2, 0]
    again, departures = Media(), list[Departure]()
    again.submit(replace(opening, phase=0))
    again.submit(SetMedia(leg=7, settings=settings()))
    for record in records:
        departures += again.tick(record.tick, record.now, [], record.arrivals)
    assert departures == [departure for sent in grid.sent for departure in sent]
    assert {departure.kind for departure in departures} == {"rtp", "rtcp"}
