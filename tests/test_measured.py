"""What the media plane counted, in the units that people read."""

import pytest

from sipagent.events import CallMeasured
from sipagent.measured import measured
from sipagent.media import LegClosed, LegStatistics
from sipagent.rtp import rtcp
from sipagent.rtp.rtcp import ReceiverReport, ReportBlock
from tests.media.desk import Desk, Peer, frame

SSRC = 0x5EED


def closed(desk: Desk) -> LegStatistics:
    desk.legs[1].close()
    desk.step()
    (end,) = desk.happened(LegClosed)
    assert isinstance(end.statistics, LegStatistics)
    return end.statistics


def test_a_call_in_which_nobody_spoke_has_no_score() -> None:
    desk = Desk()
    desk.open()
    desk.step(10)
    assert measured(closed(desk)) == CallMeasured(packets_sent=10)


def test_what_was_lost_on_the_way_here_lowers_the_score() -> None:
    scores = []
    for every in (1000, 10):
        desk, peer = Desk(), Peer()
        desk.open()
        for number in range(1, 201):
            datagram = peer.say(frame(number))
            if number % every:
                desk.arrive(datagram)
            desk.step()
        result = measured(closed(desk))
        assert result.packets_received + result.lost == 200 - (every == 10)
        scores.append((result.lost, result.concealed_ms > 0, result.score))
    assert scores[0][:2] == (0, False)
    assert scores[1][:2] == (19, True)
    assert scores[0][2] is not None
    assert scores[1][2] is not None
    assert scores[0][2] > 4.3 > 3.6 > scores[1][2]


def reported(lost: int) -> CallMeasured:
    """A call of 101 packets, of which the far end says that so many are lost."""
    desk = Desk()
    desk.open()
    desk.step(100)
    block = ReportBlock(
        ssrc=SSRC, fraction_lost=25, cumulative_lost=lost, highest_sequence=100, jitter=80, last_report=0, delay=0
    )
    desk.arrive(rtcp.serialise([ReceiverReport(ssrc=9, blocks=(block,))]), kind="rtcp")
    desk.step()
    return measured(closed(desk))


def test_how_we_sound_there_is_what_the_far_end_reports() -> None:
    result = reported(lost=5)
    assert (result.remote_jitter_ms, result.round_trip_ms) == (10.0, None)
    assert result.remote_loss == round(5 / 101, 4)
    assert result.remote_score is not None
    assert 3.5 < result.remote_score < 4.3


@pytest.mark.parametrize(("lost", "loss"), [(-3, 0.0), (0x7FFFFF, 1.0)], ids=["duplicates", "nonsense"])
def test_no_more_is_lost_than_was_sent_and_no_less_than_nothing(lost: int, loss: float) -> None:
    assert reported(lost).remote_loss == loss


def test_a_loop_that_is_late_shows_in_bunched_and_skipped_frames() -> None:
    desk = Desk()
    desk.open()
    desk.step(10)
    desk.step(1, missed=6)
    result = measured(closed(desk))
    assert result.frames_skipped > 0
    assert result.frames_bunched > 0
