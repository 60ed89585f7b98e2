"""Taps: what is taken down of a call, from its first datagram on, and what never is."""

import asyncio
from collections.abc import Mapping

import pytest

from sipagent.errors import ProviderError
from sipagent.media import TickRecord
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.tap import TappedIds, TappedSocket, Taps, without_keys
from sipagent.testing.clock import run
from sipagent.testing.providers import Fault, ScriptedOpenAI
from tests.exchange import Exchange
from tests.test_call import listen

FLOW = Flow(transport=Transport.UDP, local=Address("127.0.0.1", 5060), remote=Address("127.0.0.2", 5060))


class Notebook:
    """A tap that keeps what it is told, in short."""

    def __init__(self, call_id: str = "") -> None:
        self.call_id = call_id
        self.lines: list[str] = []
        self.notes: list[tuple[str, Mapping[str, object]]] = []
        self.ticks = 0
        self.closed = 0

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        self.lines.append(f"{'>' if sent else '<'} {data.split(b' SIP/2.0')[0].decode().split(chr(13))[0]}")

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        self.lines.append(f"{'>' if sent else '<'} {provider} {text}")

    def tick(self, record: TickRecord, time: float) -> None:
        self.ticks += 1

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        self.notes.append((kind, data))

    def close(self) -> None:
        self.closed += 1


class Shelf:
    """Makes a notebook for each call."""

    def __init__(self) -> None:
        self.books: dict[str, Notebook] = {}

    def __call__(self, call_id: str) -> Notebook:
        self.books[call_id] = Notebook(call_id)
        return self.books[call_id]


def datagram(taps: Taps, call_id: str, line: str) -> None:
    taps.record(call_id, lambda tap: tap.datagram(sent=False, flow=FLOW, data=line.encode(), time=0.0))


def test_what_came_before_the_call_was_accepted_is_kept() -> None:
    shelf = Shelf()
    taps = Taps(shelf)
    datagram(taps, "one", "INVITE sip:a@b")
    datagram(taps, "other", "OPTIONS sip:a@b")
    taps.open("one")
    datagram(taps, "one", "ACK sip:a@b")
    assert list(shelf.books) == ["one"]
    assert shelf.books["one"].lines == ["< INVITE sip:a@b", "< ACK sip:a@b"]


def test_strangers_are_forgotten() -> None:
    shelf = Shelf()
    taps = Taps(shelf)
    datagram(taps, "one", "INVITE sip:a@b")
    taps.forget_strangers()
    taps.open("one")
    assert shelf.books["one"].lines == []


def test_a_call_is_closed_once() -> None:
    shelf = Shelf()
    taps = Taps(shelf)
    taps.open("one")
    taps.close("one")
    taps.close("one")
    datagram(taps, "one", "BYE sip:a@b")
    assert shelf.books["one"].closed == 1
    assert shelf.books["one"].lines == []


def test_one_tap_may_have_everything() -> None:
    everything = Notebook()
    taps = Taps(None, everything)
    datagram(taps, "one", "INVITE sip:a@b")
    datagram(taps, "", "nothing of a call")
    taps.open("one")
    taps.close("one")
    assert len(everything.lines) == 2
    assert everything.closed == 0


@pytest.mark.parametrize(
    ("taps", "wanted"), [(Taps(None), False), (Taps(Shelf()), True), (Taps(None, Notebook()), True)]
)
def test_whether_anybody_listens(taps: Taps, wanted: bool) -> None:
    assert taps.wanted is wanted


class Sequence:
    """Ids by number."""

    def token(self, kind: str, scope: str = "") -> str:
        return f"{kind}-1"

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        return bits


def test_draws_of_a_call_are_taken_down() -> None:
    shelf = Shelf()
    taps = Taps(shelf)
    taps.open("one")
    ids = TappedIds(Sequence(), taps)
    assert ids.token("tag", "one") == "tag-1"
    assert ids.number("ssrc", 32, "one") == 32
    assert ids.token("tag") == "tag-1"
    assert shelf.books["one"].notes == [
        ("id", {"what": "tag", "value": "tag-1"}),
        ("id", {"what": "ssrc", "value": 32}),
    ]


def test_a_key_is_drawn_and_not_taken_down() -> None:
    shelf = Shelf()
    taps = Taps(shelf)
    taps.open("one")
    assert TappedIds(Sequence(), taps).key(30, "one") == (240).to_bytes(30, "big")
    assert shelf.books["one"].notes == [("id", {"what": "srtp-key", "value": 0})]


def test_a_datagram_is_kept_without_its_keys_and_as_long_as_it_was() -> None:
    line = b"a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:%s|2^20|1:4\r\n"
    kept = without_keys(
        b"INVITE\r\n\r\n" + line % (b"qX+/" * 15 + b"0w==") + line.replace(b"inline", b"INLINE") % b"Pq"
    )
    assert kept == b"INVITE\r\n\r\n" + line % (b"A" * 62 + b"==") + line.replace(b"inline", b"INLINE") % b"AA"
    assert without_keys(b"nothing of the kind") == b"nothing of the kind"


def test_frames_are_taken_down_and_headers_with_the_key_are_not() -> None:
    async def main() -> Notebook:
        book, openai = Notebook(), ScriptedOpenAI()
        loop = asyncio.get_running_loop()
        socket = TappedSocket(openai.open_socket(), name="openai", record=lambda entry: entry(book), now=loop.time)
        await socket.open("ws://127.0.0.1/v1/realtime", {"Authorization": "Bearer sk-very-secret"})
        socket.send('{"type": "response.cancel"}')
        frames = socket.frames()
        await anext(frames)
        openai.connections[0].drop(1001, "going away")
        _ = [frame async for frame in frames]
        assert socket.ended is not None
        assert socket.ended.code == 1001
        return book

    book = run(main())
    sent, received, *_ = book.lines
    assert sent == '> openai {"type": "response.cancel"}'
    assert received.startswith('< openai {"type": "session.created"')
    assert book.notes == [
        ("open", {"provider": "openai", "url": "ws://127.0.0.1/v1/realtime"}),
        ("close", {"provider": "openai", "code": 1001, "reason": "going away", "clean": True}),
    ]
    assert "sk-very-secret" not in str(book.lines) + str(book.notes)


def test_a_refused_socket_is_taken_down() -> None:
    async def main() -> Notebook:
        book, openai = Notebook(), ScriptedOpenAI(faults=[Fault(refuse=401)])
        loop = asyncio.get_running_loop()
        socket = TappedSocket(openai.open_socket(), name="openai", record=lambda entry: entry(book), now=loop.time)
        with pytest.raises(ProviderError):
            await socket.open("ws://127.0.0.1/v1/realtime", {})
        return book

    ((kind, data),) = run(main()).notes
    assert (kind, data["provider"], data["status"]) == ("refused", "openai", 401)


def test_a_phone_takes_down_its_calls_from_the_invite_to_the_bye() -> None:
    shelf = Shelf()

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(1)
        await exchange.handset.hangs_up()

    Exchange(listen, tap=shelf).tell(story)
    (book,) = shelf.books.values()
    assert book.lines[0] == "< INVITE sip:6001@127.0.0.1"
    assert [line for line in book.lines if "BYE" in line] == ["< BYE sip:6001@127.0.0.1"]
    assert book.closed == 1
    assert 50 <= book.ticks <= 53
    kinds = [kind for kind, _ in book.notes]
    assert {"id", "account", "leg"} <= set(kinds)
