"""The seams of the agent: what it needs of a call, of a network, of a recogniser and of a voice.

    caller ─► call ─ audio ─► Recogniser (a Hearer) ─ text ─► agent
    caller ◄─ call (a Speaker) ◄─ audio ─ Voice (a Source) ◄─ text ─┘

Whoever has the methods fits; nothing here is inherited from.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, TypeVar

from sipagent.errors import ProviderError
from sipagent.events import Event, TransferProgress

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """How a provider's socket ended: close code (1006 when the connection just broke), reason, handshake done."""

    code: int
    reason: str
    clean: bool


class FrameSocket(Protocol):
    """All that a provider knows of the network: text frames over one connection, real, scripted or from a journal."""

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect. Raises ProviderError, with the HTTP status where the server gave one; its text holds no secret."""

    def send(self, frame: str) -> None:
        """Queue one text frame; returns at once. Dropped silently once closed."""

    def frames(self) -> AsyncIterator[str]:
        """Yield frames as they come; ends, without raising, when the connection is closed or lost."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within two seconds; idempotent; also ends an attempt to connect."""

    @property
    def ended(self) -> Close | None:
        """How the connection ended; None while it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """Answer to a clear: the position up to which speech really left, and up to which the peer's reports confirm it.

    Positions count the speech given to this leg since it opened, in units of 1/8000 s whatever the encoding; what lies
    between `sent_until` and the position of the clear was dropped and never sent. Reports come seconds apart: what is
    not confirmed yet was heard all the same, unless they tell that nothing arrives any more (`unheard`).
    """

    sent_until: int
    acknowledged_until: int
    unheard: bool = False


class Listener(Protocol):
    """Who is told what became of speech given to a leg. Called on the loop, never from the media thread."""

    def mark_passed(self, name: str, position: int) -> None:
        """The packet with the sample at `position`, marked `name`, has left."""

    def cleared(self, report: Cleared) -> None:
        """A clear was carried out."""


class Source(Protocol):
    """A unit that speaks into another: a voice, a speech-to-speech model."""

    def clear(self) -> None:
        """Stop at once: what was said before is never sent after the next tick."""

    def stop_media_to(self, unit: "Speaker") -> None:
        """No longer speak into `unit`."""


class Speaker(Protocol):
    """A unit that can be spoken into: a call. It hears exactly one source; a new one replaces the old."""

    @property
    def encoding(self) -> str:
        """What `speak` takes: `pcmu`, `pcma`, or `pcm` (16 bits, little-endian, 24,000 samples a second)."""

    def connect_source(self, source: Source) -> None:
        """Remember who speaks here; the source before is told `stop_media_to`."""

    def disconnect_source(self, source: Source) -> None:
        """Forget `source`, if it is the one."""

    def speak(self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: Listener | None = None) -> int:
        """Queue speech, in whole units of 1/8000 s; returns the position of the first. `marks`: (offset, name)."""

    def drop_speech(self) -> None:
        """Drop all speech not yet sent; every listener with speech pending gets `cleared` within a tick."""


class Hearer(Protocol):
    """A unit that can be given a call's audio: a recogniser, an agent service, a recorder."""

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Take 20 to 100 ms of audio, gapless, in any encoding. `voiced`: the level meter heard more than silence."""


class CallControl(Protocol):
    """What an agent may do to its call."""

    @property
    def call_id(self) -> str: ...

    def hang_up(self, reason: str = "") -> None:
        """Send BYE; idempotent."""

    def publish(self, event: Event) -> None:
        """Put an event on the call's stream."""


class Recogniser(Protocol):
    """Hears the caller and reasons: half-cascade's OpenAI Realtime, or anything of its shape."""

    def create_response(self, *, instructions: str | None = None) -> None:
        """Ask for an answer now; while one is being generated, as soon as it is over."""

    def cancel_response(self) -> None:
        """Stop the answer being generated; none being generated is no error."""

    def add_message(self, role: str, text: str) -> str:
        """Append a message (`user`, `assistant` or `system`) to the history; returns its item id."""

    def replace_message(self, item_id: str, text: str) -> None:
        """Make the assistant's item say `text` only (what was heard); empty text removes it."""

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        """Give a tool's result; the next response follows when all calls of the response are answered."""


