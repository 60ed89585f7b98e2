"""The tools of a replay: none is run, their results are those of the journal."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sipagent.agent.tools import Tool


class PlayedTools:
    """Answers each call of a tool with what it answered then, when it did."""

    def __init__(self) -> None:
        self._outputs: defaultdict[str, asyncio.Queue[str]] = defaultdict(asyncio.Queue)

    def play(self, data: Mapping[str, Any]) -> None:
        """A result came."""
        self._outputs[data["name"]].put_nowait(data["output"])

    async def run(self, tool: Tool, arguments: Mapping[str, Any], call: object) -> str:
        """As `Tool.run`, in whose place it stands."""
        return await self._outputs[tool.name].get()
