"""What a model asks for during a call, beside words: its tools are run, and it is told the results."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

from sipagent.agent.interfaces import AgentCall, Mind
from sipagent.agent.tools import Tool, ToolRunner
from sipagent.agent.transfer import TRANSFER, told_of_transfer
from sipagent.events import ToolCall


class ToolReports(Protocol):
    """Who is told what becomes of the calls of tools."""

    async def quiet(self) -> None:
        """Return when the answer that is being given is heard, or cut off."""

    def left(self) -> None:
        """The caller is on the way to somebody else."""

    def returned(self) -> None:
        """The caller is with us again."""

    def put_through(self) -> None:
        """The caller talks to somebody else."""

    def answered(self) -> None:
        """The mind has a result that is waited for."""


class RunningTools:
    """The tools that run on one call. They run on when the caller interrupts, but nobody waits for them any more."""

    def __init__(
        self,
        mind: Mind,
        reports: ToolReports,
        *,
        tools: Sequence[Tool],
        transfer_to: Sequence[str],
        run_tool: ToolRunner,
    ) -> None:
        self.is_away = False
        """The caller is on the way to somebody else, or there."""
        self._mind = mind
        self._reports = reports
        self._tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        self._transfer_to = transfer_to
        self._run_tool = run_tool
        self._interruptions = 0
        self._waited_for = 0

    @property
    def are_waited_for(self) -> bool:
        """A result is due before the agent can go on."""
        return self._waited_for > 0

    def begin(self, event: ToolCall, call: AgentCall) -> Coroutine[Any, Any, None]:
        """Wait for a tool from now on; what is returned runs it, and gives the mind its result."""
        self._waited_for += 1
        return self._answer(event, call)

    def interrupt(self) -> None:
        """Wait for none of those that run."""
        self._interruptions += 1
        self._waited_for = 0

    async def _answer(self, event: ToolCall, call: AgentCall) -> None:
        interruptions = self._interruptions
        tool = self._tools.get(event.name)
        if event.name == TRANSFER and self._transfer_to:
            result = await self._transfer(event.arguments.get("to"), call)
        elif tool is None:
            result = f"Error: there is no tool called {event.name}."
        else:
            result = await self._run_tool(tool, event.arguments, call)
        self._mind.answer_tool(event.tool_call_id, result)
        if interruptions == self._interruptions:
            self._waited_for -= 1
            self._reports.answered()

    async def _transfer(self, to: object, call: AgentCall) -> str:
        """Put the caller through, once what was said with it is heard; return what the model is to know of it."""
        if to not in self._transfer_to:
            return f"Error: there is nobody called {to}; there is {', '.join(self._transfer_to)}."
        interruptions = self._interruptions
        await self._reports.quiet()
        if interruptions != self._interruptions:
            return "Not done: the caller spoke first. Try again if that is still what they want."
        self.is_away = True
        self._reports.left()
        progress = await call.transfer(str(to))
        if progress.state == "answered":
            self._reports.put_through()
        else:
            self.is_away = False
            self._reports.returned()
        return told_of_transfer(progress)
