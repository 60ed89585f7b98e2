"""Human speech over the ITU's loss patterns: every lost frame is concealed, in its place, better than by repetition."""

from pathlib import Path

import numpy as np
import pytest

from sipagent.audio import g711
from sipagent.audio.wav import read
from sipagent.media import LegClosed
from tests.media.desk import Desk, Peer
from tests.media.traces import itu_losses

PATTERNS = {"bursts of a twentieth": "stl-eid-patb5pct.ref", "one of a hundred": "stl-eid-patf10-2.ref"}
FRAMES = 1000


def speech(corpora: Path) -> list[bytes]:
    recordings = sorted((corpora / "speech" / "asterisk-en").glob("*.wav"))
    audio = g711.encode(np.concatenate([read(path.read_bytes()).mono() for path in recordings]), "pcmu")
    return [audio[start : start + 160] for start in range(0, FRAMES * 160, 160)]


def distance(said: list[bytes], heard: list[bytes]) -> float:
    """The power of all that was heard wrongly, per frame."""
    wanted, got = (g711.decode(b"".join(frames), "pcmu").astype(np.float64) for frames in (said, heard))
    return float(np.square(wanted - got).sum() / len(said))


@pytest.mark.corpora
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_conversation_survives_the_patterns_of_the_itu(corpora: Path, pattern: str) -> None:
    said, lost = speech(corpora), itu_losses(corpora / "jitter" / PATTERNS[pattern])
    desk, peer = Desk(), Peer()
    leg = desk.open()
    for frame, is_lost in zip(said, lost, strict=True):
        datagram = peer.say(frame)
        if not is_lost:
            desk.arrive(datagram)
        desk.step()
    audio = desk.uplink()
    leg.close()
    desk.step()
    statistics = desk.happened(LegClosed)[0].statistics
    first = audio.index(b"".join(said[10:12])) // 160 - 10
    heard = [audio[start : start + 160] for start in range(first * 160, FRAMES * 160, 160)]
    assert statistics.jitter.late == statistics.jitter.dropped == 0
    assert sum(lost) >= 8
    assert statistics.frames_concealed == pytest.approx(sum(lost), abs=3)
    repeated = list(said)
    for number, is_lost in enumerate(lost):
        repeated[number] = repeated[number - 1] if is_lost and number else said[number]
    assert distance(said[: len(heard)], heard) < 0.8 * distance(said, repeated)
