"""The tape of a recording: both sides equally long, in one encoding a piece, and silence while it is masked."""

import pytest

from sipagent.audio.encoding import silence, width
from sipagent.media import Record, Tape
from sipagent.media.tape import TapeWriter
from tests.media.desk import Desk, Peer, frame


@pytest.mark.parametrize("encoding", ["pcmu", "pcma", "pcm"])
def test_a_piece_is_half_a_second_in_any_encoding(encoding: str) -> None:
    size = 160 * width(encoding)
    writer = TapeWriter(leg=1)
    for _ in range(30):
        writer.add(b"\x11" * size, b"\x22" * size, encoding)
    first, rest = writer.take(rest=True)
    assert (len(first.sent), len(rest.sent)) == (25 * size, 5 * size)
    assert (first.encoding, set(first.received), set(first.sent)) == (encoding, {0x11}, {0x22})


@pytest.mark.parametrize("encoding", ["pcmu", "pcm"])
def test_a_side_that_has_nothing_is_silent_and_as_long(encoding: str) -> None:
    size = 160 * width(encoding)
    writer = TapeWriter(leg=1)
    writer.add(b"\x11" * 2 * size, b"\x22" * size, encoding)
    writer.add(b"\x11" * size, b"", encoding)
    (piece,) = writer.take(rest=True)
    assert piece.received == b"\x11" * 3 * size
    assert piece.sent == silence(encoding, 160) + b"\x22" * size + silence(encoding, 160)


def test_what_is_said_while_the_tape_is_masked_is_not_on_it() -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    leg.record()
    for masked in (False, True, False):
        leg.record(masked=masked)
        leg.speak(frame(7) * 10)
        for _ in range(10):
            desk.arrive(peer.say(frame(80)), ago=0.019)
            desk.step()
    leg.close()
    desk.step()
    received, sent = (b"".join(getattr(tape, side) for tape in desk.happened(Tape)) for side in ("received", "sent"))
    assert len(received) == len(sent) == 31 * 160
    hidden = slice(10 * 160, 20 * 160)
    assert set(received[hidden]) == set(sent[hidden]) == set(silence("pcmu", 1))
    assert frame(80)[0] in received[: hidden.start]
    assert frame(80)[0] in received[hidden.stop :]
    assert sent[: hidden.start] == frame(7) * 10
    assert sent[hidden.stop : 30 * 160] == frame(7) * 10


def test_to_mask_a_tape_changes_nothing_that_leaves() -> None:
    sent = []
    for recorded in (False, True):
        desk = Desk()
        leg = desk.open()
        leg.speak(frame(1) * 20)
        if recorded:
            desk.submit(Record(leg=1, masked=True))
        sent.append([each.packet for each in desk.step(30)])
    assert sent[0] == sent[1]
