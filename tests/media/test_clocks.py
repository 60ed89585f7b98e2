"""Speech over a clock that differs, and out of a delay that is gone: nothing is lost, nothing clicks, all returns."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio import g711
from sipagent.audio.encoding import decode, encode, rate, width
from sipagent.audio.splice import Splicer
from sipagent.rtp.jitter_buffer import JitterBuffer, JitterBufferStatistics
from sipagent.testing.voice import vowel

TICK = 0.02


def listen(
    speech: bytes, arrival: Callable[[int], float], encoding: str = "pcmu"
) -> tuple[np.ndarray, list[JitterBufferStatistics]]:
    """Play a recording whose packets arrive so; returns what is heard, and the statistics of every tick."""
    buffer, heard, history = JitterBuffer(Splicer(encoding)), b"", []
    size = 160 * width(encoding)
    waiting = sorted((arrival(number), number) for number in range(len(speech) // size))
    for tick in range(len(waiting)):
        while waiting and waiting[0][0] <= tick * TICK:
            at, number = waiting.pop(0)
            buffer.add(number, number * 160, speech[number * size : number * size + size], at)
        popped = buffer.pop(tick * TICK)
        heard += popped if isinstance(popped, bytes) else b""
        history.append(buffer.statistics())
    return decode(heard, encoding).astype(int), history


@pytest.mark.parametrize("encoding", ["pcmu", "pcm"])
@pytest.mark.parametrize("drift", [-200e-6, 200e-6], ids=["fast", "slow"])
def test_two_minutes_of_speech_over_a_clock_of_200_ppm(drift: float, encoding: str) -> None:
    """24 ms go, or come, by the period; silence never helps."""
    speech = vowel(110, 120 * rate(encoding), rate=rate(encoding))
    late = [number * TICK * (1 + drift) + 0.005 for number in range(6000)]
    heard, history = listen(encode(speech, encoding), late.__getitem__, encoding)
    assert history[-1].late == history[-1].concealed == history[-1].dropped == 0
    assert history[-1].stretched - history[-1].cut == pytest.approx(120 * drift, abs=0.025)
    assert all(0.005 <= one.delay <= 0.07 for one in history[50:])
    assert np.abs(np.diff(heard)).max() <= 1.3 * np.abs(np.diff(speech.astype(int))).max()


def test_the_delay_of_a_stall_is_gone_ten_seconds_later_in_the_middle_of_speech() -> None:
    """A quarter of a second is held up once; every word of it is played, then the conversation catches up."""
    speech = vowel(120, 20 * g711.RATE)
    heard, history = listen(
        g711.encode(speech, "pcmu"), lambda number: max(number * TICK, 2.25 if 100 <= number < 113 else 0.0) + 0.005
    )
    assert max(one.delay for one in history) > 0.2
    assert history[-1].delay <= 0.06
    assert history[-1].dropped == history[-1].late == 0
    assert np.abs(np.diff(heard)).max() <= 1.3 * np.abs(np.diff(speech.astype(int))).max()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from([1, 80, 160, 161, 240, 480, 960]), st.floats(0, 0.3)),
        max_size=80,
    ),
    st.sampled_from([g711.SILENCE["pcmu"], b"\x55", b"\x10\x90"]),
)
def test_whatever_packets_come_and_when_every_frame_is_whole_and_the_memory_bounded(
    packets: list[tuple[int, int, float]], sound: bytes
) -> None:
    """The gaps between numbers, the lengths and the lags are anything."""
    buffer = JitterBuffer(Splicer("pcmu"))
    sequence = timestamp = 0
    for tick, (gap, samples, lag) in enumerate(packets * 3):
        sequence += gap
        timestamp += gap * 160 + samples * (gap == 0)
        buffer.add(sequence, timestamp, (sound * samples)[:samples], tick * TICK - lag)
        popped = buffer.pop(tick * TICK)
        assert not isinstance(popped, bytes) or len(popped) == 160
        assert buffer.statistics().depth <= 1.0
