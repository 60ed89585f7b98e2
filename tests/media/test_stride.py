"""Hearing two ticks at a time: whatever is lost or late, what is sent and heard and counted is the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sipagent.media import (
    RTP,
    Arrival,
    Departure,
    DigitHeard,
    Drained,
    LegClosed,
    MarkPassed,
    Media,
    MediaEvent,
    OpenLeg,
    SetMedia,
    Speak,
    SpeechCleared,
    Tape,
    UplinkBlock,
)
from sipagent.media.commands import Bridge, Clear, CloseLeg, Command, Record
from tests.media.desk import PEER, TICK, Peer, frame, settings


class Plane:
    """A media plane with one leg, whose driver asks which legs are due, and lets the others' packets wait."""

    def __init__(self, stride: int, **opening: Any) -> None:
        self.media = Media()
        self.sent: list[Departure] = []
        self.events: list[tuple[int, MediaEvent]] = []
        self.visits: list[int] = []
        self.tick = 0
        self._network: list[Arrival] = []
        values: dict[str, Any] = {"ssrc": 5, "sequence": 1, "timestamp": 0, "cname": "plane"} | opening
        self.ask(OpenLeg(leg=1, stride=stride, **values), SetMedia(leg=1, settings=settings()))

    def ask(self, *commands: Command) -> None:
        for command in commands:
            self.media.submit(command)

    def arrive(self, data: bytes, at: float) -> None:
        """Let a datagram come at a time, early or late."""
        self._network.append(Arrival(1, RTP, PEER, data, at))

    def step(self, ticks: int = 1, *, missed: int = 0) -> None:
        for _ in range(ticks):
            self.tick += 1 + missed
            missed = 0
            now = self.tick * TICK
            self.sent += self.media.send(self.tick, now)
            arrivals: list[Arrival] = []
            if self.media.due(self.tick):
                self.visits.append(self.tick)
                arrivals = sorted((one for one in self._network if one.time <= now), key=lambda one: one.time)
                self._network = [one for one in self._network if one.time > now]
            self.media.receive(self.tick, now, arrivals)
            self.events += [(self.tick, event) for event in self.media.drain()]

    def happened(self, *kinds: type[Any]) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kinds)]

    def heard(self) -> bytes:
        return b"".join(block.audio for block in self.happened(UplinkBlock))


def converse(plane: Plane, packets: list[tuple[int, float]], steps: list[int]) -> Plane:
    """Let packets (gap between numbers, seconds late) come, and missed ticks happen; then end the call."""
    peer, number = Peer(), 0
    plane.ask(Record(leg=1), Speak(leg=1, audio=frame(9) * 60, encoding="pcmu", marks=((4000, "half"),)))
    for gap, late in packets:
        for _ in range(gap):
            datagram = peer.say(frame(number))
            number += 1
        plane.arrive(datagram, number * TICK + late)
    for missed in steps:
        plane.step(missed=missed)
    plane.ask(Clear(leg=1))
    plane.step(40 - plane.tick % 2)
    plane.ask(CloseLeg(leg=1))
    plane.step()
    return plane


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 2, 4, 30]), st.floats(0, 0.12)), max_size=60),
    st.lists(st.sampled_from([0] * 12 + [1, 2, 7]), min_size=20, max_size=120),
)
def test_what_leaves_is_heard_and_counted_is_the_same(packets: list[tuple[int, float]], steps: list[int]) -> None:
    one, two = (converse(Plane(stride, wall_offset=1e9), packets, steps) for stride in (1, 2))
    assert [sent for sent in two.sent if sent.kind == RTP] == [sent for sent in one.sent if sent.kind == RTP]
    shorter, longer = sorted((one.heard(), two.heard()), key=len)
    assert longer.startswith(shorter)
    assert len(longer) - len(shorter) < 5 * 160, "but for what the end cut off"
    told = (MarkPassed, Drained, SpeechCleared, DigitHeard, LegClosed)
    assert two.happened(*told) == one.happened(*told)
    sides = [
        [b"".join(getattr(tape, side) for tape in plane.happened(Tape)) for side in ("received", "sent")]
        for plane in (one, two)
    ]
    assert sides[0] == sides[1]


def test_every_second_tick_is_left_out() -> None:
    plane = Plane(2)
    plane.step(100)
    assert plane.visits == list(range(2, 101, 2))


@pytest.mark.parametrize("opening", [{"uplink_ms": 20}, {"uplink_ms": 60}, {"trace": True}, {"uplink_ms": 100}])
def test_who_would_notice_is_heard_in_every_tick(opening: dict[str, Any]) -> None:
    plane = Plane(2, **opening)
    plane.step(20)
    assert plane.visits == list(range(1, 21))


def test_a_bridged_leg_is_heard_in_every_tick_while_it_is() -> None:
    plane = Plane(2)
    plane.step(10)
    plane.ask(Bridge(leg=1, other=2))
    plane.step(10)
    plane.ask(Bridge(leg=1, other=None))
    plane.step(10)
    assert plane.visits[:5] == [2, 4, 6, 8, 10]
    assert plane.visits[5:15] == list(range(11, 21))
    assert len(plane.visits) == 20


def test_speech_waits_for_no_more_than_its_own_block() -> None:
    plane, peer = Plane(2), Peer()
    for number in range(200):
        loud = number >= 120
        plane.arrive(peer.say(frame(number) if loud else b"\xff" * 160), number * TICK + 0.005)
    plane.step(210)
    voiced = [(tick, block) for tick, block in plane.events if isinstance(block, UplinkBlock) and block.voiced]
    assert {len(block.audio) for _, block in voiced[1:-1]} == {320}
    quiet = [block for _, block in plane.events if isinstance(block, UplinkBlock) and not block.voiced]
    assert {len(block.audio) for block in quiet[26:37]} == {800}


def test_a_leg_ends_in_the_tick_in_which_it_is_asked_to() -> None:
    for before in (4, 5):
        plane = Plane(2)
        plane.step(before)
        plane.ask(SetMedia(leg=1, settings=settings("pcma")), CloseLeg(leg=1))
        plane.step()
        assert len(plane.happened(LegClosed)) == 1
