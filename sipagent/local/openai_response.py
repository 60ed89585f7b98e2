"""One response of OpenAI Realtime as it is generated: its outputs in their order, its pace, and its end.

created ─► for each output: added ─► delta… ─► done ─► response.done ─► rate_limits.updated
"""

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sipagent.local.openai_conversation import Conversation, Item, message
from sipagent.local.openai_output import AUDIO, CALL, TEXT, Emit, Kind, Output

AUDIO_CHUNK = 0.2
"""Seconds of audio in a delta."""
AUDIO_PACE = 5
"""Audio comes this many times faster than it plays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says and does: text, and a function call with its arguments as JSON; either may be empty."""

    text: str = ""
    tool: str = ""
    arguments: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast tokens come, in seconds. A real model takes 0.2 to 0.5 to the first; the demo need not imitate that."""

    first_token: float = 0.02
    token_min: float = 0.01
    token_max: float = 0.03


class Speaker(Protocol):
    """Turns the text of an audio response into sound."""

    def audio(self, text: str) -> bytes:
        """Return the spoken text in the session's output format."""

    @property
    def bytes_per_second(self) -> int:
        """Of that format."""


class Response:
    """A response from `response.created` to `response.done`. `speaker` is None for text output.

    `parameters`: output_modalities, max_output_tokens, format, voice, and what `response.create` gave.
    """

    def __init__(
        self,
        *,
        emit: Emit,
        new_id: Callable[[str], str],
        conversation: Conversation,
        parameters: Mapping[str, Any],
        speaker: Speaker | None,
        pace: Pace,
    ) -> None:
        self._emit, self._new_id, self._speaker, self._pace = emit, new_id, speaker, pace
        self._conversation = conversation if parameters.get("conversation", "auto") == "auto" else None
        self._tokens = 0
        self._open: Output | None = None
        self._task: asyncio.Task[None] | None = None
        self._random = random.Random(0)
        self.value: dict[str, Any] = {
            "id": new_id("resp"),
            "object": "realtime.response",
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": self._conversation.id if self._conversation else None,
            "output_modalities": parameters["output_modalities"],
            "max_output_tokens": parameters["max_output_tokens"],
            "audio": {"output": {"format": parameters["format"], "voice": parameters["voice"]}},
            "metadata": parameters.get("metadata"),
            "usage": None,
        }

    @property
    def id(self) -> str:
        """`resp_…`"""
        return str(self.value["id"])

    @property
    def is_over(self) -> bool:
        """`response.done` has been emitted."""
        return bool(self.value["status"] != "in_progress")

    def start(self, answer: Awaitable[Answer]) -> None:
        """Emit `response.created`; the rest follows when the answer is known."""
        self._emit("response.created", response=copy.deepcopy(self.value))
        self._task = asyncio.create_task(self._generate(answer))

    def cancel(self, reason: str) -> None:
        """End it now, with what was said so far: `turn_detected` or `client_cancelled`."""
        if self._task is not None:
            self._task.cancel()
        self._cut_short("cancelled", reason)

    async def _generate(self, answering: Awaitable[Answer]) -> None:
        answer = await asyncio.shield(answering)
        await asyncio.sleep(self._pace.first_token)
        try:
            if answer.text:
                await self._say(answer.text)
            if answer.tool:
                await self._call(answer.tool, answer.arguments)
        except _TokenLimitReached:
            self._cut_short("incomplete", "max_output_tokens")
        else:
            self._finish("completed", None)

    async def _say(self, text: str) -> None:
        item = message(self._new_id("item"), "assistant", status="in_progress")
        output = self._begin(TEXT if self._speaker is None else AUDIO, item)
        if self._speaker is not None:
            await self._stream_audio(output, text, self._speaker)
        await self._stream(output, text)
        self._complete(output)

    async def _call(self, name: str, arguments: str) -> None:
        item = {"id": self._new_id("item"), "object": "realtime.item", "type": "function_call", "status": "in_progress"}
        output = self._begin(CALL, {**item, "name": name, "call_id": self._new_id("call"), "arguments": ""})
        await self._stream(output, arguments)
        self._complete(output)

    def _begin(self, kind: Kind, item: Item) -> Output:
        self._open = Output(
            kind=kind,
            item=item,
            emit=self._emit,
            response_id=self.id,
            index=len(self.value["output"]),
            conversation=self._conversation,
        )
        self.value["output"].append(item)
        return self._open

    def _complete(self, output: Output) -> None:
        output.close("completed")
        self._open = None

    async def _stream(self, output: Output, text: str) -> None:
        limit = self.value["max_output_tokens"]
        for token in tokens(text, self._random):
            if isinstance(limit, int) and self._tokens >= limit:
                raise _TokenLimitReached
            self._tokens += 1
            output.grow(token)
            await asyncio.sleep(self._random.uniform(self._pace.token_min, self._pace.token_max))

    async def _stream_audio(self, output: Output, text: str, speaker: Speaker) -> None:
        audio = speaker.audio(text)
        step = int(AUDIO_CHUNK * speaker.bytes_per_second)
        for start in range(0, len(audio), step):
            output.grow_audio(audio[start : start + step])
            if self._conversation is not None:
                sent = min(len(audio), start + step)
                self._conversation.note_audio(output.item["id"], sent * 1000 // speaker.bytes_per_second)
            await asyncio.sleep(AUDIO_CHUNK / AUDIO_PACE)

    def _cut_short(self, status: str, reason: str) -> None:
        if self._open is not None:
            self._open.close("incomplete")
        self._finish(status, {"type": status, "reason": reason})

    def _finish(self, status: str, details: dict[str, Any] | None) -> None:
        self.value.update(status=status, status_details=details, usage=_usage(self._tokens))
        self._emit("response.done", response=copy.deepcopy(self.value))
        self._emit("rate_limits.updated", rate_limits=_RATE_LIMITS)


class _TokenLimitReached(Exception):
    """The response has used its `max_output_tokens`."""


def tokens(text: str, chance: random.Random) -> Iterator[str]:
    """Cut a text into pieces of three to eight characters; together they are the text."""
    while text:
        length = chance.randint(3, 8)
        yield text[:length]
        text = text[length:]


_RATE_LIMITS = [
    {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 0.06},
    {"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 0.06},
]


def _usage(output_tokens: int) -> dict[str, Any]:
    """Invented, but adding up: the receptionist has no tokens."""
    read = 40
    return {
        "total_tokens": read + output_tokens,
        "input_tokens": read,
        "output_tokens": output_tokens,
        "input_token_details": {"text_tokens": read, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": output_tokens, "audio_tokens": 0},
    }
