"""The conversation as the server has it, kept so that it can be repaired, and given to a fresh session.

A session that ended cannot be resumed; a new one starts empty, so its items are created again from here.
"""

import base64
from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]

_TOOL_KEYS = {
    "function_call": ("id", "type", "call_id", "name", "arguments"),
    "function_call_output": ("id", "type", "call_id", "output"),
}


class History:
    """Items in their order. An item is what `conversation.item.added` and `.done` carry."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._done: set[str] = set()
        self._spoken: tuple[str, bytes] = ("", b"")

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    def put(self, item: Mapping[str, Any], previous: str | None, *, done: bool) -> None:
        """Take an item as it is now; a new one goes behind `previous`, or to the end when that is unknown."""
        item_id = str(item.get("id") or "")
        if not item_id:
            return
        if item_id not in self._items:
            at = self._order.index(previous) + 1 if previous in self._items else len(self._order)
            self._order.insert(at, item_id)
        known = self._items.get(item_id, {})
        self._items[item_id] = {**item, "heard": known["heard"]} if "heard" in known else dict(item)
        if done:
            self._done.add(item_id)

    def spoken(self, item_id: str, audio: bytes) -> None:
        """The audio of the caller's latest turn, in the session's format."""
        self._spoken = (item_id, audio)

    def transcribed(self, item_id: str, text: str) -> None:
        """The caller's words in an audio item are known."""
        if item_id == self._spoken[0]:
            self._spoken = ("", b"")
        if item_id in self._items:
            self._items[item_id]["heard"] = text

    def remove(self, item_id: str) -> None:
        """The item is no more."""
        if self._items.pop(item_id, None) is not None:
            self._order.remove(item_id)
            self._done.discard(item_id)

    def is_done(self, item_id: str) -> bool:
        """Is the item complete, so that it can be replaced?"""
        return item_id in self._done

    def before(self, item_id: str) -> str:
        """The item in front of this one, in the form of `previous_item_id`: `root` for the front."""
        at = self._order.index(item_id)
        return self._order[at - 1] if at else "root"

    def again(self) -> list[Item]:
        """The finished items as a new session takes them, without tool calls that were never answered.

        The caller's turns are given as their words; the latest, when its words are not known yet, as its audio.
        """
        items = [self._creatable(self._items[item_id]) for item_id in self._order if item_id in self._done]
        known = [item for item in items if item is not None]
        answered = {item["call_id"] for item in known if item["type"] == "function_call_output"}
        return [item for item in known if item["type"] != "function_call" or item["call_id"] in answered]

    def _creatable(self, item: Item) -> Item | None:
        kind = str(item.get("type"))
        if kind in _TOOL_KEYS:
            keys = _TOOL_KEYS[kind]
            return {key: item[key] for key in keys} if all(isinstance(item.get(key), str) for key in keys) else None
        item_id, text = str(item["id"]), item.get("heard") or _text(item.get("content"))
        if kind != "message":
            return None
        if text:
            return message(item_id, str(item.get("role") or "user"), text)
        return _audio_message(*self._spoken) if item_id == self._spoken[0] and self._spoken[1] else None


def message(item_id: str, role: str, text: str) -> Item:
    """Return a message item in the shape that `conversation.item.create` takes."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"id": item_id, "type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _audio_message(item_id: str, audio: bytes) -> Item:
    part = {"type": "input_audio", "audio": base64.b64encode(audio).decode("ascii")}
    return {"id": item_id, "type": "message", "role": "user", "content": [part]}


def _text(content: object) -> str:
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or part.get("transcript") or "") for part in parts if isinstance(part, Mapping))
