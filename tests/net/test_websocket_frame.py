"""The frames that we write, read by the library; and those that it writes, cut by us wherever the network cuts them."""

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close as CloseFrame
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from sipagent.agent.interfaces import Close
from sipagent.net.websocket_connection import READ_SIZE, WebSocketConnection
from sipagent.net.websocket_frame import FrameCutter, text_frame

TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["x" * 125, "x" * 126, "x" * (1 << 16)]))
CUTS = st.lists(st.integers(-200, 400), max_size=20)


def server_frame(opcode: Opcode, payload: bytes, *, fin: bool = True, mask: bool = False) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=mask)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream, cut at these places and wherever a read is full."""
    places = sorted({*range(0, len(stream), READ_SIZE), len(stream), *(cut for cut in cuts if 0 < cut < len(stream))})
    return [stream[begin:end] for begin, end in pairwise(places)]


# ---- frames of ours


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


# ---- frames of a server


def test_a_text_that_comes_whole_is_told_and_any_other_frame_is_passed_on() -> None:
    text, ping = server_frame(Opcode.TEXT, b"text"), server_frame(Opcode.PING, b"text")
    part, masked = server_frame(Opcode.TEXT, b"te", fin=False), server_frame(Opcode.TEXT, b"text", mask=True)
    cut = FrameCutter().cut(text + ping + part + masked)
    assert [next(cut) for _ in range(3)] == [(text, 2), (ping, 0), (part, 0)]
    assert next(cut)[1] == 0


@given(st.lists(TEXTS, max_size=5), CUTS)
def test_texts_are_told_where_they_come_whole_and_nothing_is_lost(texts: list[str], cuts: list[int]) -> None:
    frames = [server_frame(Opcode.TEXT, text.encode()) for text in texts]
    cutter, came = FrameCutter(), list[tuple[bytes, int]]()
    for piece in pieces(b"".join(frames), cuts):
        came += cutter.cut(piece)
    assert b"".join(frame for frame, _ in came) == b"".join(frames)
    assert all(frame in frames and frame[begin:].decode() in texts for frame, begin in came if begin)
    if not cuts and len(b"".join(frames)) <= READ_SIZE:
        assert [frame[begin:].decode() for frame, begin in came] == texts


class Wire(asyncio.Transport):
    """What a connection writes to, and the server behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ServerProtocol()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.server.receive_data(bytes(data))

    def close(self) -> None:
        """Who is cut off is told by the test."""

    def get_write_buffer_size(self) -> int:
        return 0

    def accept(self) -> bytes:
        """What upgrades the client, whose request has come."""
        (request,) = self.server.events_received()
        assert isinstance(request, Request)
        self.server.send_response(self.server.accept(request))
        return b"".join(self.server.data_to_send())


async def talk(frames: bytes, cuts: list[int]) -> tuple[list[str], Close | None, int | None]:
    """What a client hears if frames follow the upgrade at once; how it ended; the code with which the client left.

    The network cuts what comes at so many octets behind the upgrade, or before its end.
    """
    connection, wire = WebSocketConnection(parse_uri("ws://server/")), Wire()
    connection.connection_made(wire)
    upgrade = asyncio.ensure_future(connection.upgrade({}))
    await asyncio.sleep(0)
    response = wire.accept()
    for piece in pieces(response + frames, [len(response) + cut for cut in cuts]):
        connection.get_buffer(-1)[: len(piece)] = piece
        connection.buffer_updated(len(piece))
    await upgrade
    connection.connection_lost(None)
    left = wire.server.close_rcvd
    code = left.code if left is not None else None
    return [text async for text in connection.frames()], connection.ended, code


MESSAGES = st.one_of(
    TEXTS.map(lambda text: ([text], server_frame(Opcode.TEXT, text.encode()))),
    st.just((["Grüezi"], server_frame(Opcode.TEXT, b"Gr\xc3", fin=False) + server_frame(Opcode.CONT, b"\xbcezi"))),
    st.just(
        (
            ["in parts"],
            server_frame(Opcode.TEXT, b"", fin=False)
            + server_frame(Opcode.PING, b"between")
            + server_frame(Opcode.CONT, b"in parts"),
        )
    ),
    st.just((list[str](), server_frame(Opcode.BINARY, b"binary"))),
    st.just((list[str](), server_frame(Opcode.PONG, b""))),
)
BROKE = Close(code=1006, reason="the connection broke", clean=False)
ENDS = st.sampled_from(
    [
        (b"", BROKE, None),
        (
            server_frame(Opcode.CLOSE, CloseFrame(4000, "enough").serialize()),
            Close(code=4000, reason="enough", clean=True),
            4000,
        ),
        (server_frame(Opcode.TEXT, b"\xff"), BROKE, 1007),
        (server_frame(Opcode.TEXT, b"a message", fin=False) + server_frame(Opcode.TEXT, b"in another"), BROKE, 1002),
        (server_frame(Opcode.TEXT, b"masked", mask=True), BROKE, 1002),
        (server_frame(Opcode.CONT, b"of nothing"), BROKE, 1002),
        (b"\x83\x00", BROKE, 1002),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), BROKE, 1009),
    ]
)
AFTERWARDS = server_frame(Opcode.TEXT, b"after the end")


@given(st.lists(MESSAGES, max_size=4), ENDS, CUTS)
def test_however_the_network_cuts_it_the_same_is_heard(
    messages: list[tuple[list[str], bytes]], end: tuple[bytes, Close, int | None], cuts: list[int]
) -> None:
    stream, ended, left = end
    frames = b"".join(frame for _, frame in messages) + stream + (AFTERWARDS if stream else b"")
    texts = [text for heard, _ in messages for text in heard]
    assert asyncio.run(talk(frames, cuts)) == (texts, ended, left)


def test_the_end_of_the_upgrade_may_come_with_a_part_of_the_first_frame() -> None:
    frame = server_frame(Opcode.TEXT, b"first")
    for before in range(4):
        for behind in range(len(frame)):
            assert asyncio.run(talk(frame, [-before, behind])) == (["first"], BROKE, None)
