"""Events as lines for people, or as JSON for programs."""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from sipagent.events import (
    AgentSaid,
    CallAnswered,
    CallerRefused,
    CallerSaid,
    CallFailed,
    CallMeasured,
    CallMoved,
    CallReceived,
    DigitReceived,
    Disconnected,
    Event,
    HoldChanged,
    MediaStarted,
    MessageReceived,
    Notice,
    ProgressHeard,
    ProviderClosed,
    ProviderEvent,
    ProviderFailed,
    Registered,
    RegistrationFailed,
    SpeechEnded,
    Stamped,
    TransferProgress,
)


def json_line(kind: str, at: float, fields: Mapping[str, object], *, call_id: str = "") -> str:
    """Return one line of `--json`; `at` is seconds since 1970."""
    head = {"type": kind, "time": round(at, 6), "call_id": call_id}
    return json.dumps({**head, **fields}, ensure_ascii=False, default=str)


class JsonReport:
    """One JSON object a line: `type`, `time` (seconds since 1970), `call_id`, and the event's fields.

    Frames of providers come only with `provider`: they are many.
    """

    def __init__(self, out: TextIO, *, provider: bool = False) -> None:
        self._out = out
        self._provider = provider
        self._ahead = time.time() - time.monotonic()

    def take(self, stamped: Stamped) -> None:
        """Print one event."""
        event = stamped.event
        if isinstance(event, ProviderEvent) and not self._provider:
            return
        # A field of the event that is called `type` (ProviderEvent's) becomes `provider_type`.
        data = {"provider_type" if name == "type" else name: value for name, value in _fields(event).items()}
        line = json_line(type(event).__name__, stamped.time + self._ahead, data, call_id=stamped.call_id)
        self._out.write(line + "\n")
        self._out.flush()


class TextReport:
    """A line for each thing that somebody who watches wants to know, with the latency of each answer."""

    def __init__(self, echo: Callable[[str], object], *, agent: bool = False) -> None:
        self._echo = echo
        self._agent = agent
        self._stopped: dict[str, float] = {}

    def take(self, stamped: Stamped) -> None:
        """Print one event, if it is worth a line."""
        if isinstance(stamped.event, SpeechEnded):
            self._stopped[stamped.call_id] = stamped.time
        if isinstance(stamped.event, Disconnected):
            self._stopped.pop(stamped.call_id, None)
        text = self._latency(stamped) or _sentence(stamped.event)
        if text is None and self._agent and not isinstance(stamped.event, ProviderEvent):
            text = repr(stamped.event)
        if text is not None:
            call = f"[{stamped.call_id[:6]}] " if stamped.call_id else ""
            self._echo(f"{time.strftime('%H:%M:%S')}  {call}{text}")

    def _latency(self, stamped: Stamped) -> str | None:
        if not isinstance(stamped.event, MediaStarted) or stamped.call_id not in self._stopped:
            return None
        took = stamped.time - self._stopped.pop(stamped.call_id)
        return f"agent speaks, {took * 1000:.0f} ms after the caller's turn ended"


def _fields(event: Event) -> dict[str, object]:
    return {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}


def _sentence(event: Event) -> str | None:
    match event:
        case Registered():
            return f"registered {event.account} at {event.registrar} for {event.expires} s"
        case RegistrationFailed():
            hint = f": {event.hint}" if event.hint else ""
            code = f"{event.code} " if event.code else ""
            return f"not registered: {event.account}: {code}{event.reason}{hint} (again in {event.retry_after:.0f} s)"
        case CallReceived():
            name = f'"{event.display_name}" ' if event.display_name else ""
            line = f" ({event.line})" if event.line else ""
            return f"call from {name}{event.caller}{line}"
        case CallAnswered():
            return f"answered ({event.codec}{f', {event.encryption}' if event.encryption else ''})"
        case CallerSaid():
            return f"caller: {event.text}"
        case AgentSaid():
            cut = " … (interrupted)" if event.interrupted else ""
            return f"agent:  {event.heard_text}{cut}"
        case DigitReceived():
            return f"{event.digit} was pressed"
        case ProgressHeard():
            return f"the line tells: {event.sign}"
        case HoldChanged(by="us"):
            return "we hold" if event.held else "we hold no longer"
        case HoldChanged():
            return "held by the far end" if event.held else "taken back from hold"
        case Disconnected():
            return f"over, ended by {event.by}" + (f": {event.reason}" if event.reason else "")
        case TransferProgress():
            words = f": {event.code} {event.reason}" if event.state == "failed" and event.code else ""
            return f"transfer to {event.target}: {event.state}{words}"
        case CallMoved():
            return f"goes on with {event.far_end}"
        case MessageReceived():
            return f"text from {event.sender}: {event.text}"
        case CallMeasured():
            return _quality(event)
        case CallFailed():
            return f"failed: {event.code} {event.reason}"
        case ProviderFailed():
            return event.reason
        case ProviderClosed(clean=False):
            return f"{event.provider} closed the connection: {event.code} {event.reason}"
        case CallerRefused():
            return f"{event.source} may not ring; to let it in, write {event.cure}"
        case Notice():
            return event.text
    return None


def _quality(measured: CallMeasured) -> str | None:
    """How a call sounded both ways, and why; nothing of one that had no media."""
    if measured.score is None:
        return f"heard nothing: {measured.packets_sent} packets left, none came" if measured.packets_sent else None
    there = f", {measured.remote_score:.1f} at the far end" if measured.remote_score is not None else ""
    travelled = f", round trip {measured.round_trip_ms:.0f} ms" if measured.round_trip_ms is not None else ""
    ours = f", {measured.frames_skipped} frames of ours did not leave" if measured.frames_skipped else ""
    return (
        f"sounded {measured.score:.1f} of 4.4 here{there}: {measured.loss:.1%} lost, "
        f"jitter {measured.jitter_ms:.0f} ms{travelled}{ours}"
    )
