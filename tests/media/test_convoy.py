"""Legs that are moved together, by arrays, or one by one: nobody outside can tell. Whatever happens, all is the same.

Both ways are played with the same calls; what left of each leg, and what it told, is compared to the byte and the tick.
"""

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipagent.media import (
    RTCP,
    Clear,
    CloseLeg,
    Command,
    Drained,
    LegClosed,
    LegFailed,
    MarkPassed,
    MediaLate,
    Record,
    SendDigit,
    SetMedia,
    Speak,
    SpeechCleared,
    UplinkBlock,
)
from sipagent.media.commands import Bridge
from tests.media.any_calls import CHANGES, MISHAPS, draw
from tests.media.caller import Mishap, stretch
from tests.media.desk import TICK
from tests.media.fleet import EVERYBODY, Fleet, Line, difference

SPEECH = stretch("pcmu", 0, 24000)


def both(lines: list[Line], ticks: int, **options: Any) -> tuple[Fleet, Fleet]:
    """Play calls together, their packets moved by row, and one by one; compare, and return both."""
    together, alone = Fleet(lines, convoys=True, by_row=True, **options), Fleet(lines, convoys=False, **options)
    for fleet in (together, alone):
        fleet.run(ticks)
        fleet.end()
    assert difference(together, alone) is None
    assert together.media.failures == alone.media.failures
    return together, alone


def speak(at: float, audio: bytes = SPEECH, *, leg: int = 1, **marks: int) -> tuple[float, Command]:
    return at, Speak(leg=leg, audio=audio, encoding="pcmu", marks=tuple((mark, name) for name, mark in marks.items()))


# ---- any calls


@settings(deadline=None, max_examples=70, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(100, 600), st.booleans())
def test_whatever_happens_all_is_the_same(chance: Random, legs: int, ticks: int, by_row: bool) -> None:
    calls = draw(chance, legs=legs, ticks=ticks)
    together, alone = calls.play(convoys=True, by_row=by_row and not calls.shared), calls.play(convoys=False)
    assert difference(together, alone) is None
    assert together.media.failures == alone.media.failures == 0
    assert together.media.ticks_missed == alone.media.ticks_missed


def test_twenty_calls_of_a_minute() -> None:
    calls = draw(Random(20), legs=20, ticks=3000)
    together, alone = (calls.play(convoys=convoys) for convoys in (True, False))
    assert difference(together, alone) is None
    assert together.media.failures == alone.media.failures == 0
    assert sum(together.aboard) > 20 * 3000 / 3, "or it proves little"


# ---- one thing at a time


@pytest.mark.parametrize(
    "mishap",
    [Mishap(150, what, value) for what, values in MISHAPS.items() for value in dict.fromkeys(values)],
    ids=lambda mishap: f"{mishap.what} {mishap.value}",
)
def test_a_mishap_of_one_is_not_noticed_by_another(mishap: Mishap) -> None:
    """And who hangs up soon after it has counted the same, and held back as much."""
    disturbed = Line(leg=1, mishaps=[mishap], asked=[speak(140)])
    calm = Line(leg=2, codec="pcma", speaks="pcma", asked=[speak(140, leg=2)])
    leaving = Line(leg=3, mishaps=[mishap], asked=[(166, CloseLeg(leg=3))])
    together, _ = both([disturbed, calm, leaving], 250)
    assert together.aboard[149] == 3
    assert sum(together.aboard[150:250]) > 70


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("changes", [change for change in CHANGES if change], ids=str)
def test_what_is_agreed_anew_holds_from_the_same_tick(changes: dict[str, Any], stride: int) -> None:
    line = Line(leg=1, stride=stride)
    agreed = [(tick, SetMedia(leg=1, settings=line.settings(**change))) for tick, change in ((151, changes), (220, {}))]
    both([Line(leg=1, stride=stride, asked=[speak(140, SPEECH[:8000]), *agreed])], 300)


