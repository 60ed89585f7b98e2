"""What callers got, judged."""

import numpy as np
import pytest

from sipagent.bench.streams import QUIET, Rows, judge, read_rows, silenced, utterance, voiced

TICK = 20_000_000


def steady(count: int = 100, *, first: int = 1) -> Rows:
    """A packet every 20 ms, with a voice in it from frame `first` on; sequence numbers and timestamps run over."""
    return np.array(
        [(k * TICK, (65_500 + k) % 2**16, (2**32 - 800 + 160 * k) % 2**32, first + k) for k in range(count)], np.int64
    )


def test_a_steady_stream_is_whole_and_on_its_grid() -> None:
    got = judge([steady(), steady(50)])
    assert got.is_whole
    assert (got.packets, got.p50_ms, got.p99_ms, got.max_ms) == (150, 0, 0, 0)


def test_distances_are_from_the_grid_that_suits_most_packets_of_a_call() -> None:
    rows = steady()
    rows[:, 0] += 5_000_000  # all alike: nobody hears that
    rows[40, 0] += 3_000_000
    got = judge([rows])
    assert (got.p50_ms, got.max_ms) == (0, 3)


def test_a_packet_that_never_came_is_lost_with_the_speech_in_it() -> None:
    got = judge([np.delete(steady(), 40, axis=0)])
    assert (got.lost, got.repeated, got.late) == (2, 0, 0)
    assert got.max_ms == 0


def test_a_packet_that_came_twice_is_repeated() -> None:
    rows = steady()
    got = judge([np.insert(rows, 40, rows[40], axis=0)])
    assert (got.lost, got.repeated) == (0, 2)


def test_comfort_noise_in_the_midst_of_speech_is_late_speech() -> None:
    rows = steady()
    rows[50:, 3] -= 2
    rows[48:50, 3] = QUIET
    rows[50:, 3] = np.arange(rows[47, 3] + 1, rows[47, 3] + 51)
    assert judge([rows]).late == 2
    assert judge([rows]).lost == 0


def test_comfort_noise_between_utterances_is_as_it_should_be() -> None:
    rows = steady()
    rows[40:60, 3] = QUIET
    rows[60, 3] = utterance(2)
    rows[61:, 3] = np.arange(1, 40)
    assert judge([rows]).is_whole


def test_a_timestamp_that_jumped_is_time_in_which_nothing_was_sent() -> None:
    rows = steady()
    rows[50:, 0] += 3 * TICK
    rows[50:, 2] = (rows[50:, 2] + 3 * 160) % 2**32
    got = judge([rows])
    assert (got.late, got.lost, got.max_ms) == (3, 0, 0)


def test_calls_without_packets_are_silent() -> None:
    assert judge([]).is_whole
    got = judge([steady(0), steady(1)])
    assert (got.packets, got.silent, got.is_whole) == (1, 1, False)


def test_rows_are_read_as_they_were_written() -> None:
    both = {4: steady(3), 9: steady(2)}
    data = b"".join(rows.tobytes() for rows in both.values())
    read = read_rows(data, [(4, 12), (9, 8)])
    assert {call: rows.tolist() for call, rows in read.items()} == {call: rows.tolist() for call, rows in both.items()}


def test_how_long_the_voice_went_on_after_it_was_told_to_stop() -> None:
    rows = steady()
    rows[50:, 3] = QUIET
    assert silenced(rows, 47 * TICK - 1_000_000) == pytest.approx(41)
    assert silenced(rows, 49 * TICK + 1) == 0
    assert silenced(rows, 200 * TICK) is None


def test_how_soon_the_first_packet_of_an_utterance_came() -> None:
    rows = steady()
    rows[30, 3] = utterance(12)
    assert voiced({1: rows}, [(12, 30 * TICK - 7_000_000), (13, 0)]) == [7.0]
