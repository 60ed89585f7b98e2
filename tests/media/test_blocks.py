"""How much the loop gets at once: little while the caller may be talking, more in their silence."""

import pytest

from sipagent.audio.comfort import noise
from sipagent.media import OpenLeg, UplinkBlock
from sipagent.media.blocks import Blocks
from tests.media.desk import frame


def blocks(uplink_ms: int = 40, quiet_uplink_ms: int = 100) -> Blocks:
    return Blocks(
        OpenLeg(
            leg=1,
            ssrc=1,
            sequence=1,
            timestamp=1,
            cname="c",
            uplink_ms=uplink_ms,
            quiet_uplink_ms=quiet_uplink_ms,
        )
    )


def heard(listening: Blocks, sounds: str) -> list[tuple[int, int, bool]]:
    """Let frames be heard, `v` voiced and `-` not; returns of each block the tick of its end, its frames, its voice."""
    ends = []
    for tick, sound in enumerate(sounds, 1):
        listening.add(frame(tick) if sound == "v" else noise(tick, "pcmu"), "pcmu")
        if (block := listening.take("pcmu")) is not None:
            ends.append((tick, len(block.audio) // 160, block.voiced))
    return ends


def test_speech_comes_in_short_blocks() -> None:
    assert heard(blocks(), "v" * 8) == [(2, 2, True), (4, 2, True), (6, 2, True), (8, 2, True)]


def test_after_a_second_of_silence_blocks_are_long() -> None:
    sizes = [size for _, size, _ in heard(blocks(), "-" * 100)]
    assert sizes == [2] * 25 + [5] * 10


def test_the_pauses_between_words_make_no_block_longer() -> None:
    assert {size for _, size, _ in heard(blocks(), ("v" * 20 + "-" * 40) * 5)} == {2}


@pytest.mark.parametrize("silence", range(50, 56))
def test_who_begins_to_speak_waits_no_longer_than_who_speaks(silence: int) -> None:
    ends = heard(blocks(), "-" * silence + "vvvv")
    voiced = [end for end in ends if end[2]]
    assert voiced[0][0] - silence <= 2
    assert [size for _, size, _ in voiced[1:]] == [2] * len(voiced[1:])


def test_the_first_word_ends_a_block_that_has_grown_at_once() -> None:
    assert heard(blocks(), "-" * 53 + "v")[-2:] == [(50, 2, False), (54, 4, True)]


def test_equal_sizes_never_grow() -> None:
    ends = heard(blocks(quiet_uplink_ms=40), "-" * 101 + "vvv")
    assert {size for _, size, _ in ends} == {2}


def test_nothing_is_lost_or_twice_whatever_the_sizes() -> None:
    listening, said = blocks(60, 80), [noise(n, "pcmu") for n in range(60)] + [frame(n) for n in range(7)]
    audio = []
    for one in said:
        listening.add(one, "pcmu")
        if (block := listening.take("pcmu")) is not None:
            audio.append(block.audio)
    rest = listening.rest("pcmu")
    assert rest is not None
    assert b"".join([*audio, rest.audio]) == b"".join(said)
    assert listening.rest("pcmu") is None


def test_a_block_says_what_it_is() -> None:
    listening = blocks(20)
    listening.add(frame(1), "pcma")
    assert listening.take("pcma") == UplinkBlock(leg=1, audio=frame(1), encoding="pcma", voiced=True)
