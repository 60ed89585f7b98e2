"""The judge of the pacing benchmark, on streams whose faults are known; and one short run of the whole."""

from dataclasses import replace

import pytest

from tests.benchmarks.pacing import TICK_NS, Pacing, Packet, idle, judge, measure

MILLISECOND = 1_000_000


def stream(frames: int = 100) -> list[Packet]:
    """A stream without a fault, over the wrap of both counters."""
    return [
        Packet(
            time_ns=10**18 + number * TICK_NS,
            sequence=(65500 + number) % 2**16,
            timestamp=(2**32 - 1600 + number * 160) % 2**32,
            frame=number + 1,
        )
        for number in range(frames)
    ]


def judged(packets: list[Packet]) -> Pacing:
    return judge([packets], loop="idle", seconds=2.0, waited=0.0)


def test_a_stream_without_fault_passes() -> None:
    result = judged(stream())
    assert result.passed
    assert (result.packets, result.max_ms, result.gaps, result.repeats, result.discontinuities) == (100, 0, 0, 0, 0)


def test_noise_before_and_after_the_speech_is_not_judged() -> None:
    quiet = [replace(stream()[0], frame=0xFCFEFBFE), replace(stream()[0], frame=0)]
    assert judged([*quiet, *stream(), *quiet]) == judged(stream())


def test_a_late_packet_is_as_far_off_as_it_is_late() -> None:
    packets = stream()
    packets[50] = replace(packets[50], time_ns=packets[50].time_ns + 5 * MILLISECOND)
    assert judged(packets).max_ms == 5.0


def test_a_clock_that_drifts_is_off_the_grid() -> None:
    packets = [replace(packet, time_ns=packet.time_ns + number * MILLISECOND) for number, packet in enumerate(stream())]
    assert not judged(packets).passed


def test_packets_that_come_together_are_a_bunch() -> None:
    packets = stream()
    assert judged(packets).bunch == 1
    for late in (50, 51):
        packets[late] = replace(packets[late], time_ns=packets[52].time_ns)
    assert judged(packets).bunch == 3


@pytest.mark.parametrize("lost", [1, 5])
def test_lost_speech_is_a_gap(lost: int) -> None:
    packets = stream()
    del packets[40 : 40 + lost]
    assert judged(packets).gaps == lost
    assert judged(packets).discontinuities == 1
    assert not judged(packets).passed


def test_speech_said_twice_is_a_repeat() -> None:
    packets = stream()
    packets[60] = replace(packets[60], frame=packets[59].frame)
    assert judged(packets).repeats == 1
    assert not judged(packets).passed


def test_a_call_over_real_sockets_has_neither_gap_nor_repeat() -> None:
    result = measure(1, loop="idle", work=idle, seconds=1.0)
    assert (result.packets, result.gaps, result.repeats, result.discontinuities) == (50, 0, 0, 0)
