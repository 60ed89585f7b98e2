"""Concealment: a loss fades, a long one ends in comfort noise."""

import pytest

from sipagent.audio import g711
from sipagent.audio.comfort import noise
from sipagent.audio.conceal import Concealer
from sipagent.audio.level import level
from sipagent.audio.tones import sine

VOICE = g711.encode(sine(200, 160, level=-6), "pcmu")


def test_three_lost_frames_fade_and_the_fourth_is_comfort_noise() -> None:
    concealer = Concealer()
    concealer.hear(VOICE, "pcmu")
    levels = [level(concealer.conceal(tick, "pcmu"), "pcmu") for tick in range(3)]
    assert level(VOICE, "pcmu") > levels[0] > levels[1] > levels[2]
    assert concealer.conceal(3, "pcmu") == noise(3, "pcmu")


def test_the_first_ten_milliseconds_are_as_loud_as_what_was_lost() -> None:
    concealer = Concealer()
    concealer.hear(VOICE, "pcmu")
    assert concealer.conceal(0, "pcmu")[:80] == VOICE[:80]


def test_a_frame_that_comes_begins_anew() -> None:
    concealer = Concealer()
    concealer.hear(VOICE, "pcmu")
    first = concealer.conceal(0, "pcmu")
    concealer.conceal(1, "pcmu")
    concealer.hear(VOICE, "pcmu")
    assert concealer.conceal(2, "pcmu") == first


def test_nothing_was_heard_yet() -> None:
    assert Concealer().conceal(7, "pcma") == noise(7, "pcma")


@pytest.mark.parametrize(("heard", "wanted"), [("pcmu", "pcma"), ("pcma", "pcmu")])
def test_the_codec_changes_over_a_loss(heard: str, wanted: str) -> None:
    concealer = Concealer()
    concealer.hear(g711.transcode(VOICE, "pcmu", heard), heard)
    assert level(concealer.conceal(0, wanted), wanted) == pytest.approx(level(VOICE, "pcmu"), abs=1.5)
