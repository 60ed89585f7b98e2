"""The buffer on pjmedia's traces of networks (corpora `jitter/`): what it misses, and how long at a time.

A trace counts packets of 20 ms. What its limits call lost or empty is a frame without sound here, whatever the reason.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from sipagent.audio.splice import Splicer
from sipagent.rtp.jitter_buffer import JitterBuffer, JitterBufferStatistics
from tests.media.traces import Session, sessions

TICK = 0.02
BEFORE = 0.002
"""Seconds before a tick at which what comes before it in the trace comes."""
FEWEST = 2
"""Frames: the least that we hold back."""
SHED = 25
"""Packets that we give up beyond the limit, where seconds come at once: half a second is what we hold at most."""

TRACES = """\
# some words
= One
%adaptive 0 0 10
!lost\t2 <- why
PGPL PG
# silence
GO
.
= Two
%fixed 5
!lost 0
PG
.
"""


class Outcome(NamedTuple):
    """What became of a trace: the frames without sound, the longest run of them, and how much waited on average."""

    missed: int
    longest: int
    waited: float
    statistics: JitterBufferStatistics


def played(session: Session) -> Outcome:
    """Play a trace. Its sound is not quiet, and alike everywhere: all that may be spliced is."""
    buffer, coming, runs, depths = JitterBuffer(Splicer("pcmu")), session.arrivals(), [0], []
    for tick in range(session.steps.count("G")):
        now = tick * TICK
        while coming and coming[0][0] <= tick:
            _, number = coming.pop(0)
            buffer.add(number, number * 160, b"\x20\xa0" * 80, now - BEFORE)
        if isinstance(buffer.pop(now), bytes):
            runs.append(0)
        elif len(runs) > 1:
            runs[-1] += 1
        depths.append(buffer.statistics().depth)
    return Outcome(sum(runs), max(runs), sum(depths) / len(depths) / TICK, buffer.statistics())


def test_a_trace_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "traces"
    path.write_text(
        "# some\n= One\n%adaptive 0 0 10\n!lost\t2 <- why\nPGPL PG\n# silence\nGO\n.\n= Two\n%fixed 5\n!lost 0\nPG\n.\n"
    )
    (session,) = sessions(path)
    assert session == Session(title="One", limits={"lost": 2}, steps="PGPLPGGO")
    assert session.arrivals() == [(0, 0), (1, 1), (1, 3), (3, 2)]


@pytest.mark.corpora
def test_no_trace_misses_more_or_longer_than_its_limits_allow(corpora: Path) -> None:
    found = {one.title: (one.limits, played(one)) for one in sessions(corpora / "jitter" / "pjmedia-Jbtest.dat")}
    assert len(found) == 12
    for title, (limits, outcome) in found.items():
        assert outcome.missed <= limits["lost"] + limits["empty"], title
        assert outcome.longest <= max(limits["burst"], limits["empty"]), title
        assert outcome.statistics.late + outcome.statistics.dropped <= limits["discard"] + SHED, title


@pytest.mark.corpora
@pytest.mark.parametrize(
    "title", ["Ideal condition", "Regular burst (three gets three puts)", "Random burst (no drift)"]
)
def test_where_the_clocks_agree_no_more_waits_than_the_limit(corpora: Path, title: str) -> None:
    (session,) = (one for one in sessions(corpora / "jitter" / "pjmedia-Jbtest.dat") if one.title == title)
    assert played(session).waited <= max(FEWEST, session.limits["delay"])


@pytest.mark.corpora
def test_duplicates_are_counted_and_never_played(corpora: Path) -> None:
    (session,) = (
        one for one in sessions(corpora / "jitter" / "pjmedia-Jbtest.dat") if one.title == "Duplicated frames"
    )
    assert played(session).statistics.duplicates == session.limits["discard"]
