"""What was measured, beside the bars."""

from dataclasses import replace

from sipagent.bench.figures import Bar, Figures, Spread, Verdict, Window, bars
from sipagent.bench.streams import Reception

RECEPTION = Reception(packets=1000, silent=0, lost=0, repeated=0, late=0, p50_ms=0.1, p99_ms=0.5, max_ms=2.0)
WINDOW = Window(
    calls=320,
    seconds=10.0,
    processor_ms=1.2,
    waiting_percent=8.0,
    others_percent=0.2,
    stolen_percent=0.0,
    load_percent=30.0,
    reception=RECEPTION,
    heard_percent=100.0,
    gone=0,
    lost_by_kernel=0,
    sent_late=0,
    heard=Spread(count=100, p50=40, p99=60),
)
FIGURES = Figures(
    window=WINDOW,
    carried=320,
    is_cut_short=False,
    failed=0,
    gone=0,
    first_answered_ms=60,
    answered=Spread(count=320, p50=12, p99=30),
    set_up_ms=9.0,
    kb_a_call=300,
    kb_kept=100,
    kb_kept_again=5,
    stopped=Spread(count=320, p50=8, p99=19),
    voiced=Spread(count=320, p50=10, p99=20),
)


def missed(figures: Figures, *, is_echo: bool = False, append: int | None = 40) -> list[str]:
    judged = bars(figures, is_echo=is_echo, append=append)
    return [bar.name for bar in judged if bar.verdict(figures.window) is Verdict.MISSED]


def test_what_is_good_enough_misses_nothing() -> None:
    for append in (20, 40, 100, None):
        assert missed(FIGURES, append=append) == []


def test_each_pipeline_has_a_processor_time_of_its_own_and_each_append_an_aim() -> None:
    name = "processor time of a call, ms a second"
    assert missed(replace(FIGURES, window=replace(WINDOW, processor_ms=1.6)), append=100) == [name]
    assert missed(FIGURES, is_echo=True) == [name]
    aims = {append: bars(FIGURES, is_echo=False, append=append)[1].aim for append in (20, 40, 100, None)}
    assert aims == {20: None, 40: 1.0, 100: None, None: 0.5}


def test_the_most_calls_are_judged_only_where_they_were_searched_for() -> None:
    few = replace(FIGURES, carried=200)
    assert missed(few, append=None) == ["calls that one core carries"]
    assert missed(replace(few, carried=None), append=None) == []


def test_a_search_that_the_host_cut_short_misses_nothing_and_meets_nothing() -> None:
    few = replace(FIGURES, carried=200, is_cut_short=True)
    assert missed(few, append=None) == []
    assert bars(few, is_echo=False, append=None)[0].verdict(WINDOW) is Verdict.UNKNOWN
    assert bars(replace(few, carried=300), is_echo=False, append=None)[0].verdict(WINDOW) is Verdict.MET


def test_one_packet_that_is_lost_misses_a_bar() -> None:
    lossy = replace(FIGURES, window=replace(WINDOW, reception=replace(RECEPTION, lost=1)))
    assert missed(lossy, append=None) == ["packets lost, repeated or late"]


def test_what_does_not_come_to_the_mind_or_to_a_caller_misses_a_bar() -> None:
    deaf = replace(FIGURES, window=replace(WINDOW, heard_percent=90.0))
    assert missed(deaf, append=None) == ["of the callers' audio, came to the mind, %"]
    assert not deaf.window.is_carried
    mute = replace(FIGURES, failed=1, window=replace(WINDOW, reception=replace(RECEPTION, silent=1)))
    assert missed(mute, append=None) == ["calls refused, silent or hung up by us"]
    assert not mute.window.is_carried


def test_timing_on_a_busy_host_is_not_known_to_be_bad_but_memory_is() -> None:
    busy = replace(WINDOW, others_percent=10.0, reception=replace(RECEPTION, p99_ms=9.0))
    assert missed(replace(FIGURES, window=busy, kb_a_call=500), append=None) == ["memory of a call, kB"]
    bar = Bar(name="p99", value=9.0, must=2.0, depends_on_timing=True)
    assert bar.verdict(busy) is Verdict.UNKNOWN
    assert bar.verdict(WINDOW) is Verdict.MISSED


def test_what_was_not_measured_or_not_asked_for_is_not_judged() -> None:
    assert Bar(name="p99", value=None, must=2.0).verdict(WINDOW) is None
    assert Bar(name="p99", value=3.0).verdict(WINDOW) is None
    assert Spread.of([]) is None


def test_threads_of_the_worker_that_wait_for_each_other_are_not_disturbed() -> None:
    assert not replace(WINDOW, waiting_percent=30.0, others_percent=1.0).is_disturbed
    assert not replace(WINDOW, waiting_percent=0.5, others_percent=60.0).is_disturbed
    assert replace(WINDOW, waiting_percent=5.0, others_percent=40.0).is_disturbed


def test_calls_are_carried_only_while_the_processor_has_room() -> None:
    assert WINDOW.is_carried
    assert WINDOW.busy_percent == 1.2 * 320 / 10
    assert not replace(WINDOW, processor_ms=2.6).is_carried
    assert not replace(WINDOW, gone=1).is_carried
