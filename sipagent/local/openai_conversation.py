"""The conversation of OpenAI Realtime: items in order, and what may be done to them."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from sipagent.local.fields import Refused, choice, listing, mapping, record, tagged, text

Item = dict[str, Any]

_status = choice("completed", "incomplete", "in_progress")
_common = {"id": text, "object": choice("realtime.item"), "status": _status}
_input_text = tagged({"input_text": record({"text": text}, ("text",))})
_contents = {
    "system": _input_text,
    "user": tagged(
        {
            "input_text": record({"text": text}, ("text",)),
            "input_audio": record({"audio": text, "transcript": text}),
            "input_image": record({"image_url": text, "detail": choice("auto", "low", "high")}),
        }
    ),
    "assistant": tagged(
        {
            "output_text": record({"text": text}, ("text",)),
            "output_audio": record({"audio": text, "transcript": text}),
        }
    ),
}
_message = tagged(
    {
        role: record({**_common, "type": text, "content": listing(content)}, ("content",))
        for role, content in _contents.items()
    },
    tag="role",
)
_item = tagged(
    {
        "message": _message,
        "function_call": record({**_common, "name": text, "call_id": text, "arguments": text}, ("name", "arguments")),
        "function_call_output": record({**_common, "call_id": text, "output": text}, ("call_id", "output")),
        "mcp_approval_response": mapping,
    }
)


class Conversation:
    """Items in order. Methods raise Refused where the service answers with an error."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self.id = new_id("conv")
        self._new_id = new_id
        self._items: list[Item] = []
        self._audio_ms: dict[str, int] = {}

    def create(self, given: Any, after: str | None = None) -> tuple[Item, str | None]:
        """Add an item of the client's; returns it with the id of the one before. `after`: an id, `root`, or None."""
        _item(given, "item")
        if given["type"] == "function_call_output":
            self._check_call(given["call_id"])
        item = {"status": "completed", **copy.deepcopy(given), "object": "realtime.item"}
        item.setdefault("id", self._new_id("item"))
        return item, self.add(item, after)

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Insert an item and return the id of the one before it."""
        index = (
            0 if after == "root" else len(self._items) if after is None else self._index(after, "previous_item_id") + 1
        )
        self._items.insert(index, item)
        return str(self._items[index - 1]["id"]) if index else None

    def before(self, item_id: str) -> str | None:
        """The id of the item before this one, if any; None also when the client has deleted it meanwhile."""
        ids = [item["id"] for item in self._items]
        index = ids.index(item_id) if item_id in ids else 0
        return str(ids[index - 1]) if index else None

    def retrieve(self, item_id: str) -> Item:
        """Return the item."""
        return self._items[self._index(item_id, "item_id", "item_retrieve_invalid_item_id")]

    def delete(self, item_id: str) -> None:
        """Forget the item."""
        del self._items[self._index(item_id, "item_id", "item_delete_invalid_item_id")]

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut the assistant's audio where the caller stopped listening; its transcript goes, the rest is unknown."""
        item = self._items[self._index(item_id, "item_id", "item_truncate_invalid_item_id")]
        contents = item.get("content", [])
        if item.get("role") != "assistant" or not 0 <= content_index < len(contents):
            raise Refused("invalid_value", "item_id", "Only assistant message items can be truncated.")
        if contents[content_index]["type"] != "output_audio":
            raise Refused("invalid_value", "content_index", "Only audio content can be truncated.")
        length = self._audio_ms.get(item_id, 0)
        if audio_end_ms > length:
            raise Refused(
                "invalid_value",
                "audio_end_ms",
                f"Audio content of {length}ms is already shorter than {audio_end_ms}ms",
            )
        contents[content_index].pop("transcript", None)
        self._audio_ms[item_id] = audio_end_ms

    def note_audio(self, item_id: str, milliseconds: int) -> None:
        """Remember how much audio an item of the assistant has."""
        self._audio_ms[item_id] = milliseconds

    def note_transcript(self, item_id: str, transcript: str) -> None:
        """Enter what was said into the user's item, if it is still there."""
        for item in self._items:
            if item["id"] == item_id:
                item["content"][0]["transcript"] = transcript

    @property
    def has_audio(self) -> bool:
        """The assistant has spoken."""
        return bool(self._audio_ms)

    def unanswered(self) -> list[Item]:
        """The items since the assistant last spoke or called a tool."""
        spoken = [index for index, item in enumerate(self._items) if _is_ours(item)]
        return self._items[spoken[-1] + 1 :] if spoken else list(self._items)

    def call_of(self, call_id: str) -> Item | None:
        """The function call with this call id."""
        calls = (item for item in self._items if item["type"] == "function_call")
        return next((item for item in calls if item["call_id"] == call_id), None)

    def _check_call(self, call_id: str) -> None:
        """A result needs its call, and the call's response must be over: before that the service may refuse it."""
        call = self.call_of(call_id)
        if call is None or call["status"] == "in_progress":
            raise Refused(
                "invalid_tool_call_id", "item.call_id", f"Tool call ID '{call_id}' not found in conversation."
            )

    def _index(self, item_id: str, param: str, code: str = "invalid_value") -> int:
        for index, item in enumerate(self._items):
            if item["id"] == item_id:
                return index
        raise Refused(code, param, f"Item with item_id '{item_id}' not found.")


def message(item_id: str, role: str, *content: Mapping[str, Any], status: str = "completed") -> Item:
    """A message item."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": list(content),
    }


def _is_ours(item: Item) -> bool:
    return item.get("role") == "assistant" or item["type"] == "function_call"
