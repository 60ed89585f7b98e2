"""What happens when the driver wakes late: a little is made up for, a lot is admitted."""

import pytest

from sipagent.media import LegClosed, MediaLate
from tests.media.desk import Desk, Peer, frame, settings


def spoken(count: int) -> bytes:
    return b"".join(frame(n) for n in range(count))


@pytest.mark.parametrize("missed", [1, 2])
def test_up_to_three_frames_leave_back_to_back(missed: int) -> None:
    desk = Desk()
    desk.open().speak(spoken(20))
    desk.step(5)
    sent = desk.step(missed=missed)
    assert [one.packet.payload for one in sent] == [frame(5 + n) for n in range(missed + 1)]
    assert [one.packet.timestamp for one in sent] == [160 * (5 + n) for n in range(missed + 1)]
    assert not any(one.packet.marker for one in sent)
    assert desk.late == []


@pytest.mark.parametrize("missed", [3, 24])
def test_past_that_the_timestamp_moves_and_no_word_is_lost(missed: int) -> None:
    desk = Desk()
    desk.open().speak(spoken(60))
    desk.step(5)
    sent = desk.step(missed=missed)
    skipped = missed + 1 - 3
    assert [one.packet.payload for one in sent] == [frame(5), frame(6), frame(7)]
    assert [one.packet.timestamp for one in sent] == [160 * (5 + skipped + n) for n in range(3)]
    assert [one.packet.sequence for one in sent] == [6, 7, 8]
    assert [one.packet.marker for one in sent] == [True, False, False]
    assert desk.late == [MediaLate(ticks=skipped)]
    following = desk.step()[0].packet
    assert following.payload == frame(8)
    assert following.timestamp == 160 * (desk.tick - 1), "the timestamp is on the grid again"


def test_what_was_not_sent_is_in_the_account_of_the_leg() -> None:
    desk = Desk()
    leg = desk.open()
    desk.step(5)
    desk.step(missed=24)
    leg.close()
    desk.step()
    (closed,) = desk.happened(LegClosed)
    assert (closed.statistics.frames_bunched, closed.statistics.frames_skipped) == (2, 22)
    assert desk.media.ticks_missed == 22


def test_the_uplink_has_no_hole_after_half_a_second_of_sleep() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    for n in range(50):
        desk.arrive(peer.say(frame(n)))
        desk.step()
    for n in range(25):
        desk.arrive(peer.say(frame(50 + n)), ago=-0.02 * n + 0.01)
    desk.step(missed=24)
    for n in range(25):
        desk.arrive(peer.say(frame(75 + n)))
        desk.step()
    audio = desk.uplink()
    assert len(audio) == 100 * 160
    first = audio.index(frame(0))
    assert audio[first:] == b"".join(frame(n) for n in range((len(audio) - first) // 160))


def test_an_hour_of_sleep_costs_no_hour_of_work() -> None:
    desk = Desk()
    desk.open()
    desk.step()
    before = len(desk.uplink())
    assert len(desk.step(missed=180_000)) == 3
    assert len(desk.uplink()) - before <= 50 * 160 + 320


def test_a_call_answered_in_a_late_tick_owes_one_frame() -> None:
    desk = Desk()
    leg = desk.open(settled=False)
    desk.step(3)
    leg.set_media(settings())
    assert len(desk.step(missed=9)) == 1
