"""One connection, on virtual time and a stream in memory: pings, and the end of peers that stall or do not read."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sipagent.net.connection import BACKLOG, IDLE, STALLED, Connection
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.framing import PING, PONG
from sipagent.testing.clock import run

FLOW = Flow(transport=Transport.TCP, local=Address("192.0.2.1", 5060), remote=Address("192.0.2.2", 40000), connection=1)
OPTIONS = b"OPTIONS sip:us@192.0.2.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"OPTIONS sip:us@192.0.2.1 SIP/2.0\r\nContent-Length: six\r\n\r\n"


class Wire(asyncio.Transport):
    """A connection in memory. With `is_stuck` its far end reads nothing."""

    def __init__(self, *, is_stuck: bool = False) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self._is_stuck = is_stuck

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return len(self.written) if self._is_stuck else 0

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Stage:
    """A connection, its wire, what came by it, and why it was lost."""

    def __init__(
        self, *, answers_pings: bool = True, is_stuck: bool = False, on_receive: Callable[[], None] | None = None
    ) -> None:
        self.wire = Wire(is_stuck=is_stuck)
        self.received: list[tuple[bytes, Flow]] = []
        self.lost: list[str] = []
        self._on_receive = on_receive
        self.connection = Connection(
            lambda _: FLOW, self._take, lambda _, reason: self.lost.append(reason), answers_pings=answers_pings
        )

    def open(self) -> "Stage":
        self.connection.connection_made(self.wire)
        return self

    def _take(self, data: bytes, flow: Flow) -> None:
        self.received.append((data, flow))
        if self._on_receive is not None:
            self._on_receive()


async def after(stage: Stage, seconds: float) -> list[str]:
    """Look at the clock when so much time has passed; why the connection was lost, if it was."""
    await asyncio.sleep(seconds)
    stage.connection.look_at_the_clock()
    return stage.lost


def test_a_message_comes_with_its_flow() -> None:
    async def main() -> None:
        stage = Stage().open()
        stage.connection.data_received(OPTIONS[:20])
        stage.connection.data_received(OPTIONS[20:] + OPTIONS)
        assert stage.received == [(OPTIONS, FLOW), (OPTIONS, FLOW)]

    run(main())


def test_what_is_sent_before_the_connection_stands_leaves_when_it_does() -> None:
    async def main() -> None:
        stage = Stage()
        stage.connection.send(b"one", FLOW)
        stage.connection.send(b"two", FLOW)
        assert stage.wire.written == b""
        stage.open()
        assert stage.wire.written == b"onetwo"

    run(main())


@pytest.mark.parametrize(("answers_pings", "answer"), [(True, PONG), (False, b"")])
def test_who_was_connected_to_answers_pings(answers_pings: bool, answer: bytes) -> None:
    async def main() -> None:
        stage = Stage(answers_pings=answers_pings).open()
        stage.connection.data_received(PING)
        assert (stage.received, stage.wire.written) == ([], answer)

    run(main())


def test_a_stream_out_of_step_is_closed_after_its_last_answer() -> None:
    async def main() -> None:
        stage = Stage(on_receive=lambda: stage.connection.send(b"400", FLOW)).open()
        stage.connection.data_received(BROKEN + OPTIONS)
        assert [data for data, _ in stage.received] == [BROKEN]
        assert (stage.wire.written, stage.wire.is_closed) == (b"400", True)
        stage.connection.connection_lost(None)
        assert stage.lost == ["a Content-Length that cannot be read, or is too large"]

    run(main())


def test_a_loss_is_told_once_with_its_reason() -> None:
    async def main() -> None:
        stage = Stage().open()
        stage.connection.connection_lost(ConnectionResetError("Connection reset by peer"))
        stage.connection.end("again")
        assert stage.lost == ["Connection reset by peer"]

    run(main())


def test_a_peer_that_closes_is_named() -> None:
    async def main() -> None:
        stage = Stage().open()
        stage.connection.eof_received()
        assert stage.lost == ["the peer has closed the connection"]
        stage.connection.connection_lost(None)
        assert stage.lost == ["the peer has closed the connection"]

    run(main())


@pytest.mark.parametrize("stands", [True, False])
def test_a_peer_that_does_not_read_loses_the_connection(stands: bool) -> None:
    async def main() -> None:
        stage = Stage(is_stuck=True)
        if stands:
            stage.open()
        for _ in range(BACKLOG // 1000 + 1):
            stage.connection.send(bytes(1000), FLOW)
        assert stage.lost == ["the peer does not read what we send"]

    run(main())


# ---- time


def test_a_peer_that_says_nothing_at_first_is_ended() -> None:
    async def main() -> None:
        stage = Stage().open()
        assert await after(stage, STALLED - 1) == []
        assert await after(stage, 2) == ["a message that does not come to its end"]
        assert stage.wire.is_closed

    run(main())


def test_a_message_has_half_a_minute_to_come_to_its_end() -> None:
    async def main() -> None:
        stage = Stage().open()
        stage.connection.data_received(OPTIONS + OPTIONS[:20])
        assert await after(stage, STALLED - 1) == []
        assert await after(stage, 2) == ["a message that does not come to its end"]

    run(main())


def test_a_peer_that_has_spoken_may_be_silent_for_an_hour() -> None:
    async def main() -> None:
        stage = Stage().open()
        stage.connection.data_received(OPTIONS)
        assert await after(stage, IDLE - 1) == []
        assert await after(stage, 2) == ["nothing was said for an hour"]

    run(main(), limit=2 * IDLE)


def test_a_ping_of_either_side_is_a_word() -> None:
    async def main() -> None:
        stage = Stage().open()
        stage.connection.data_received(OPTIONS)
        assert await after(stage, IDLE - 1) == []
        stage.connection.data_received(PING)
        assert await after(stage, IDLE - 1) == []
        stage.connection.send(PING, FLOW)
        assert await after(stage, IDLE - 1) == []

    run(main(), limit=4 * IDLE)
