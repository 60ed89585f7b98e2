"""A stand-in of Cartesia's TTS that costs next to nothing: chunks encoded beforehand, a second ahead of their time.

A context is as long as its text. Its audio is marked: frame by frame it can be told at the caller's end.
"""

import asyncio
import base64
import functools
import json
import time
from dataclasses import dataclass, field

from sipagent.audio.encoding import PCM, PCMA, PCMU, convert
from sipagent.bench import marks
from sipagent.bench.board import Board
from sipagent.bench.marks import Kind
from sipagent.bench.realtime import LETTERS_A_SECOND, Send
from sipagent.bench.websocket import frame

FRAMES = 40
"""Of a chunk: 0.8 s, which makes 8 KiB of base64."""
SECONDS = FRAMES * 0.02
_ENCODINGS = {"pcm_mulaw": PCMU, "pcm_alaw": PCMA, "pcm_s16le": PCM}
"""Cartesia's names."""
AHEAD = 1
"""Chunks that are sent before their time: the voice leads by one to two of them."""


@dataclass(slots=True, kw_only=True)
class Context:
    """An utterance: its text so far, and the chunks that were sent of it."""

    number: int
    began: float
    encoding: str = PCMU
    words: list[tuple[str, float, float]] = field(default_factory=list)
    """Not told yet, with their begin and end in seconds."""
    letters: int = 0
    is_whole: bool = False
    sent: int = 0
    timer: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        """More text came."""
        for word in text.split():
            begin = self.letters / LETTERS_A_SECOND
            self.letters += len(word) + 1
            self.words.append((word, begin, self.letters / LETTERS_A_SECOND))

    @property
    def chunks(self) -> int:
        """How many chunks there can be: the last one of a whole text is filled up."""
        count, rest = divmod(self.letters / LETTERS_A_SECOND, SECONDS)
        return int(count) + (self.is_whole and rest > 0)


class SpeechSession:
    """One socket with any number of contexts. `send` takes bytes of WebSocket frames."""

    def __init__(self, board: Board, send: Send) -> None:
        self._board = board
        self._send = send
        self._contexts: dict[str, Context] = {}

    def open(self) -> None:
        """The socket stands."""

    def close(self) -> None:
        """The socket is gone."""
        for name in tuple(self._contexts):
            self._forget(name)

    def receive(self, payload: bytes) -> None:
        """Take a text frame of the client."""
        request = json.loads(payload)
        name = request["context_id"]
        if request.get("cancel"):
            self._forget(name)
            return
        if name not in self._contexts:
            now = asyncio.get_running_loop().time()
            encoding = _ENCODINGS[request.get("output_format", {}).get("encoding", "pcm_mulaw")]
            self._contexts[name] = Context(number=next(self._board.utterances), began=now, encoding=encoding)
        context = self._contexts[name]
        context.add(request["transcript"])
        context.is_whole = not request.get("continue")
        if context.timer is None:
            self._speak(name)

    def _speak(self, name: str) -> None:
        """Send what is due; come again when the next is, unless the text for it has not come."""
        context = self._contexts[name]
        context.timer = None
        loop = asyncio.get_running_loop()
        while context.sent < context.chunks:
            due = context.began + (context.sent - AHEAD) * SECONDS
            if due > loop.time():
                context.timer = loop.call_at(due, self._speak, name)
                return
            self._send_chunk(name, context)
        if context.is_whole:
            self._send(_frame(f'{{"type":"done","done":true,"status_code":200,"context_id":"{name}"}}'))
            self._forget(name)

    def _send_chunk(self, name: str, context: Context) -> None:
        sent, encoding = context.sent, context.encoding
        data = _chunk(sent, encoding) if sent else _first_chunk(context.number, encoding)
        if not context.sent:
            self._board.spoken.append((context.number, time.time_ns()))
        head = '{"type":"chunk","done":false,"status_code":206,"step_time":21.5,"context_id":"'
        self._send(_frame(f'{head}{name}","data":"{data}"}}'))
        self._board.chunks += 1
        context.sent += 1
        until = context.sent * SECONDS
        told = [word for word in context.words if word[1] < until]
        context.words = context.words[len(told) :]
        if told:
            words, begins, ends = zip(*told, strict=True)
            times = {"words": words, "start": begins, "end": ends}
            said = {"type": "timestamps", "done": False, "status_code": 206, "context_id": name}
            self._send(_frame(json.dumps({**said, "word_timestamps": times})))

    def _forget(self, name: str) -> None:
        context = self._contexts.pop(name, None)
        if context is not None and context.timer is not None:
            context.timer.cancel()


def _frame(text: str) -> bytes:
    return frame(text.encode())


def _first_chunk(context: int, encoding: str) -> str:
    """The first chunk, whose first frame says of which context it is."""
    return _encoded(marks.frame(Kind.FIRST, context, 0) + _voice(1, FRAMES), encoding)


@functools.cache
def _chunk(number: int, encoding: str) -> str:
    """Any other: the same in every context."""
    return _encoded(_voice(number * FRAMES, (number + 1) * FRAMES), encoding)


def _voice(begin: int, end: int) -> bytes:
    return b"".join(marks.frame(Kind.VOICE, 0, number) for number in range(begin, end))


def _encoded(audio: bytes, encoding: str) -> str:
    """Marks are frames of G.711, read by either law; in linear audio they are only as long."""
    if encoding == PCM:
        audio = convert(audio, PCMU, PCM)
    return base64.b64encode(audio).decode("ascii")
