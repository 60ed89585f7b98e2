"""What callers of the benchmark say."""

from sipagent.audio.level import VoiceMeter
from sipagent.bench.caller import PERIOD, SPEECH, count, is_marked, talk
from sipagent.bench.marks import FRAME, Kind, Mark, read


def test_a_caller_talks_a_quarter_of_the_time_as_the_house_hears_it() -> None:
    meter = VoiceMeter()
    heard = [meter.hear(talk(1, number), "pcmu") for number in range(2 * PERIOD)]
    assert sum(heard[PERIOD:]) in range(SPEECH, SPEECH + 20)
    assert all(len(talk(1, number)) == FRAME for number in range(PERIOD))


def test_beginning_and_middle_of_speech_are_marked_with_call_and_frame() -> None:
    marked = [number for number in range(PERIOD, 2 * PERIOD) if read(talk(9, number)) is not None]
    assert marked == [number for number in range(PERIOD, 2 * PERIOD) if is_marked(number)]
    assert marked == [PERIOD, PERIOD + SPEECH // 2]
    assert read(talk(9, PERIOD)) == Mark(Kind.CALLER, 9, PERIOD)


def test_a_caller_of_an_echo_counts_every_frame() -> None:
    assert read(count(9, 77)) == Mark(Kind.VOICE, 9, 77)
