"""The run of an agent on one call: what happens goes into the turn machine, and what it says is done.

      SpeechStarted, DigitReceived …  ─┐          ┌─► mind: create_response, replace_message, answer_tool, reconnect
      TextDelta, ToolCall …           ─┼─► Turn ──┼─► delivery ─► voice
      what became of speech and clips ─┘          └─► call: clips, hang_up, AgentSaid

All of it happens in plain functions, in the order of the events; only tools run as tasks.
"""

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any

from sipagent.agent.answer import Answer
from sipagent.agent.clips import Clips, PlayedClip
from sipagent.agent.delivery import Delivery
from sipagent.agent.interfaces import AgentCall, Mind, Mouth
from sipagent.agent.running_tools import RunningTools
from sipagent.agent.silence import PATIENCE, SilenceWatch
from sipagent.agent.tools import Tool, ToolRunner
from sipagent.agent.turn import Turn, TurnAction, TurnInput, TurnState
from sipagent.errors import ProviderError
from sipagent.events import (
    AgentSaid,
    CallFailed,
    DigitReceived,
    Disconnected,
    Event,
    HoldChanged,
    ProviderEvent,
    ProviderFailed,
    ResponseDone,
    SpeechEnded,
    SpeechStarted,
    TextDelta,
    TextDone,
    ToolCall,
)

LAST_WORDS = 10.0
"""Seconds that the end of a call may take."""
BYTES_A_SECOND = 8000

HANG_UP: Mapping[str, Any] = {
    "name": "hang_up",
    "description": "End the call. Say goodbye in the same answer; the call ends when the caller has heard it.",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}
"""The tool that every agent has."""

_FINAL = frozenset({400, 401, 402, 403, 404})
"""Statuses of a provider's refusal after which another attempt would end alike."""
_WAITED_FOR = frozenset({TurnState.THINKING, TurnState.RETRYING, TurnState.RESTORING})
"""States in which the caller waits for us."""
_LAST = frozenset({TurnState.ENDING, TurnState.OVER})


