"""The stand-in of OpenAI Realtime: an endless answer at the pace of speech, and everything that is heard is counted."""

import asyncio
import base64
import json
from typing import Any

from sipagent.bench import marks
from sipagent.bench.board import Board
from sipagent.bench.marks import Kind
from sipagent.bench.realtime import LEAD, LETTERS_A_SECOND, TURN, RealtimeSession
from sipagent.providers.openai_uplink import append_frame
from sipagent.testing import run
from tests.bench.frames import read


class Client:
    """The other end of a session: keeps what comes, as JSON."""

    def __init__(self) -> None:
        self.board = Board()
        self.frames: list[dict[str, Any]] = []
        self.session = RealtimeSession(self.board, lambda data: self.frames.extend(read(data)))
        self.session.open()

    def send(self, type: str, **fields: object) -> None:
        self.session.receive(json.dumps({"type": type, **fields}).encode())

    def kinds(self) -> list[str]:
        """What came since the last look, deltas left out."""
        kinds = [frame["type"] for frame in self.frames if not frame["type"].endswith(".delta")]
        self.frames.clear()
        return kinds

    def text(self) -> str:
        """What was said so far, in every answer."""
        return "".join(frame.get("delta", "") for frame in self.frames)


def test_a_session_is_set_up_and_answers_without_end_at_the_pace_of_speech() -> None:
    async def talk() -> None:
        client = Client()
        client.send("session.update", session={"type": "realtime"})
        client.send("response.create", response={"metadata": {"request": "1"}})
        assert client.kinds() == ["session.created", "session.updated", "response.created", "conversation.item.added"]
        client.send("response.cancel")
        client.send("response.create", response={})
        client.frames.clear()
        await asyncio.sleep(60.5)
        assert abs(len(client.text()) - 61 * LETTERS_A_SECOND) < 2 * LETTERS_A_SECOND
        client.session.close()

    run(talk())


def test_an_answer_ends_when_the_next_one_begins() -> None:
    async def talk() -> None:
        client = Client()
        client.send("response.create")
        client.kinds()
        client.send("response.create")
        assert client.kinds() == [
            *("conversation.item.done", "response.done", "response.created", "conversation.item.added")
        ]
        await asyncio.sleep(60.5)
        assert abs(len(client.text()) - 61 * LETTERS_A_SECOND) < 2 * LETTERS_A_SECOND
        client.session.close()

    run(talk())


def test_the_text_leads_the_voice_by_some_seconds() -> None:
    async def talk() -> None:
        client = Client()
        client.send("response.create")
        assert LEAD <= len(client.text()) / LETTERS_A_SECOND <= LEAD + 2
        assert client.frames[1]["response"]["metadata"] is None
        client.session.close()

    run(talk())


def test_audio_is_counted_and_marks_in_it_are_timed() -> None:
    client = Client()
    audio = b"\xff" * 99 + marks.frame(Kind.CALLER, 12, 400)
    client.session.receive(append_frame(audio).encode())
    client.send("input_audio_buffer.append", audio=base64.b64encode(b"\xff" * 320).decode())
    assert client.session.call == 12
    assert [(call, number) for call, number, _ in client.board.heard] == [(12, 400)]
    counted = client.board.take()
    assert (counted["appends"], counted["audio_bytes"]) == (2, 259 + 320)
    assert client.board.take() == Board().take()


def test_who_barges_in_ends_the_answer_and_gets_another() -> None:
    async def talk() -> None:
        client = Client()
        client.send("response.create")
        client.kinds()
        client.session.barge_in()
        assert client.kinds() == ["input_audio_buffer.speech_started", "conversation.item.done", "response.done"]
        assert len(client.board.stopped) == 1
        await asyncio.sleep(TURN + 0.1)
        assert client.kinds()[-2:] == ["response.created", "conversation.item.added"]
        client.session.close()

    run(talk())
