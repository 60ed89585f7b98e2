"""Concealment: lost speech goes on in its own pitch, without a click, fades into comfort noise, and is merged back."""

from collections.abc import Callable, Collection
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio import g711
from sipagent.audio.comfort import noise
from sipagent.audio.conceal import Concealer, find_period
from sipagent.audio.encoding import ENCODINGS, FRAME, convert, decode, encode, rate, width
from sipagent.audio.level import level
from sipagent.audio.tones import sine
from sipagent.testing.voice import vowel

VOICE = g711.encode(sine(200, 480, level=-6), "pcmu")
FRAMES = [VOICE[start : start + 160] for start in (0, 160, 320)]


def heard(*frames: bytes, encoding: str = "pcmu") -> Concealer:
    concealer = Concealer()
    for tick, frame in enumerate(frames):
        concealer.hear(frame, tick, encoding)
    return concealer


def through_a_loss(
    samples: np.ndarray, lost: Collection[int], encoding: str = "pcmu", *, ahead: bool = False
) -> np.ndarray:
    """What is played of a recording of which these frames are lost; `ahead`: what follows a loss has come already."""
    concealer, played = Concealer(), b""
    size = rate(encoding) // 50
    frames = [encode(samples[start : start + size], encoding) for start in range(0, len(samples) - size + 1, size)]
    for tick, frame in enumerate(frames):
        if tick in lost:
            is_last = ahead and tick + 1 < len(frames) and tick + 1 not in lost
            played += concealer.conceal(tick, encoding, frames[tick + 1] if is_last else b"")
        else:
            played += concealer.hear(frame, tick, encoding)
    return decode(played, encoding).astype(np.float64)


