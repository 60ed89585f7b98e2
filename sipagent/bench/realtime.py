"""A stand-in of OpenAI Realtime that costs next to nothing: it answers with one endless text, and counts what it hears.

    append ─► counted, marks timed      response.create ─► response.created, text at the pace at which it is spoken
    barge_in ─► speech_started … speech_stopped, and the next endless answer

Frames and their order are those of a session with server VAD and text answers.
"""

import asyncio
import binascii
import itertools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from sipagent.bench import marks
from sipagent.bench.board import Board
from sipagent.bench.websocket import frame, text_frame

SENTENCE = "I have looked it up for you, and all of it left the warehouse yesterday at noon. "
LETTERS_A_SECOND = 15
WRITES_A_SECOND = 1
LEAD = 10.0
"""Seconds of speech by which the text is ahead of the voice: models write quicker than anybody speaks."""
TURN = 0.6
"""Seconds that a caller speaks who barges in."""

_WORDS = [f"{word} " for word in SENTENCE.split()]
_APPEND = b'"input_audio_buffer.append"'

Send = Callable[[bytes], None]


class RealtimeSession:
    """One session. `send` takes bytes of WebSocket frames."""

    def __init__(self, board: Board, send: Send) -> None:
        self.call = 0
        """Whose audio comes; 0 while no mark has."""
        self._board = board
        self._send = send
        self._ids = itertools.count(1)
        self._response: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._letters = 0
        self._word = 0
        self._began = 0.0

    def open(self) -> None:
        """The socket stands."""
        self._tell("session.created", session={"type": "realtime", "object": "realtime.session"})

    def close(self) -> None:
        """The socket is gone."""
        self._stop_writing()

    def receive(self, payload: bytes) -> None:
        """Take a text frame of the client."""
        if payload.find(_APPEND, 0, 64) > 0:
            self._append(payload)
            return
        event = json.loads(payload)
        match event.get("type"):
            case "session.update":
                self._tell("session.updated", session=event["session"])
            case "response.create":
                self._answer(event.get("response", {}).get("metadata"))
            case "response.cancel" if self._response:
                self._end_answer()
            case "conversation.item.create":
                self._tell("conversation.item.added", item=event["item"], previous_item_id=None)
                self._tell("conversation.item.done", item=event["item"], previous_item_id=None)

    def barge_in(self) -> None:
        """The caller speaks: whatever is said must stop. Then comes the next answer."""
        self._board.stopped.append((self.call, time.time_ns()))
        self._tell("input_audio_buffer.speech_started", item_id=self._id("item"), audio_start_ms=0)
        if self._response:
            self._end_answer()
        asyncio.get_running_loop().call_later(TURN, self._end_turn)

    def _append(self, payload: bytes) -> None:
        audio = binascii.a2b_base64(payload.rsplit(b'"', 2)[1])  # which is the last of its fields
        self._board.appends += 1
        self._board.audio_bytes += len(audio)
        if (mark := marks.find(audio)) is not None and mark.kind is marks.Kind.CALLER:
            self.call = mark.owner
            self._board.heard.append((mark.owner, mark.number, time.time_ns()))

    def _end_turn(self) -> None:
        item_id = self._id("item")
        item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
        self._tell("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=0)
        self._tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        self._tell("conversation.item.added", item=item, previous_item_id=None)
        self._tell("conversation.item.done", item=item, previous_item_id=None)
        transcribed = "conversation.item.input_audio_transcription.completed"
        self._tell(transcribed, item_id=item_id, content_index=0, transcript="And where is it now?")
        self._answer(None)

    # ---- the endless answer

    def _answer(self, metadata: Mapping[str, Any] | None) -> None:
        """Begin an answer. One that is being given ends: a key was pressed, and then the turn was over, or so."""
        if self._response:
            self._end_answer()
        response_id, item_id = self._id("resp"), self._id("item")
        self._response = {"response_id": response_id, "item_id": item_id}
        response = {"id": response_id, "object": "realtime.response", "status": "in_progress", "metadata": metadata}
        self._tell("response.created", response={**response, "output": []})
        self._tell("conversation.item.added", item=self._item("in_progress"), previous_item_id=None)
        self._began = asyncio.get_running_loop().time()
        self._letters = self._word = 0
        self._write()

    def _write(self) -> None:
        """Write as much as is spoken until the next time, and LEAD more: one write, as if the network bunched it."""
        loop = asyncio.get_running_loop()
        until = (loop.time() - self._began + LEAD + 1 / WRITES_A_SECOND) * LETTERS_A_SECOND
        deltas = []
        while self._letters < until:
            word = _WORDS[self._word % len(_WORDS)]
            deltas.append(self._delta(word))
            self._letters += len(word)
            self._word += 1
        self._send(b"".join(deltas))
        self._timer = loop.call_later(1 / WRITES_A_SECOND, self._write)

    def _delta(self, word: str) -> bytes:
        event = {"type": "response.output_text.delta", "event_id": self._id("event"), **self._response}
        return text_frame({**event, "output_index": 0, "content_index": 0, "delta": word, "obfuscation": "Xq7"})

    def _end_answer(self) -> None:
        self._stop_writing()
        self._tell("conversation.item.done", item=self._item("incomplete"), previous_item_id=None)
        response = {"id": self._response["response_id"], "object": "realtime.response", "status": "cancelled"}
        self._tell("response.done", response={**response, "output": []})
        self._response = {}

    def _item(self, status: str) -> dict[str, object]:
        item = {"id": self._response["item_id"], "type": "message", "role": "assistant", "status": status}
        return {**item, "content": []}

    def _stop_writing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, type: str, **fields: object) -> None:
        event = {"type": type, "event_id": self._id("event"), **fields}
        self._send(frame(json.dumps(event).encode()))

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._ids):021d}"