class Conversation:
    """One agent on one call. Entering it opens the providers and returns; `converse` runs until the call is over."""

    def __init__(
        self,
        mind: Mind,
        voice: Mouth,
        *,
        clips: Clips,
        tools: Sequence[Tool] = (),
        greeting: str = "",
        greeting_instructions: str = "",
        transfer_to: Sequence[str] = (),
        run_tool: ToolRunner = Tool.run,
    ) -> None:
        self._mind = mind
        self._voice = voice
        self._clips = clips
        self._greeting = greeting
        self._greeting_instructions = greeting_instructions
        me = weakref.proxy(self)  # whose parts do not keep it: it need not wait for the garbage collector
        self._tools = RunningTools(mind, me, tools=tools, transfer_to=transfer_to, run_tool=run_tool)
        self._call: AgentCall
        self._turn = Turn()
        self._delivery = Delivery(voice, me)
        self._is_expecting = False
        self._farewell_in: str | None = None
        self._is_held = False
        self._became_quiet = asyncio.Event()
        self._clip: PlayedClip | None = None
        self._silence = SilenceWatch(lambda: me._take_silence())
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def __aenter__(self) -> "Conversation":
        await self._mind.__aenter__()
        await self._voice.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._mind.close(), self._voice.close())

    async def ready(self) -> None:
        """Return when both providers stand, or have failed: then `converse` will tell the caller."""
        await asyncio.gather(self._mind.ready(), self._voice.ready(), return_exceptions=True)

    async def converse(self, call: AgentCall) -> None:
        """Talk with the caller until the call is over, or we hung up."""
        self._call = call
        call.on(Event, self.receive)
        try:
            call.send_media_to(self._mind)
            self._voice.send_media_to(call)
            self._start(self._miss_mind())
            self._begin()
            await self._over.wait()
        finally:
            self._step(TurnInput.GONE)  # of one who was cancelled, too: nothing that is still told may wake anything
            call.off(Event, self.receive)

    def _begin(self) -> None:
        """Greet, unless a provider has failed beforehand for good."""
        for unit in (self._mind, self._voice):
            if unit.failure is not None:
                self._take_failure(unit.name, unit.failure.status)
        if self._turn.state in _LAST:
            return
        if self._greeting:
            item_id = self._mind.add_message("assistant", self._greeting)
            self._step(TurnInput.ASKED)
            self._delivery.say(item_id, self._greeting)
        elif self._greeting_instructions:
            self._ask(self._greeting_instructions)

    # ---- what happens on the call

    def receive(self, event: Event) -> None:
        """Take one event of the call. What a caller does who is on the way to somebody else is not for us."""
        match event:
            case ProviderEvent():
                pass  # a frame, as two of three events are; what it says comes under a name of its own
            case SpeechStarted() | SpeechEnded() | DigitReceived() if self._tools.is_away:
                pass
            case SpeechStarted():
                self._step(TurnInput.CALLER_STARTED)
            case SpeechEnded():
                self._expect()
                self._step(TurnInput.CALLER_STOPPED)
            case TextDelta() | TextDone():
                self._take_text(event)
            case ToolCall():
                self._take_tool_call(event)
            case ResponseDone():
                self._take_response_end(event)
            case DigitReceived():
                self._take_digit(event)
            case HoldChanged(held=held):
                self._is_held = held
                self._watch_silence(TurnState.LISTENING)
            case ProviderFailed():
                self._take_failure(event.provider, event.status)
            case Disconnected() | CallFailed():
                self._step(TurnInput.GONE)

    def _take_text(self, event: TextDelta | TextDone) -> None:
        if self._turn.state in _LAST and event.response_id != self._farewell_in:
            return
        answer = self._delivery.answer(event.response_id)
        if answer is None:
            return
        if isinstance(event, TextDelta) or event.item_id not in answer.texts:
            answer.add(event.item_id, event.text)
        if isinstance(event, TextDone):
            answer.end_of_text()
        self._delivery.speak()

    def _take_tool_call(self, event: ToolCall) -> None:
        if self._turn.state in _LAST:
            return
        if event.name == HANG_UP["name"]:
            self._farewell_in = event.response_id
            return
        self._start(self._tools.begin(event, self._call))

    def _take_response_end(self, event: ResponseDone) -> None:
        """All text has come. A farewell ends here: it is known now what the caller shall hear of it."""
        self._delivery.complete(event.response_id)
        if event.status not in ("completed", "incomplete"):
            return
        self._is_expecting = False
        if event.response_id == self._farewell_in:
            self._step(TurnInput.FAREWELL)
        self._when_quiet()

    def _take_digit(self, event: DigitReceived) -> None:
        if self._turn.state in _LAST:
            return
        self._step(TurnInput.CALLER_STARTED)
        self._mind.cancel_response()
        self._mind.add_message("user", f"The caller pressed {event.digit}.")
        self._ask()

    def _take_failure(self, provider: str, status: int | None) -> None:
        """The voice's lesser failures show in what it was saying; without that they are no matter."""
        if provider not in (self._mind.name, self._voice.name):
            return
        if status in _FINAL:
            self._step(TurnInput.BROKEN)
        elif provider == self._mind.name:
            self._step(TurnInput.MIND_FAILED if self._is_expecting else TurnInput.MIND_LOST)

    # ---- what became of our speech

    def voiced(self) -> None:
        """The caller hears us."""
        self._step(TurnInput.VOICED)

    def paused(self) -> None:
        """In the middle of an answer the caller hears nothing."""
        if self._turn.state not in _LAST and not (self._is_held or self._tools.is_away):
            self._silence.set(PATIENCE)

    def voice_failed(self) -> None:
        """An answer was not said to its end."""
        self._step(TurnInput.VOICE_FAILED)

    def settled(self, answer: Answer) -> None:
        """Tell what was heard; make the history say the same, if there will be more of it."""
        if not answer.generated_text:
            return
        if answer.is_cut and self._turn.state is not TurnState.OVER:
            for item_id, heard in answer.heard_by_item().items():
                if heard != answer.texts[item_id]:
                    self._mind.replace_message(item_id, heard)
        said = AgentSaid(heard_text=answer.heard_text, generated_text=answer.generated_text, interrupted=answer.is_cut)
        self._call.publish(said)

    def delivered(self) -> None:
        """Nothing is left to say for now; if more is expected, the caller waits for it from here."""
        self._when_quiet()
        if self._turn.state in (TurnState.SPEAKING, TurnState.RESUMED):
            self.paused()

    def _when_quiet(self) -> None:
        """With nothing to say, to wait for or to play, it is the caller's turn, or the end."""
        self._became_quiet.set()
        is_playing = self._clip is not None and not self._clip.is_over
        if self._delivery.is_idle and not (self._is_expecting or self._tools.are_waited_for or is_playing):
            self._step(TurnInput.SPOKEN)

    # ---- what became of the tools

    async def quiet(self) -> None:
        """Wait until the answer that is being given is heard, or cut off; not for long, in case it never is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                while self._is_expecting or not self._delivery.is_idle:
                    self._became_quiet.clear()
                    await self._became_quiet.wait()

    def left(self) -> None:
        """The caller is on the way to somebody else."""
        self._watch_silence(self._turn.state)

    def returned(self) -> None:
        """The caller is with us again, and waits for what we say to that."""
        self.paused()

    def put_through(self) -> None:
        """The caller talks to somebody else."""
        self._step(TurnInput.GONE)

    def answered(self) -> None:
        """The mind has a result, and goes on."""
        self._expect()

    # ---- what is done about it

    def _step(self, what: TurnInput) -> None:
        before = self._turn.state
        action = self._turn.receive(what)
        if action is not TurnAction.NOTHING:
            _ACTIONS[action](self)
        self._watch_silence(before)

    def _expect(self) -> None:
        """An answer is due. At the end of a call none is waited for any more."""
        self._is_expecting = self._turn.state not in _LAST

    def _ask(self, instructions: str | None = None) -> None:
        self._expect()
        self._mind.create_response(instructions=instructions)
        self._step(TurnInput.ASKED)

    def _stop(self) -> None:
        """Barge-in: silence within a tick, clips included."""
        self._tools.interrupt()
        self._is_expecting = False
        self._farewell_in = None
        self._delivery.cut()
        self._became_quiet.set()
        if self._clip is not None and not self._clip.is_over:
            self._call.drop_speech()

    def _reask(self) -> None:
        """The new session is told what there is of an unfinished answer: the caller hears that much of it."""
        self._mind.reconnect()
        for answer in self._delivery.unfinished():
            if text := answer.generated_text:
                answer.texts = {self._mind.add_message("assistant", text): text}
            self._delivery.complete(answer.response_id)
        self._expect()
        self._mind.create_response()

    def _resay(self) -> None:
        self._delivery.resay()

    def _restore(self) -> None:
        self._mind.reconnect()
        self._start(self._wait_for_mind())

    async def _miss_mind(self) -> None:
        """A mind that still does not stand a while after the answer is lost: the caller may be talking to nobody."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._mind.ready()
        except TimeoutError:
            self._step(TurnInput.MIND_FAILED if self._is_expecting else TurnInput.MIND_LOST)
        except ProviderError:
            return  # its ProviderFailed has come already

    async def _wait_for_mind(self) -> None:
        try:
            await self._mind.ready()
        except ProviderError:
            return  # its ProviderFailed has come already
        self._step(TurnInput.RESTORED)

    def _apologise(self) -> None:
        self._stop()
        self._end_with(self._clips.apology)

    def _take_leave(self) -> None:
        """The farewell is heard to its end; if the model said none, we do."""
        if self._farewell_in is not None and not self._delivery.has_spoken(self._farewell_in):
            self._end_with(self._clips.goodbye)
        else:
            self._end_with(b"")

    def _end_with(self, clip: bytes) -> None:
        self._call.barge_in = False
        self._is_expecting = False
        if clip:
            self._play(clip)
        self._silence.set(LAST_WORDS)

    def _hang_up(self) -> None:
        self._call.hang_up()
        self._close()

    def _close(self) -> None:
        self._call.stop_media_to(self._mind)
        self._delivery.abandon()
        self._silence.set(None)
        self._over.set()

    def _play(self, clip: bytes) -> None:
        self._clip = PlayedClip(clip, self._call, self._when_quiet)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- no silence for long

    def _watch_silence(self, before: TurnState) -> None:
        """He who is on hold, or away, neither waits nor hears."""
        if self._turn.state in _LAST:
            return
        absent = self._is_held or self._tools.is_away
        self._silence.watch(waited=before in _WAITED_FOR, waits=self._turn.state in _WAITED_FOR and not absent)

    def _take_silence(self) -> None:
        """Too long a silence. The caller is asked for patience; then whoever is late counts as failed.

        A running tool is not late, and a second attempt not before it had its time.
        """
        if self._turn.state is TurnState.ENDING:
            self._step(TurnInput.EXPIRED)
            return
        first = self._silence.ask_patience()
        if first or self._tools.are_waited_for:
            self._play(self._clips.one_moment)
            self._silence.set(len(self._clips.one_moment) / BYTES_A_SECOND + PATIENCE)
        if self._tools.are_waited_for or (first and self._turn.state in (TurnState.RETRYING, TurnState.RESTORING)):
            return
        if self._delivery.is_voice_late:
            self._voice.reconnect()
        else:
            self._step(TurnInput.MIND_FAILED if self._is_expecting else TurnInput.MIND_LOST)


_ACTIONS: Mapping[TurnAction, Callable[[Conversation], None]] = {
    TurnAction.STOP: Conversation._stop,
    TurnAction.REASK: Conversation._reask,
    TurnAction.RESAY: Conversation._resay,
    TurnAction.RESTORE: Conversation._restore,
    TurnAction.APOLOGISE: Conversation._apologise,
    TurnAction.TAKE_LEAVE: Conversation._take_leave,
    TurnAction.HANG_UP: Conversation._hang_up,
    TurnAction.CLOSE: Conversation._close,
}
