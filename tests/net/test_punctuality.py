"""How late a thread wakes up: what counts, and what is told."""

import asyncio
import threading
from collections.abc import Callable

import pytest
import uvloop

from sipagent.net.punctuality import Punctuality


def test_a_thread_that_wakes_in_time_makes_no_news() -> None:
    punctuality = Punctuality()
    for seconds in (0.0, 0.0004, 0.002):
        punctuality.note(seconds)
    assert (punctuality.wakes, punctuality.late, punctuality.worst) == (3, 0, 0.0)
    assert punctuality.news() is None


def test_the_worst_is_told_once_and_remembered() -> None:
    punctuality = Punctuality()
    for seconds in (0.0021, 0.05, 0.03, 0.001):
        punctuality.note(seconds)
    assert (punctuality.wakes, punctuality.late, punctuality.worst) == (4, 3, 0.05)
    news = punctuality.news()
    assert news is not None
    assert news.seconds == 0.05
    assert punctuality.news() is None
    assert punctuality.worst == 0.05


def test_the_news_names_where_the_watched_thread_was() -> None:
    punctuality = Punctuality()
    begun, enough = threading.Event(), threading.Event()

    def hold_on() -> None:
        begun.set()
        enough.wait()

    held = threading.Thread(target=hold_on)
    held.start()
    begun.wait()
    assert held.ident is not None
    punctuality.watch(held.ident)
    punctuality.note(0.01)
    enough.set()
    held.join()
    news = punctuality.news()
    assert news is not None
    assert "(hold_on)" in news.where
    assert "threading.py" in news.where


@pytest.mark.parametrize("new_event_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_a_loop_that_waits_is_not_named(new_event_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    punctuality = Punctuality()
    punctuality.watch(threading.get_ident())

    def is_named() -> bool:
        punctuality.note(0.01)
        news = punctuality.news()
        assert news is not None
        return news.where != ""

    def is_left_alone_at_last() -> bool:
        return not all(is_named() for _ in range(100_000))  # at first the loop is still busy starting this thread

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(asyncio.to_thread(is_left_alone_at_last))


def test_a_thread_that_is_gone_is_nowhere() -> None:
    punctuality = Punctuality()
    punctuality.note(0.01)
    news = punctuality.news()
    assert news is not None
    assert news.where == ""
