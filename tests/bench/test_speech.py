"""The stand-in of Cartesia: audio as long as the text, a little ahead of its time, told frame by frame."""

import asyncio
import base64
import json
from typing import Any

from sipagent.bench import marks
from sipagent.bench.board import Board
from sipagent.bench.marks import FRAME, Kind
from sipagent.bench.realtime import LETTERS_A_SECOND
from sipagent.bench.speech import SECONDS, SpeechSession
from sipagent.testing import run
from tests.bench.frames import read

SENTENCE = "All of it left the warehouse yesterday at noon. "
"""48 letters: 3.2 s, which are four chunks."""


class Client:
    """The other end of a socket: keeps what comes, as JSON."""

    def __init__(self) -> None:
        self.board = Board()
        self.frames: list[dict[str, Any]] = []
        self.session = SpeechSession(self.board, lambda data: self.frames.extend(read(data)))
        self.session.open()

    def say(self, text: str, *, more: bool = False, context: str = "one") -> None:
        request = {"context_id": context, "transcript": text, "continue": more}
        self.session.receive(json.dumps(request).encode())

    def cancel(self, context: str = "one") -> None:
        self.session.receive(json.dumps({"context_id": context, "cancel": True}).encode())

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    @property
    def audio(self) -> bytes:
        return b"".join(base64.b64decode(frame["data"]) for frame in self.of("chunk"))


def test_a_text_is_spoken_as_long_as_it_takes_and_then_it_is_done() -> None:
    async def talk() -> None:
        client = Client()
        client.say(SENTENCE)
        assert len(client.of("chunk")) == 2
        await asyncio.sleep(len(SENTENCE) / LETTERS_A_SECOND)
        assert len(client.audio) / 8000 == len(SENTENCE) / LETTERS_A_SECOND
        assert [frame["type"] for frame in client.frames][-1] == "done"
        words = [word for frame in client.of("timestamps") for word in frame["word_timestamps"]["words"]]
        assert words == SENTENCE.split()

    run(talk())


def test_every_frame_says_which_it_is_and_the_first_of_which_utterance() -> None:
    async def talk() -> None:
        client = Client()
        client.say(SENTENCE, context="one")
        client.cancel("one")
        client.frames.clear()
        client.say(SENTENCE, context="two")
        await asyncio.sleep(5)
        frames = [client.audio[at : at + FRAME] for at in range(0, len(client.audio), FRAME)]
        read_back = [mark for frame in frames if (mark := marks.read(frame)) is not None]
        assert read_back[0] == (Kind.FIRST, 2, 0)
        assert [mark.number for mark in read_back] == list(range(len(frames)))
        assert [number for number, _ in client.board.spoken] == [1, 2]

    run(talk())


def test_a_text_that_goes_on_is_one_utterance_and_is_waited_for() -> None:
    async def talk() -> None:
        client = Client()
        client.say(SENTENCE, more=True)
        await asyncio.sleep(20)
        assert not client.of("done")
        client.say(SENTENCE, more=True)
        client.say("")
        await asyncio.sleep(20)
        assert len(client.of("done")) == 1
        assert len(client.audio) / 8000 == 2 * len(SENTENCE) / LETTERS_A_SECOND
        assert len(client.board.spoken) == 1

    run(talk())


def test_the_voice_leads_by_less_than_two_seconds() -> None:
    async def talk() -> None:
        client = Client()
        client.say(SENTENCE * 10)
        for second in range(20):
            assert SECONDS <= len(client.audio) / 8000 - second <= 2
            await asyncio.sleep(1)
        client.session.close()

    run(talk())


def test_nothing_comes_of_what_was_cancelled() -> None:
    async def talk() -> None:
        client = Client()
        client.say(SENTENCE)
        client.cancel()
        client.cancel("never heard of")
        client.frames.clear()
        await asyncio.sleep(10)
        assert client.frames == []

    run(talk())