@pytest.mark.parametrize(
    "command",
    [
        Clear(leg=1),
        SendDigit(leg=1, digit="5", duration_ms=110),
        Record(leg=1),
        Record(leg=1, masked=True),
        Bridge(leg=1, other=1),
        CloseLeg(leg=1),
        Speak(leg=1, audio=b"", encoding="pcmu", marks=((0, "nothing"),)),
        Speak(leg=1, audio=SPEECH[:333], encoding="pcma", marks=((333, "end"), (0, "begin"))),
        Speak(leg=1, audio=SPEECH[:6000], encoding="pcm", marks=((500, "middle"),)),
    ],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("at", [150, 151])
def test_what_one_is_asked_is_not_noticed_by_another(command: Command, at: int) -> None:
    asked = Line(leg=1, asked=[speak(140), (at, command)])
    together, _ = both([asked, Line(leg=2, asked=[speak(140, leg=2)])], 250)
    assert together.aboard[149] == 2
    assert sum(together.aboard[150:250]) > 70


# ---- aboard and ashore


def test_a_leg_that_talks_and_listens_is_aboard_after_a_second() -> None:
    together, alone = both([Line(leg=1, asked=[speak(5, SPEECH * 9)])], 100)
    assert together.aboard[50] == 1
    assert sum(together.aboard[50:100]) > 25
    assert set(alone.aboard) == {0}


def test_a_leg_that_fails_aboard_ends_alone() -> None:
    broken = Speak(leg=1, audio=b"?", encoding="no codec")
    together, _ = both([Line(leg=1, asked=[speak(140), (150, broken)]), Line(leg=2)], 200)
    assert (together.aboard[149], together.aboard[150]) == (2, 1)
    assert [tick for tick, _ in together.told(1, LegFailed)] == [150]
    assert together.media.failures == 1


def test_whoever_has_hung_up_is_no_longer_aboard() -> None:
    together, _ = both([Line(leg=1), Line(leg=2, asked=[(150, CloseLeg(leg=2))])], 200)
    assert (together.aboard[149], together.aboard[150], together.aboard[200]) == (2, 1, 0)


def test_legs_come_and_go_and_the_others_go_on() -> None:
    lines = [Line(leg=leg, begins=7 * leg, asked=[(100 + 9 * leg, CloseLeg(leg=leg))]) for leg in range(1, 21)]
    together, _ = both(lines, 400)
    assert max(together.aboard) >= 8
    for leg in range(1, 21):
        ((tick, closed),) = together.told(leg, LegClosed)
        assert tick == 100 + 9 * leg
        assert closed.statistics.rtp.packets_received > 90 + 2 * leg
        assert closed.statistics.rtp.lost == closed.statistics.jitter.late == closed.statistics.frames_concealed == 0


def test_a_lost_packet_puts_a_leg_ashore_and_it_joins_again() -> None:
    together, _ = both([Line(leg=1, mishaps=[Mishap(150, "lose", 1)])], 300)
    assert set(together.aboard[100:150]) == {1}
    assert 0 in together.aboard[150:160]
    assert set(together.aboard[250:300]) == {1}
    ((_, closed),) = together.told(1, LegClosed)
    assert (closed.statistics.rtp.lost, closed.statistics.frames_concealed) == (1, 1)


def test_its_report_leaves_on_time() -> None:
    together, _ = both([Line(leg=1)], 1500)
    assert sum(together.aboard) > 1300
    *ticks, _ = [tick for tick, _ in together.left(1, RTCP)]
    assert len(ticks) >= 4
    assert all(125 <= later - earlier <= 376 for earlier, later in pairwise(ticks))


def test_interrupted_speech_says_up_to_where_it_was_sent() -> None:
    together, _ = both([Line(leg=1, asked=[speak(150, begin=0, end=24000), (200, Clear(leg=1))])], 250)
    assert together.aboard[149] == 1
    ((tick, cleared), _) = together.told(1, SpeechCleared)
    assert (tick, cleared.sent_until) == (200, 50 * 160)
    assert [(tick, passed.position) for tick, passed in together.told(1, MarkPassed)] == [(150, 0)]


def test_speech_is_drained_and_its_marks_pass_in_their_ticks() -> None:
    asked = [speak(150, SPEECH[:1000], begin=0, middle=500, end=1000), speak(150, SPEECH[:90], end=90)]
    together, _ = both([Line(leg=1, asked=asked)], 250)
    passed = [(tick, one.speech, one.name, one.position) for tick, one in together.told(1, MarkPassed)]
    assert passed == [(150, 0, "begin", 0), (153, 0, "middle", 500), (156, 0, "end", 1000), (156, 1, "end", 1090)]
    assert [(tick, drained.position) for tick, drained in together.told(1, Drained)] == [(156, 1090)]


def test_what_it_hears_comes_in_the_same_blocks() -> None:
    """Eight seconds twice: speech that fades, noise about as loud as a voice may be, hiss, and nothing at all."""
    together, _ = both([Line(leg=1)], 800)
    assert sum(together.aboard) > 700
    sizes = {(block.voiced, len(block.audio)) for _, block in together.told(1, UplinkBlock)}
    assert {(True, 320), (False, 800)} <= sizes


@pytest.mark.parametrize("missed", [1, 2, 3, 8, 60])
@pytest.mark.parametrize("phases", [1, 2])
def test_a_late_tick(missed: int, phases: int) -> None:
    lines = [Line(leg=leg, phase=leg % phases, asked=[speak(140, leg=leg)]) for leg in (1, 2, 3)]
    echo = Line(leg=4, asked=[(80, Bridge(leg=4, other=4))])
    together, _ = both([*lines, echo], 300, phases=phases, missed={150: missed})
    assert together.aboard[150] == together.aboard[299] == 4
    late = [event.ticks for _, event in together.log[EVERYBODY] if isinstance(event, MediaLate)]
    assert late == ([missed - 2] if missed > 2 else [])
    for leg in (1, 2, 3):
        ((_, closed),) = together.told(leg, LegClosed)
        assert closed.statistics.frames_bunched == min(missed, 2)
        assert closed.statistics.frames_skipped == max(0, missed - 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_comes_in_a_burst_is_heard_out_of_a_deep_buffer(stride: int) -> None:
    """The network was bad once, so that much is held back; then packets come three, four and five at a time."""
    rough = [Mishap(0, "jitter", 0.15), Mishap(60, "jitter", 0.0002)]
    bursts = [Mishap(tick, "stall", 2 + tick // 20 % 4) for tick in range(200, 400, 20)]
    unstamped = [Mishap(tick, "unstamp") for tick in range(300, 400, 20)]
    together, _ = both([Line(leg=1, stride=stride, mishaps=rough + unstamped + bursts)], 450)
    assert sum(together.aboard[150:400]) > 50
    ((_, closed),) = together.told(1, LegClosed)
    assert closed.statistics.rtp.lost == 0


def test_numbers_and_times_begin_anew_while_aboard() -> None:
    opening = {"sequence": 65300, "timestamp": 2**32 - 40000}
    together, _ = both([Line(leg=1, opening=opening, calling=opening)], 350)
    assert set(together.aboard[100:350]) == {1}
    ((_, closed),) = together.told(1, LegClosed)
    assert closed.statistics.rtp.sources == 1
    assert closed.statistics.rtp.lost == closed.statistics.frames_concealed == 0


@pytest.mark.parametrize("period", [0.020004, 0.01999, 0.0201])
def test_a_clock_that_differs_is_caught_up_with_alike(period: float) -> None:
    together, _ = both([Line(leg=1, mishaps=[Mishap(0, "drift", period)])], 1500)
    assert sum(together.aboard) > 150


def test_two_callers_who_are_put_through() -> None:
    lines = [Line(leg=one, asked=[(150, Bridge(leg=one, other=other))]) for one, other in ((1, 2), (2, 1))]
    together, _ = both(lines, 300)
    heard = [departure.data[12:] for _, departure in together.left(1)]
    assert stretch("pcmu", 2 * 1600 + 200 * 160, 160) in heard


def test_what_raises_in_a_convoy_ends_the_calls_in_it_and_no_other() -> None:
    fleet = Fleet([Line(leg=1), Line(leg=2), Line(leg=3, phase=1)], convoys=True, by_row=True, phases=2)
    fleet.run(202)
    assert fleet.media.aboard == 3
    fleet.media.drain()
    tick, nothing_fetched = fleet.tick + 1, dict[Any, Any]()
    fleet.media.send(tick, tick * TICK, 0)
    fleet.media.receive(tick, tick * TICK, [], 0, nothing_fetched)
    events = fleet.media.drain()
    for leg in (1, 2):
        failed, cleared, closed = [event for event in events if event.leg == leg]  # type: ignore[union-attr]
        assert isinstance(failed, LegFailed)
        assert "KeyError" in failed.traceback
        assert isinstance(cleared, SpeechCleared)
        assert closed == LegClosed(leg=leg, statistics=None)
    assert len(events) == 6
    assert (fleet.media.aboard, fleet.media.failures) == (1, 2)
    fleet.media.receive(tick, tick * TICK, [], 0)
    assert not fleet.media.drain()
