"""What answers in the place of a language model: the receptionist, asked with the items of a conversation."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sipagent.local.openai_conversation import Item
from sipagent.local.openai_response import Answer
from sipagent.local.receptionist import Receptionist, Reply, Script

_KEY_PRESSED = re.compile(r"The caller pressed ([0-9A-D*#])\.?")
_TOOL_COMMAND = re.compile(r"/call (\w+)\s*(\{.*\})?")
"""A typed message that has the model call a tool: a hook for tests, out of reach of a voice."""


class Model:
    """The receptionist behind one session."""

    def __init__(self, script: Script) -> None:
        self._receptionist = Receptionist(script)

    def answer(
        self, items: Sequence[Item], *, heard: Mapping[str, str], tools: Sequence[Mapping[str, Any]], now: datetime
    ) -> Answer:
        """Answer the latest of the items not yet answered; none of them means that the caller is to be greeted.

        `heard`: what was recognised in audio items, by item id. `tools`: as the session declares them.
        """
        schemas = {tool["name"]: tool.get("parameters", {}) for tool in tools if tool["type"] == "function"}
        asking = [item for item in items if item["type"] == "function_call_output" or item.get("role") == "user"]
        if not asking:
            return _answer(self._receptionist.greet())
        if asking[-1]["type"] == "function_call_output":
            return _answer(self._receptionist.after_tool(asking[-1]["output"]))
        text = _text_of(asking[-1], heard)
        if (command := _TOOL_COMMAND.fullmatch(text)) and command[1] in schemas:
            return Answer(tool=command[1], arguments=command[2] or "{}")
        if pressed := _KEY_PRESSED.fullmatch(text):
            return _answer(self._receptionist.press(pressed[1], tools=schemas, now=now))
        return _answer(self._receptionist.hear(text, tools=schemas, now=now))


def _text_of(item: Item, heard: Mapping[str, str]) -> str:
    """What the caller typed, or said."""
    typed = [part["text"] for part in item["content"] if part["type"] == "input_text"]
    return " ".join(typed).strip() or heard.get(item["id"], "")


def _answer(reply: Reply) -> Answer:
    return Answer(text=reply.text, tool=reply.tool, arguments=json.dumps(dict(reply.arguments)))
