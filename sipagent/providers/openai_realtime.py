"""OpenAI Realtime (GA) as the ears and the mind of a call: G.711 in, text and tool calls out.

    call.send_media_to(ai) ─► input_audio_buffer.append ─► speech_started, speech_stopped, response … text deltas

Every frame of the server becomes a `ProviderEvent` under its wire name, and those that all providers share become
typed events. Everything happens in plain functions when a frame arrives: the same frames give the same answers.
Wire: platform.openai.com, "Realtime API", GA shape; the `OpenAI-Beta` header is never sent.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

from sipagent.agent.interfaces import Close, Declared, Surroundings, surroundings
from sipagent.audio import g711
from sipagent.errors import LocalProtocolError, ProviderError
from sipagent.events import (
    CallerSaid,
    Notice,
    ProviderClosed,
    ProviderEvent,
    ProviderFailed,
    ResponseDone,
    SpeechEnded,
    SpeechStarted,
    TextDelta,
    TextDone,
    ToolCall,
)
from sipagent.providers.connection import websocket_url
from sipagent.providers.openai_calls import ToolCalls
from sipagent.providers.openai_frames import ALREADY_ANSWERING, ServerError, arguments_in, part_of, status_in, text_of
from sipagent.providers.openai_history import History, message
from sipagent.providers.openai_link import PROBE, SETUP, RealtimeLink
from sipagent.providers.openai_responses import Request, Responses
from sipagent.providers.openai_session import complete_detection, configure, merge, modernise
from sipagent.providers.refusals import explain, missing_key

BASE_URL = "wss://api.openai.com/v1"
MODEL = "gpt-realtime-1.5"
TRANSCRIPTION = "gpt-4o-mini-transcribe"
SILENCE_MS = 500


class OpenAIRealtime:
    """A recogniser that also reasons. `async with` begins to connect and returns; what is asked before it stands waits.

    `tools` are `@tool` functions or their declarations; calls of them arrive as `ToolCall`. `session` holds further
    keys of `session.update`, which win over ours. `turn_detection` is `server_vad`, `semantic_vad` or None (no turns
    are taken). Options left out come from code, environment and sip.conf, in this order.
    """

    name = "openai"

    def __init__(
        self,
        *,
        instructions: str = "",
        tools: Sequence[Declared | Mapping[str, Any]] = (),
        session: Mapping[str, Any] | None = None,
        model: str | None = None,
        language: str | None = None,
        transcription: str = TRANSCRIPTION,
        turn_detection: str | None = "server_vad",
        silence_ms: int = SILENCE_MS,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> None:
        self._model = model
        self._api_key = api_key
        self._base_url = base_url
        self._silence_ms = silence_ms
        session_object = configure(
            encoding=g711.PCMU,
            instructions=instructions,
            tools=[tool if isinstance(tool, Mapping) else tool.declaration for tool in tools],
            transcription=transcription,
            language=language,
            turn_detection=turn_detection,
            silence_ms=silence_ms,
        )
        given, self._notices = modernise(session or {})
        merge(session_object, complete_detection(given, silence_ms))
        # held weakly: who knows each other waits for the garbage collector when the call is over
        self._link = RealtimeLink(session_object, g711.PCMU, weakref.proxy(self))
        self.failure: ProviderError | None = None
        """Why it cannot be used; None while it can, or is still being opened."""
        self._surroundings: Surroundings | None = None
        self._responses = Responses()
        self._history = History()
        self._repairs: dict[str, str] = {}
        self._calls = ToolCalls()

    async def __aenter__(self) -> "OpenAIRealtime":
        self._surroundings = surroundings.get()
        for text in self._notices:
            self._here.publish(Notice(text=f"openai: {text}"))
        self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ready(self) -> None:
        """Return once the session is configured. Raises ProviderError when it was refused."""
        await self._link.ready()

    # ---- what a scenario asks for

    def create_response(self, *, instructions: str | None = None) -> None:
        """Ask for an answer; while one is running, for when it is over. `instructions` replace the session's for it."""
        self._send_requests(self._responses.ask(instructions))

    def cancel_response(self) -> None:
        """Stop the answer being generated; its text is not heard of again. None being generated is no error."""
        self._responses.interrupt(forget_waiting=True)
        if self._responses.active:
            self.send("response.cancel", response_id=self._responses.active)

    def add_message(self, role: str, text: str) -> str:
        """Append a message of `user`, `assistant` or `system` to the history; returns its item id."""
        item = message(self._here.new_id("item"), role, text)
        self._history.put(item, None, done=True)
        self.send("conversation.item.create", item=item)
        return str(item["id"])

    def replace_message(self, item_id: str, text: str) -> None:
        """Make the assistant's item say `text` only, as soon as it is complete; empty text removes it.

        There is no event for this: the item is deleted, and one with the text put into its place.
        """
        if not self._history.is_done(item_id):
            self._repairs[item_id] = text
            return
        place = self._history.before(item_id)
        self._history.remove(item_id)
        self.send("conversation.item.delete", item_id=item_id)
        if text:
            item = message(self._here.new_id("item"), "assistant", text)
            self._history.put(item, place, done=True)
            self.send("conversation.item.create", previous_item_id=place, item=item)

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        """Give a tool's result; it leaves when its response is over.

        When every call of the response is answered, the next response is asked for, unless the caller spoke meanwhile.
        """
        self._calls.answer(tool_call_id, output)
        self._send_results()

    def update_session(self, **keys: Any) -> None:
        """Change the session. Keys of the beta shape are moved to their place; audio formats are left out."""
        given, notices = modernise(keys)
        for text in notices:
            self._here.publish(Notice(text=f"openai: {text}"))
        self._link.declare(complete_detection(given, self._silence_ms))

    def send(self, type: str, **fields: Any) -> None:
        """Send any client event of the Realtime API."""
        self._link.send(type, **fields)

    def clear(self) -> None:
        """VoxEngine's `clearMediaBuffer`: drop audio not yet played. With text answers there is none."""

    def reconnect(self) -> None:
        """Go on over a fresh socket and session, which is given the conversation so far."""
        self._link.leave()
        self._responses.reset()
        self._repairs.clear()
        self._calls.reset()
        self._link.wait_with({"type": "conversation.item.create", "item": item} for item in self._history.again())
        self._connect()

    async def close(self) -> None:
        """Close the socket; idempotent."""
        await self._link.close()

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Pass audio on as it is; another encoding than before is declared first."""
        self._link.hear(audio, encoding, voiced=voiced)

    # ---- the session

    def _connect(self) -> None:
        here = self._here
        options = here.options(self.name)
        self.failure = None
        self._link.begin()
        if not self._key:
            self.lost(missing_key(self.name))
            return
        headers = {"Authorization": f"Bearer {self._key}"}
        if options.organization:
            headers["OpenAI-Organization"] = options.organization
        if options.project:
            headers["OpenAI-Project"] = options.project
        model = quote(self._model or options.model or MODEL, safe="")
        url = websocket_url(self._base_url or options.base_url or BASE_URL, f"/realtime?model={model}")
        self._link.open(here.open_socket(self.name), url, headers)

    @property
    def _key(self) -> str:
        return self._api_key or self._here.options(self.name).api_key

    @property
    def _here(self) -> Surroundings:
        if self._surroundings is None:
            raise LocalProtocolError("OpenAIRealtime is used outside its `async with`")
        return self._surroundings

    def lost(self, how: Close | ProviderError) -> None:
        """The link to the session is gone."""
        if isinstance(how, ProviderError):
            self._fail(str(how).removeprefix(f"{self.name}: "), how.status)
            return
        self._here.publish(ProviderClosed(provider=self.name, code=how.code, reason=how.reason, clean=how.clean))
        self._fail(f"the socket was closed: {how.code} {how.reason}".rstrip(), status_in(how.reason))

    def _fail(self, text: str, status: int | None) -> None:
        """The session cannot be used."""
        reason = explain(self.name, status, text, secret=self._key)
        self.failure = ProviderError(self.name, reason.removeprefix("openai: "), status=status)
        self._link.fail(self.failure)
        self._here.publish(ProviderFailed(provider=self.name, reason=reason, status=status))

    def _send_requests(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._link.send(**request.frame())

    # ---- frames of the server

    def take_frame(self, frame: Mapping[str, Any]) -> None:
        """Tell of a frame under its name on the wire; then do what it asks for."""
        kind = str(frame.get("type", ""))
        self._here.publish(ProviderEvent(provider=self.name, type=kind, data=frame))
        if handler := _HANDLERS.get(kind):
            handler(self, frame)

    def _on_error(self, frame: Mapping[str, Any]) -> None:
        """Most errors leave the session usable; their code decides."""
        error = ServerError.of_frame(frame)
        text = error.text or "an error without words"
        if error.code == ALREADY_ANSWERING:
            number = error.event_id.removeprefix("response-")
            self._send_requests(self._responses.refused(int(number)) if number.isdecimal() else [])
        elif error.event_id == SETUP:
            self._fail(f"the session was refused: {text}", 400)
        elif error.status is not None:
            self._fail(text, error.status)
        elif not error.is_harmless and error.event_id != PROBE:
            self._here.publish(Notice(text=f"openai: {text}"))

    def _on_speech_started(self, frame: Mapping[str, Any]) -> None:
        """The caller has the word: what was being answered is dead; the server stops it itself if it was told to."""
        self._link.speech_started()
        detection = self._link.session["audio"]["input"].get("turn_detection") or {}
        self._responses.interrupt(forget_waiting=bool(detection.get("create_response", True)))
        if self._responses.active and not detection.get("interrupt_response", True):
            self.send("response.cancel", response_id=self._responses.active)
        self._here.publish(SpeechStarted(provider=self.name))

    def _on_speech_stopped(self, frame: Mapping[str, Any]) -> None:
        self._here.publish(SpeechEnded(provider=self.name))

    def _on_committed(self, frame: Mapping[str, Any]) -> None:
        """The caller's turn is an item now. Until its transcript comes, only its audio tells what he said."""
        self._history.spoken(text_of(frame, "item_id"), self._link.take_turn())

    def _on_item_added(self, frame: Mapping[str, Any]) -> None:
        self._take_item(frame, done=False)

    def _on_item_done(self, frame: Mapping[str, Any]) -> None:
        """A complete item can be replaced: do it, if that was asked for meanwhile."""
        item_id = self._take_item(frame, done=True)
        if item_id in self._repairs:
            self.replace_message(item_id, self._repairs.pop(item_id))

    def _take_item(self, frame: Mapping[str, Any], *, done: bool) -> str:
        item = frame.get("item")
        if not isinstance(item, Mapping):
            return ""
        previous = frame.get("previous_item_id")
        self._history.put(item, previous if isinstance(previous, str) else None, done=done)
        return text_of(item, "id")

    def _on_transcript(self, frame: Mapping[str, Any]) -> None:
        item_id, text = text_of(frame, "item_id"), text_of(frame, "transcript")
        self._history.transcribed(item_id, text)
        self._here.publish(CallerSaid(text=text, item_id=item_id))

    def _on_response_created(self, frame: Mapping[str, Any]) -> None:
        response = part_of(frame, "response")
        metadata = response.get("metadata")
        request = metadata.get("request") if isinstance(metadata, Mapping) else None
        response_id = text_of(response, "id")
        if self._responses.created(response_id, request if isinstance(request, str) else None):
            self.send("response.cancel", response_id=response_id)

    def _on_text_delta(self, frame: Mapping[str, Any]) -> None:
        response_id, text = text_of(frame, "response_id"), text_of(frame, "delta")
        if text and not self._responses.is_dead(response_id):
            item_id = text_of(frame, "item_id")
            self._here.publish(TextDelta(text=text, response_id=response_id, item_id=item_id))

    def _on_text_done(self, frame: Mapping[str, Any]) -> None:
        response_id, text = text_of(frame, "response_id"), text_of(frame, "text")
        if text and not self._responses.is_dead(response_id):
            item_id = text_of(frame, "item_id")
            self._here.publish(TextDone(text=text, response_id=response_id, item_id=item_id))

    def _on_tool_call(self, frame: Mapping[str, Any]) -> None:
        """A call is complete; it is heard of once, and not at all when its response was cut off."""
        call_id, response_id = text_of(frame, "call_id"), text_of(frame, "response_id")
        if self._responses.is_dead(response_id) or not self._calls.begin(call_id, response_id):
            return
        arguments = arguments_in(frame.get("arguments"))
        if arguments is None:
            self.answer_tool(call_id, "Error: the arguments are no JSON object.")
            return
        name = text_of(frame, "name")
        self._here.publish(ToolCall(name=name, arguments=arguments, tool_call_id=call_id, response_id=response_id))

    def _on_response_done(self, frame: Mapping[str, Any]) -> None:
        response = part_of(frame, "response")
        response_id, status = text_of(response, "id"), str(response.get("status") or "completed")
        dead = self._responses.is_dead(response_id)
        requests = self._responses.done(response_id)
        output = response.get("output")
        for item in output if isinstance(output, list) else ():
            if isinstance(item, Mapping) and item.get("type") == "function_call" and status == "completed":
                self._on_tool_call({**item, "response_id": response_id})
        self._send_requests(requests)
        self._send_results()
        if status == "failed" and not dead:
            self._take_failure(response)
        self._here.publish(ResponseDone(response_id=response_id, status="cancelled" if dead else status))

    def _take_failure(self, response: Mapping[str, Any]) -> None:
        error = ServerError.of_frame(part_of(response, "status_details"))
        status, text = error.status, f"an answer failed: {error.text or 'without words'}"
        reason = explain(self.name, status, text, secret=self._key)
        self._here.publish(ProviderFailed(provider=self.name, reason=reason, status=status))

    def _send_results(self) -> None:
        """Send the results of tools once no response runs; ask for the next response when one has all of its."""
        if self._responses.active:
            return
        results, answered = self._calls.results()
        for call_id, output in results:
            item_id = self._here.new_id("item")
            item = {"id": item_id, "type": "function_call_output", "call_id": call_id, "output": output}
            self._history.put(item, None, done=True)
            self.send("conversation.item.create", item=item)
        if any(not self._responses.is_dead(response) for response in answered):
            self.create_response()


_HANDLERS: Mapping[str, Callable[[OpenAIRealtime, Mapping[str, Any]], None]] = {
    "error": OpenAIRealtime._on_error,
    "input_audio_buffer.speech_started": OpenAIRealtime._on_speech_started,
    "input_audio_buffer.speech_stopped": OpenAIRealtime._on_speech_stopped,
    "input_audio_buffer.committed": OpenAIRealtime._on_committed,
    "conversation.item.added": OpenAIRealtime._on_item_added,
    "conversation.item.done": OpenAIRealtime._on_item_done,
    "conversation.item.input_audio_transcription.completed": OpenAIRealtime._on_transcript,
    "response.created": OpenAIRealtime._on_response_created,
    "response.output_text.delta": OpenAIRealtime._on_text_delta,
    "response.output_text.done": OpenAIRealtime._on_text_done,
    "response.function_call_arguments.done": OpenAIRealtime._on_tool_call,
    "response.done": OpenAIRealtime._on_response_done,
}
