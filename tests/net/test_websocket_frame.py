"""The frames that we write, read by the library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from sipagent.net.websocket_frame import text_frame


def read(data: bytes) -> Frame:
    """What a server reads, which insists on a mask."""
    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.receive_data(data)
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    return frame


@given(st.text())
def test_any_text_arrives(text: str) -> None:
    frame = read(text_frame(text))
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, text)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_every_form_of_the_length_is_read(length: int) -> None:
    assert len(read(text_frame("x" * length)).data) == length


def test_no_two_frames_have_the_same_mask() -> None:
    assert len({text_frame("x") for _ in range(100)}) == 100


def test_half_a_surrogate_pair_is_a_question_mark() -> None:
    assert bytes(read(text_frame("\ud83d!")).data) == b"?!"
