"""An item of the assistant's that grows while it is generated: a text, an audio or a function call, and its events."""

import base64
import copy
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sipagent.local.openai_conversation import Conversation, Item

Emit = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The names of one kind of output: of its events, of its part in them, and of the content it leaves in the item."""

    event: str
    field: str
    part: str = ""
    content: str = ""


TEXT = Kind(event="response.output_text", field="text", part="text", content="output_text")
AUDIO = Kind(event="response.output_audio_transcript", field="transcript", part="audio", content="output_audio")
CALL = Kind(event="response.function_call_arguments", field="arguments")


class Output:
    """One output item from `response.output_item.added` to `response.output_item.done`.

    `conversation` is None for a response outside the conversation.
    """

    def __init__(
        self, *, kind: Kind, item: Item, emit: Emit, response_id: str, index: int, conversation: Conversation | None
    ) -> None:
        self.item = item
        self._kind, self._emit, self._conversation = kind, emit, conversation
        self._place = {"response_id": response_id, "output_index": index}
        self._grown = ""
        self._jitter = random.Random(index)
        emit("response.output_item.added", **self._place, item=copy.deepcopy(item))
        if conversation is not None:
            emit("conversation.item.added", item=copy.deepcopy(item), previous_item_id=conversation.add(item))
        if kind.part:
            emit("response.content_part.added", **self._content_place(), part=self._part())

    def grow(self, token: str) -> None:
        """Emit one delta."""
        self._grown += token
        self._delta(self._kind.event, token)

    def grow_audio(self, audio: bytes) -> None:
        """Emit one delta of audio."""
        self._delta("response.output_audio", base64.b64encode(audio).decode())

    def close(self, status: str) -> None:
        """Emit the `done` of all that is open; `status` is `completed`, or `incomplete` for what was cut short."""
        if self._kind is AUDIO:
            self._emit("response.output_audio.done", **self._content_place())
        name = {"name": self.item["name"]} if self._kind is CALL else {}
        self._emit(f"{self._kind.event}.done", **self._content_place(), **name, **{self._kind.field: self._grown})
        self._settle(status)
        if self._kind.part:
            self._emit("response.content_part.done", **self._content_place(), part=self._part())
        if self._conversation is not None:
            previous = self._conversation.before(self.item["id"])
            self._emit("conversation.item.done", item=copy.deepcopy(self.item), previous_item_id=previous)
        self._emit("response.output_item.done", **self._place, item=copy.deepcopy(self.item))

    def _settle(self, status: str) -> None:
        self.item["status"] = status
        if self._kind is CALL:
            self.item["arguments"] = self._grown
        else:
            self.item["content"] = [{"type": self._kind.content, self._kind.field: self._grown}]

    def _delta(self, event: str, delta: str) -> None:
        # The real service pads deltas, so that their sizes tell an eavesdropper nothing.
        obfuscation = "".join(self._jitter.choices(string.ascii_letters, k=self._jitter.randint(4, 16)))
        self._emit(f"{event}.delta", **self._content_place(), delta=delta, obfuscation=obfuscation)

    def _content_place(self) -> dict[str, Any]:
        content = {"call_id": self.item["call_id"]} if self._kind is CALL else {"content_index": 0}
        return {**self._place, "item_id": self.item["id"], **content}

    def _part(self) -> dict[str, Any]:
        return {"type": self._kind.part, self._kind.field: self._grown}
