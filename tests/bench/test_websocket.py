"""The stand-ins' half of RFC 6455, against the library that providers' clients use here."""

from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from sipagent.bench.websocket import CLOSE, PING, TEXT, ClientFrames, frame, read_upgrade, text_frame


def connected() -> ClientProtocol:
    """A client whose upgrade we have accepted."""
    client = ClientProtocol(parse_uri("ws://127.0.0.1/v1/realtime?model=x"))
    client.send_request(client.connect())
    upgrade = read_upgrade(b"".join(client.data_to_send()))
    assert upgrade is not None
    assert upgrade.path == "/v1/realtime?model=x"
    client.receive_data(upgrade.response)
    client.events_received()
    return client


def sent(client: ClientProtocol) -> bytes:
    return b"".join(client.data_to_send())


def test_the_upgrade_is_accepted_by_a_client() -> None:
    assert connected().state.name == "OPEN"


def test_what_is_no_upgrade_is_none() -> None:
    assert read_upgrade(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") is None
    assert read_upgrade(b"\r\nSec-WebSocket-Key: x\r\n\r\n") is None


def test_frames_of_every_size_are_read_whatever_they_are_cut_into() -> None:
    client = connected()
    texts = [b"", b"x" * 125, b"y" * 126, b"z" * 70_000]
    for text in texts:
        client.send_text(text)
    client.send_ping(b"p")
    client.send_close(1000)
    data, reader = sent(client), ClientFrames()
    pieces = [data[at : at + 1000] for at in range(0, 2000, 1000)] + [data[2000:]]
    frames = [each for piece in pieces for each in reader.feed(piece)]
    assert frames == [*((TEXT, text) for text in texts), (PING, b"p"), (CLOSE, b"\x03\xe8")]


def test_a_client_reads_our_frames() -> None:
    client = connected()
    for data in (frame(b"a" * 10), frame(b"b" * 300), frame(b"c" * 70_000), text_frame({"type": "done"})):
        client.receive_data(data)
    read = [(each.opcode, bytes(each.data)) for each in client.events_received()]  # type: ignore[union-attr]
    payloads = [b"a" * 10, b"b" * 300, b"c" * 70_000, b'{"type": "done"}']
    assert read == [(Opcode.TEXT, payload) for payload in payloads]