def repeated(samples: np.ndarray, lost: Collection[int]) -> np.ndarray:
    """What the naive way makes of it: the last good frame again."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    for tick in sorted(lost):
        frames[tick] = frames[tick - 1]
    return frames.ravel()


def clearness(samples: np.ndarray, played: np.ndarray, lost: Collection[int]) -> float:
    """The mean signal-to-noise ratio in dB of the lost frames in which somebody spoke, each from -10 to 35."""
    ratios = []
    for tick in lost:
        wanted, got = (signal[tick * 160 : tick * 160 + 160].astype(np.float64) for signal in (samples, played))
        if wanted.std() > 200:
            ratios.append(10 * np.log10(np.square(wanted).sum() / (np.square(wanted - got).sum() + 1)))
    return float(np.mean(np.clip(ratios, -10, 35)))


# ---- what stands in for a lost frame


def test_what_comes_without_a_loss_is_not_touched() -> None:
    concealer = Concealer()
    assert [concealer.hear(frame, tick, "pcmu") for tick, frame in enumerate(FRAMES)] == FRAMES


@pytest.mark.parametrize("pitch", [70, 100, 133, 190])
def test_the_period_of_a_vowel_is_found(pitch: int) -> None:
    period = g711.RATE / pitch
    found = find_period(vowel(pitch, 480).astype(np.float64))
    assert min(abs(found - count * period) for count in (1, 2)) <= 1.0


@pytest.mark.parametrize("pitch", [70, 95, 113, 160, 195])
def test_a_vowel_goes_on_over_a_lost_frame_as_if_it_had_come(pitch: int) -> None:
    wanted = vowel(pitch, 50 * 160)
    lost = [9, 17, 29, 38]
    assert clearness(wanted, through_a_loss(wanted, lost), lost) > 9


def test_a_gliding_vowel_is_clearer_than_with_silence_or_the_last_frame_again() -> None:
    wanted = vowel(110, 100 * 160, glide=0.1)
    lost = range(5, 100, 7)
    ours = clearness(wanted, through_a_loss(wanted, lost), lost)
    assert ours > clearness(wanted, repeated(wanted, lost), lost) + 6
    assert ours > 3, "silence in the place of a lost frame is 0 dB"


@pytest.mark.parametrize("pitch", [70, 113, 195])
def test_wideband_speech_goes_on_as_well(pitch: int) -> None:
    wanted = vowel(pitch, 50 * 480, rate=24000)
    lost = [9, 17, 29, 38]
    played = through_a_loss(wanted, lost, "pcm")
    narrow, heard = (samples.astype(np.float64)[::3] for samples in (wanted, played))
    assert clearness(narrow, heard, lost) > 9


@settings(deadline=None)
@given(st.floats(70, 200), st.integers(1, 6), st.integers(0, 159), st.sampled_from(["pcmu", "pcm"]), st.booleans())
def test_no_loss_ever_clicks(pitch: float, length: int, phase: int, encoding: str, ahead: bool) -> None:
    frame = rate(encoding) // 50
    wanted = vowel(pitch, 30 * frame + phase, rate=rate(encoding))[phase:]
    played = through_a_loss(wanted, range(10, 10 + length), encoding, ahead=ahead)
    steepest = np.abs(np.diff(wanted.astype(np.float64))).max()
    assert np.abs(np.diff(played)).max() <= 1.6 * steepest


def test_a_gliding_vowel_is_clearer_where_what_follows_has_come_and_that_is_played_as_it_came() -> None:
    wanted = vowel(110, 100 * 160, glide=0.1)
    lost = range(5, 100, 7)
    played = through_a_loss(wanted, lost, ahead=True)
    assert clearness(wanted, played, lost) > clearness(wanted, through_a_loss(wanted, lost), lost) + 1
    untouched = decode(encode(wanted, "pcmu"), "pcmu").reshape(-1, 160)
    changed = [tick for tick, frame in enumerate(played.reshape(-1, 160)) if not np.array_equal(frame, untouched[tick])]
    assert changed == list(lost)


def test_a_voice_that_begins_after_a_loss_is_led_into() -> None:
    concealer = heard(*[noise(tick, "pcmu") for tick in range(3)])
    leading = concealer.conceal(3, "pcmu", VOICE[:160])
    assert level(leading[:40], "pcmu") < level(leading[-40:], "pcmu") - 10
    assert concealer.hear(VOICE[:160], 4, "pcmu") == VOICE[:160]


# ---- how it ends


def test_a_longer_loss_fades_and_after_60_ms_is_comfort_noise() -> None:
    concealer = heard(*FRAMES)
    levels = [level(concealer.conceal(tick, "pcmu"), "pcmu") for tick in range(3)]
    assert level(VOICE, "pcmu") > levels[0] > levels[1] > levels[2] > -60
    assert [concealer.conceal(tick, "pcmu") for tick in (3, 4)] == [noise(3, "pcmu"), noise(4, "pcmu")]


def test_the_first_ten_milliseconds_are_as_loud_as_what_was_lost() -> None:
    assert level(heard(*FRAMES).conceal(3, "pcmu")[:80], "pcmu") == pytest.approx(level(VOICE, "pcmu"), abs=0.2)


def test_the_frame_after_a_loss_is_merged_in_and_the_next_one_is_itself() -> None:
    concealer = heard(*FRAMES)
    concealer.conceal(3, "pcmu")
    following = g711.encode(sine(300, 160, level=-6), "pcmu")
    merged = concealer.hear(following, 4, "pcmu")
    assert merged != following
    assert merged[80:] == following[80:]
    assert concealer.hear(following, 5, "pcmu") == following


def test_after_a_long_loss_the_voice_comes_back_gently() -> None:
    concealer = heard(*FRAMES)
    for tick in range(10):
        concealer.conceal(tick, "pcmu")
    loud = g711.encode(np.full(160, 20000, np.int16), "pcmu")
    back = g711.decode(concealer.hear(loud, 10, "pcmu"), "pcmu").astype(int)
    assert np.abs(np.diff(back)).max() < 1500
    assert back[-1] == pytest.approx(20000, rel=0.05)


# ---- odd beginnings


def test_nothing_was_heard_yet() -> None:
    assert Concealer().conceal(7, "pcma") == noise(7, "pcma")


@pytest.mark.parametrize("encoding", ["pcmu", "pcma", "pcm"])
def test_one_frame_is_enough_to_go_on_from(encoding: str) -> None:
    concealer = heard(convert(FRAMES[0], "pcmu", encoding), encoding=encoding)
    assert level(concealer.conceal(1, encoding), encoding) == pytest.approx(level(VOICE, "pcmu"), abs=2)


@pytest.mark.parametrize(("before", "after"), list(permutations(ENCODINGS, 2)))
def test_the_codec_changes_before_a_loss(before: str, after: str) -> None:
    concealer = heard(*(convert(frame, "pcmu", before) for frame in FRAMES), encoding=before)
    assert level(concealer.conceal(3, after), after) == pytest.approx(level(VOICE, "pcmu"), abs=1.5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=160, max_size=160) | st.none(), st.sampled_from(ENCODINGS)), max_size=12))
def test_whatever_comes_or_not_every_tick_has_its_20_ms(frames: list[tuple[bytes | None, str]]) -> None:
    concealer = Concealer()
    for tick, (came, encoding) in enumerate(frames):
        frame = came and came * width(encoding)
        played = concealer.conceal(tick, encoding) if frame is None else concealer.hear(frame, tick, encoding)
        assert len(played) == FRAME * width(encoding)


# ---- human speech

PATTERNS: dict[str, Callable[[int], bool]] = {
    "one frame of ten": lambda tick: tick % 10 == 9,
    "two frames of twenty": lambda tick: tick % 20 in (17, 18),
}


@pytest.mark.corpora
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_itu_s_speech_is_clearer_than_with_the_last_frame_again(corpora: Path, pattern: str) -> None:
    speech = np.fromfile(corpora / "jitter" / "stl-g711plc-f2.le", "<i2").astype(np.int16)
    lost = [tick for tick in range(3, len(speech) // 160) if PATTERNS[pattern](tick)]
    ours = clearness(speech, through_a_loss(speech, lost), lost)
    assert ours > clearness(speech, repeated(speech, lost), lost) + 2


@pytest.mark.corpora
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_itu_s_speech_is_clearer_where_what_follows_has_come(corpora: Path, pattern: str) -> None:
    speech = np.fromfile(corpora / "jitter" / "stl-g711plc-f2.le", "<i2").astype(np.int16)
    lost = [tick for tick in range(3, len(speech) // 160) if PATTERNS[pattern](tick)]
    ours = clearness(speech, through_a_loss(speech, lost, ahead=True), lost)
    assert ours > clearness(speech, through_a_loss(speech, lost), lost) + 0.5


@pytest.mark.corpora
@pytest.mark.parametrize("ahead", [False, True])
def test_the_itu_s_speech_is_clearer_than_with_silence(corpora: Path, ahead: bool) -> None:
    """The ITU's pattern of single losses. Silence is 0 dB."""
    speech = np.fromfile(corpora / "jitter" / "stl-g711plc-f2.le", "<i2").astype(np.int16)
    erased = np.fromfile(corpora / "jitter" / "stl-g711plc-fe10.g192", "<u2") == 0x6B20
    lost = [tick for tick in range(len(speech) // 160) if erased[tick % len(erased)]]
    assert clearness(speech, through_a_loss(speech, lost, ahead=ahead), lost) > 0


@pytest.mark.corpora
def test_the_itu_s_speech_is_as_clear_as_out_of_the_itu_s_own_concealment(corpora: Path) -> None:
    speech = np.fromfile(corpora / "jitter" / "stl-g711plc-f2.le", "<i2").astype(np.int16)
    reference = np.fromfile(corpora / "jitter" / "stl-g711plc-f2_10_2.raw", "<i2").astype(np.float64)
    lost = [tick for tick in range(len(speech) // 160) if tick % 10 == 9]
    ours = clearness(speech, through_a_loss(speech, lost), lost)
    assert ours > max(clearness(speech, reference[delay:], lost) for delay in (0, 30)) - 0.5
