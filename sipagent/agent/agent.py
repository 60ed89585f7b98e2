"""The agent as its author writes it: instructions, a greeting, tools. One value for all calls."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from sipagent.agent.clips import Clips
from sipagent.agent.conversation import HANG_UP, Conversation
from sipagent.agent.interfaces import Mind, Mouth
from sipagent.agent.tools import Tool, ToolRunner, as_tools
from sipagent.agent.transfer import TRANSFER, declaration_of_transfer

MakeMind = Callable[..., Mind]
"""Makes the mind of one call from what an agent says of it; `OpenAIRealtime` is one."""
MakeVoice = Callable[..., Mouth]
"""Makes the voice of one call from `voice` and `language`; `CartesiaTTS` is one."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What talks to callers. Immutable: what belongs to one call is in `call.data`.

    `greeting` is spoken literally, at once; `greeting_instructions` lets the model word it. `tools` are `@tool`
    functions or plain ones; `hang_up` is always among them and, where sip.conf says whereto, `transfer`, unless one of
    that name is given. What is left out comes from sip.conf or the provider.
    """

    instructions: str = ""
    _: KW_ONLY
    greeting: str = ""
    greeting_instructions: str = ""
    tools: Sequence[Tool | Callable[..., Any]] = ()
    voice: str | None = None
    language: str | None = None
    model: str | None = None
    turn_detection: str | None = None
    silence_ms: int | None = None

    def __post_init__(self) -> None:
        """Make tools of functions. Raises ValueError for a name that occurs twice, or is ours."""
        tools = as_tools(self.tools)
        if any(tool.name == HANG_UP["name"] for tool in tools):
            raise ValueError("hang_up is there already: every agent has it")
        object.__setattr__(self, "tools", tools)

    def prepare(
        self,
        make_mind: MakeMind,
        make_voice: MakeVoice,
        *,
        clips: Clips,
        transfer_to: Sequence[str] = (),
        run_tool: ToolRunner = Tool.run,
    ) -> Conversation:
        """Make the conversation for one call; `async with` opens its providers, and `converse(call)` holds it.

        `transfer_to` are the names that the model may put a caller through to.
        """
        tools = as_tools(self.tools)
        if any(tool.name == TRANSFER for tool in tools):
            transfer_to = ()
        ours = (HANG_UP, declaration_of_transfer(transfer_to)) if transfer_to else (HANG_UP,)
        turns = {"turn_detection": self.turn_detection, "silence_ms": self.silence_ms}
        mind = make_mind(
            instructions=self.instructions,
            tools=[*(tool.declaration for tool in tools), *ours],
            model=self.model,
            language=self.language,
            **{name: value for name, value in turns.items() if value is not None},
        )
        voice = make_voice(voice=self.voice, language=self.language)
        worded = self.greeting_instructions
        return Conversation(
            mind,
            voice,
            clips=clips,
            tools=tools,
            greeting=self.greeting,
            # instructions of a response replace the session's, so it is given both
            greeting_instructions=f"{self.instructions}\n\n{worded}".strip() if worded else "",
            transfer_to=transfer_to,
            run_tool=run_tool,
        )
