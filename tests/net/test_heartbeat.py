"""Threads that watch each other: what a silence asks for, and when."""

from sipagent.net.heartbeat import Silence, Watch, stacks

NONE, TRACE, EXIT = Silence.NONE, Silence.TRACE, Silence.EXIT


def test_a_living_thread_alarms_nobody() -> None:
    watch = Watch(trace_after=2, exit_after=4)
    assert [watch.look(beats) for beats in range(1, 50)] == [NONE] * 49


def test_a_silence_is_traced_once_and_then_ended_once() -> None:
    watch = Watch(trace_after=2, exit_after=4)
    assert [watch.look(beats) for beats in [1, 1, 1, 1, 1, 1, 1]] == [NONE, NONE, TRACE, NONE, EXIT, NONE, NONE]


def test_a_thread_that_recovers_is_forgiven() -> None:
    watch = Watch(trace_after=2, exit_after=4)
    assert [watch.look(beats) for beats in [1, 1, 1, 2, 2, 2, 3, 3]] == [
        NONE,
        NONE,
        TRACE,
        NONE,
        NONE,
        TRACE,
        NONE,
        NONE,
    ]


def test_the_stacks_name_the_line_that_runs() -> None:
    text = stacks()
    assert "MainThread" in text
    assert "test_the_stacks_name_the_line_that_runs" in text
