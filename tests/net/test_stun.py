"""STUN: the messages of RFC 5769, what is mangled, and asking one server until it answers."""

import asyncio
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sipagent.net.stun import RETRANSMISSIONS, StunClient, binding_request, is_stun, parse
from sipagent.sip.flow import Address
from sipagent.testing.clock import run

CORPORA = os.environ.get("SIPAGENT_CORPORA")
STUN = Path(CORPORA or "") / "stun"
SEEN = Address("192.0.2.1", 32853)
NEEDS_CORPORA = pytest.mark.skipif(not CORPORA, reason="SIPAGENT_CORPORA names no directory")


def attribute(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def message(kind: int, transaction: int, *attributes: bytes) -> bytes:
    body = b"".join(attributes)
    request = binding_request(transaction)
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + request[4:] + body


MAPPED = attribute(0x0001, b"\0\1\x80\x55\xc0\0\2\1")
XOR_MAPPED = attribute(0x0020, b"\0\1\xa1\x47\xe1\x12\xa6\x43")


@pytest.mark.parametrize("attributes", [(XOR_MAPPED,), (MAPPED,), (attribute(0x8022, b"abc"), MAPPED, XOR_MAPPED)])
def test_the_address_is_read_masked_or_plain(attributes: tuple[bytes, ...]) -> None:
    told = parse(message(0x0101, 7, *attributes))
    assert told is not None
    assert (told.kind, told.transaction, told.mapped, told.error) == (0x0101, 7, SEEN, 0)


def test_an_error_has_its_code() -> None:
    told = parse(message(0x0111, 7, attribute(0x0009, b"\0\0\4\x14Unauthenticated")))
    assert told is not None
    assert (told.mapped, told.error) == (None, 420)


def test_a_fingerprint_is_checked() -> None:
    before = message(0x0101, 7, XOR_MAPPED, bytes(8))[:-8]
    right = (zlib.crc32(before) ^ 0x5354554E).to_bytes(4, "big")
    assert parse(before + attribute(0x8028, right)) is not None
    assert parse(before + attribute(0x8028, bytes(4))) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"OPTIONS sip:a@b SIP/2.0\r\n\r\n",
        message(0x0101, 7, XOR_MAPPED)[:-1],
        message(0x0101, 7, XOR_MAPPED) + b"\0\0\0\0",
        message(0x0101, 7, XOR_MAPPED).replace(b"\x21\x12\xa4\x42", b"\0\0\0\0"),
        message(0x0101, 7, b"\0\x20\0\x09\0"),
        bytes([0x80]) + message(0x0101, 7)[1:],
    ],
)
def test_what_is_mangled_is_no_message(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"\0\1\0\0", b"\0\3\0\0\0\0\0\0", b"\0\2\0\0\0\0\0\0", b"\0\1" + bytes(18)]
)
def test_an_address_that_cannot_be_read_is_none(value: bytes) -> None:
    told = parse(message(0x0101, 7, attribute(0x0020, value)))
    assert told is not None
    assert told.mapped is None


@NEEDS_CORPORA
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("rfc5769-sample_ipv4_response.bin", SEEN),
        ("rfc5769-sample_ipv6_response.bin", Address("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
        ("rfc5769-sample_request.bin", None),
    ],
)
def test_the_samples_of_rfc_5769(name: str, seen: Address | None) -> None:
    told = parse((STUN / name).read_bytes())
    assert told is not None
    assert told.mapped == seen


@NEEDS_CORPORA
def test_whatever_the_corpora_hold_is_read_or_dropped() -> None:
    names = sorted(path.name for path in STUN.iterdir() if path.suffix != ".csv")
    read = [name for name in names if parse((STUN / name).read_bytes()) is not None]
    assert len(names) > 30
    assert {name for name in names if name.startswith("rfc5769")} <= set(read)


# ---- asking


class Server:
    """Answers the request of this number, and the ones after it."""

    def __init__(self, answer: Callable[[int], bytes], *, first: int = 1) -> None:
        self.times: list[float] = []
        self.client = StunClient(self._take, lambda: 0xC0FFEE)
        self._answer = answer
        self._first = first

    def _take(self, data: bytes) -> None:
        asked = parse(data)
        assert asked is not None
        assert asked.kind == 0x0001
        loop = asyncio.get_running_loop()
        self.times.append(loop.time())
        if len(self.times) >= self._first:
            loop.call_later(0.1, self.client.receive, self._answer(asked.transaction))


def ask(server: Server) -> Address | None:
    return run(server.client.ask())


def test_the_server_tells_our_address() -> None:
    assert ask(Server(lambda transaction: message(0x0101, transaction, XOR_MAPPED))) == SEEN


def test_a_lost_question_is_asked_again() -> None:
    server = Server(lambda transaction: message(0x0101, transaction, XOR_MAPPED), first=3)
    assert ask(server) == SEEN
    assert server.times == [0.0, 0.5, 1.5]


def test_a_server_that_is_silent_is_given_up() -> None:
    server = Server(lambda transaction: b"", first=99)
    assert ask(server) is None
    assert len(server.times) == len(RETRANSMISSIONS)


def test_an_answer_to_another_question_is_none_of_ours() -> None:
    assert ask(Server(lambda transaction: message(0x0101, transaction + 1, XOR_MAPPED))) is None


def test_a_refusal_tells_no_address() -> None:
    server = Server(lambda transaction: message(0x0111, transaction, attribute(0x0009, b"\0\0\4\0")))
    assert ask(server) is None
    assert len(server.times) == 1


def test_an_answer_that_comes_too_late_is_dropped() -> None:
    server = Server(lambda transaction: message(0x0101, transaction, XOR_MAPPED))
    server.client.receive(message(0x0101, 0xC0FFEE, XOR_MAPPED))
    assert ask(server) == SEEN
    server.client.receive(message(0x0101, 0xC0FFEE, XOR_MAPPED))


def test_sip_is_no_stun() -> None:
    assert not is_stun(b"INVITE sip:6001@192.0.2.1 SIP/2.0\r\n")
    assert is_stun(binding_request(1))
