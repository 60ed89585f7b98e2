"""Comfort noise: quiet, never zero, the same for ever."""

import hashlib

import pytest

from sipagent.audio.comfort import noise
from sipagent.audio.encoding import ENCODINGS, width
from sipagent.audio.level import level

SECOND = range(50)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_it_is_quiet_but_no_silence(encoding: str) -> None:
    for tick in SECOND:
        assert len(noise(tick, encoding)) == 160 * width(encoding)
        assert -67 < level(noise(tick, encoding), encoding) < -62


def test_no_sample_of_mu_law_is_the_code_of_zero() -> None:
    assert not {0xFF, 0x7F} & set(b"".join(noise(tick, "pcmu") for tick in SECOND))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_two_frames_of_a_second_are_equal(encoding: str) -> None:
    assert len({noise(tick, encoding) for tick in SECOND}) == len(SECOND)


def test_it_never_changes_so_that_old_captures_replay() -> None:
    digests = {
        encoding: hashlib.sha256(b"".join(noise(tick, encoding) for tick in SECOND)).hexdigest()[:16]
        for encoding in ("pcmu", "pcma")
    }
    assert digests == {"pcmu": "99362642c362a1e1", "pcma": "192f6424754f8539"}


@pytest.mark.parametrize("encoding", ["pcmu", "pcm"])
@pytest.mark.parametrize(("asked", "heard"), [(-40, -40), (-50, -50), (-60, -60), (0, -30)])
def test_it_can_be_as_loud_as_somebody_else_says_within_reason(asked: float, heard: float, encoding: str) -> None:
    second = b"".join(noise(tick, encoding, asked) for tick in SECOND)
    assert level(second, encoding) == pytest.approx(heard, abs=0.6)