class Declared(Protocol):
    """Something that a model can call, such as a `@tool` function."""

    @property
    def declaration(self) -> Mapping[str, Any]:
        """Its `name`, `description` and `parameters` (a JSON schema)."""


class Connected(Protocol):
    """A unit with a provider's socket of its own."""

    @property
    def name(self) -> str:
        """The name that its events carry."""

    @property
    def failure(self) -> ProviderError | None:
        """Why it cannot be used now; None while it can, or is still being opened."""

    async def ready(self) -> None:
        """Return once it can be used; raise ProviderError when it cannot."""

    def reconnect(self) -> None:
        """Go on over a fresh socket, which is given the conversation so far; what is asked meanwhile waits."""

    async def close(self) -> None:
        """Close the socket; idempotent."""


class SpeechState(Enum):
    """What became of something said. The last three are final."""

    WAITING = "waiting"
    """Nothing of it has left yet."""
    SPEAKING = "speaking"
    PAUSED = "paused"
    """All the audio that has come so far has left, and more is to come."""
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Speech(Protocol):
    """A handle on something being said; may be awaited, for the text that was heard."""

    @property
    def text(self) -> str: ...

    @property
    def heard_text(self) -> str: ...

    @property
    def state(self) -> SpeechState: ...

    def watch(self, changed: "Callable[[Speech], None]") -> None:
        """Call `changed(self)` at every change of state from now on."""

    def __await__(self) -> Generator[Any, None, str]: ...


class Voice(Protocol):
    """Speaks text into the leg it is connected to: Cartesia TTS, or anything of its shape."""

    def say(self, text: str, *, context_id: str | None = None, more: bool = False) -> Speech:
        """Speak; `more=True` announces that text of the same context follows (pieces are joined verbatim)."""

    def clear(self) -> None:
        """Stop at once: nothing said before is sent after the next tick."""


class Opened(Protocol):
    """A unit that is opened by `async with`: that begins to connect, and returns."""

    async def __aenter__(self) -> Any: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Mind(Recogniser, Hearer, Connected, Opened, Protocol):
    """What hears the caller and words the answers."""


class Mouth(Voice, Source, Connected, Opened, Protocol):
    """What speaks the answers."""

    def send_media_to(self, unit: Speaker) -> None:
        """Speak into `unit`."""


class AgentCall(CallControl, Speaker, Protocol):
    """The call that an agent talks on."""

    barge_in: bool
    """The voice is stopped when the caller begins to speak."""

    def transfer(self, to: str) -> Awaitable[TransferProgress]:
        """Put the caller through to a name of [transfer]; awaited, gives the outcome: `answered` or `failed`."""

    def send_media_to(self, unit: Hearer) -> None:
        """Let `unit` hear the caller."""

    def stop_media_to(self, unit: Hearer) -> None:
        """No longer let `unit` hear."""

    def on(self, kind: type[E], handler: Callable[[E], object]) -> None:
        """Call `handler` with each event of `kind`, when it happens."""

    def off(self, kind: type[E], handler: Callable[[E], object] | None = None) -> None:
        """Undo `on`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """How to reach one provider: code before environment before sip.conf before default. Its `repr` hides the key."""

    api_key: str = field(default="", repr=False)
    base_url: str = ""
    model: str = ""
    voice: str = ""
    agent_id: str = ""
    organization: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a unit may know of the process around it. The phone sets one for each call, before the scenario starts."""

    open_socket: Callable[[str], FrameSocket]
    """An unopened socket for the provider of this name."""
    new_id: Callable[[str], str]
    """Fresh unguessable text; the argument is its kind (`context`, `event`, `item`)."""
    options: Callable[[str], ProviderOptions]
    """Options of the provider of this name."""
    publish: Callable[[Event], None]
    """The call's event stream."""
    run_tool: Callable[..., Awaitable[str]]
    """Runs a tool with arguments on a call, as `Tool.run` does; a replay has the results already."""
    transfer_to: tuple[str, ...] = ()
    """Names that a call can be transferred to."""


surroundings: ContextVar[Surroundings] = ContextVar("sipagent_surroundings")
