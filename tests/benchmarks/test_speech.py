"""The judge of the speech benchmark, on streams whose delay is known, and the receivers that it compares."""

import numpy as np
import pytest

from sipagent.audio import g711
from sipagent.testing.path import Path, by_pattern
from sipagent.testing.voice import vowel
from tests.benchmarks.listening import Verdict, delays, programme
from tests.benchmarks.receivers import TICK, Coming, echo, zero_fill
from tests.benchmarks.speech import Row, fastest

WAY = 0.03


def recordings() -> list[np.ndarray]:
    """Two glides, which are nowhere like themselves."""
    return [vowel(pitch, 16_000, glide=0.2) for pitch in (110, 170)]


def frames(said: np.ndarray) -> list[bytes]:
    audio = g711.encode(said, "pcmu")
    return [audio[start : start + 160] for start in range(0, len(audio), 160)]


def over(path: Path, count: int) -> list[Coming]:
    carried = ((path.carry(number * TICK), number) for number in range(count))
    return sorted(Coming(at, number) for at, number in carried if at is not None)


def test_a_programme_says_where_each_recording_is() -> None:
    first, second = recordings()
    said, places = programme([first, second])
    assert len(said) % 160 == 0
    assert all(np.array_equal(said[place], one) for place, one in zip(places, (first, second), strict=True))


@pytest.mark.parametrize("late", [0, 160, 777])
def test_how_late_speech_is_heard_is_found_in_every_part_of_it(late: int) -> None:
    said, places = programme(recordings())
    heard = np.concatenate([np.zeros(late, np.int16), said])
    found = delays(said, heard, places)
    assert len(found) > 10
    assert {lag for _, lag in found} == {late / 8000}


def test_what_was_not_heard_whole_tells_no_delay() -> None:
    said, places = programme(recordings())
    broken = said.copy()
    broken[places[0]] = 0
    assert all(at * 8000 >= places[1].start for at, _ in delays(said, broken, places))


def test_our_echo_of_a_clean_network_is_what_was_said_a_frame_or_two_later() -> None:
    said, places = programme(recordings())
    heard = echo(over(Path(delay=WAY), len(said) // 160), frames(said), len(said) // 160 + 50)
    assert b"".join(frames(said)) in heard.played
    assert b"".join(frames(said)) in heard.echoed
    for _, lag in delays(said, g711.decode(heard.played, "pcmu"), places):
        assert 0.02 <= lag + heard.begins - WAY <= 0.04


def test_zero_fill_is_sixty_milliseconds_late_and_silent_where_a_packet_is_missing() -> None:
    said, _ = programme(recordings())
    speech = frames(said)
    heard = zero_fill(
        over(Path(delay=WAY, losses=by_pattern([False] * 9 + [True])), len(speech)), speech, len(speech) + 50
    )
    played = [heard.played[start : start + 160] for start in range(0, len(heard.played), 160)]
    at = played.index(speech[50]) - 50
    assert at * TICK + heard.begins - WAY == pytest.approx(0.06, abs=TICK)
    assert [number for number in range(60, 100) if played[number + at] != speech[number]] == [69, 79, 89, 99]


def test_the_way_is_as_long_as_for_the_fastest_of_the_last_packets() -> None:
    coming = [Coming(number * TICK + (0.1 if number < 300 else 0.05), number) for number in range(700)]
    way = fastest(coming)
    assert way[299] == pytest.approx(0.1)
    assert [way[300], way[699]] == pytest.approx([0.05, 0.05])


@pytest.mark.parametrize(
    ("network", "score", "delay", "missed"),
    [
        ("3 % random loss", 3.4, 30.0, False),
        ("3 % random loss", 3.2, 30.0, True),
        ("jitter 40 ms", 4.1, 50.0, False),
        ("jitter 40 ms", 3.9, 50.0, True),
        ("jitter 40 ms", 4.1, 70.0, True),
    ],
)
def test_the_bars(network: str, score: float, delay: float, missed: bool) -> None:
    row = Row(network=network, verdicts={"sipagent": Verdict(scores=(score,), delays=(delay,))})
    assert bool(list(row.failures(clean=4.2))) == missed


@pytest.mark.parametrize(("delay", "missed"), [(100.0, True), (500.0, False)])
def test_a_rival_that_can_be_conversed_with_must_not_sound_better(delay: float, missed: bool) -> None:
    ours, rival = Verdict(scores=(3.5,), delays=(30.0,)), Verdict(scores=(3.6,), delays=(delay,))
    row = Row(network="3 % random loss", verdicts={"sipagent": ours, "baresip": rival})
    assert bool(list(row.failures(clean=4.2))) == missed
