"""The session object of OpenAI Realtime (GA): its defaults, its field table, and how an update changes it.

Source: the GA reference of the client event session.update (platform.openai.com, "Realtime API").
"""

import copy
from collections.abc import Mapping
from typing import Any

from sipagent.local.fields import (
    Refused,
    anything,
    boolean,
    choice,
    either,
    integer,
    listing,
    mapping,
    nullable,
    number,
    record,
    tagged,
    text,
)

MAX_AGE = 3600
"""Seconds until a session expires."""

Session = Mapping[str, Any]

_SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_EMPTY = {"instructions": "", "tools": [], "output_modalities": ["audio"], "max_output_tokens": "inf"}

_modalities = listing(choice("text", "audio"))
_format = tagged(
    {"audio/pcm": record({"rate": choice(24000)}), "audio/pcmu": record({}), "audio/pcma": record({})},
)
_voice = either(record({"id": text}, ("id",)), text)
_tokens = either(choice("inf"), integer(1, 4096))
_function_tool = record({"name": text, "description": text, "parameters": mapping}, ("name",))
_tool = tagged({"function": _function_tool, "mcp": anything})
_tool_choice = either(
    tagged({"function": record({"name": text}, ("name",)), "mcp": anything}), choice("auto", "none", "required")
)
_turn_detection = tagged(
    {
        "server_vad": record(
            {
                "threshold": number(0, 1),
                "prefix_padding_ms": integer(0, 5000),
                "silence_duration_ms": integer(0, 10000),
                "create_response": boolean,
                "interrupt_response": boolean,
                "idle_timeout_ms": nullable(integer(5000, 30000)),
            }
        ),
        "semantic_vad": record(
            {
                "eagerness": choice("low", "medium", "high", "auto"),
                "create_response": boolean,
                "interrupt_response": boolean,
            }
        ),
    }
)
_transcription = record(
    {
        "model": text,
        "language": text,
        "prompt": text,
        "languages": listing(text),
        "keywords": listing(text),
        "delay": choice("minimal", "low", "medium", "high", "xhigh"),
    }
)
_noise_reduction = record({"type": choice("near_field", "far_field"), "strength": number(0, 1)}, ("type",))
_truncation = either(
    tagged({"retention_ratio": record({"retention_ratio": number(0, 1), "token_limits": mapping})}),
    choice("auto", "disabled"),
)
_audio_output = record({"format": _format, "voice": _voice, "speed": number(0.25, 1.5)})
_session = record(
    {
        "type": choice("realtime"),
        "model": text,
        "instructions": nullable(text),
        "output_modalities": nullable(_modalities),
        "audio": record(
            {
                "input": record(
                    {
                        "format": _format,
                        "noise_reduction": nullable(_noise_reduction),
                        "transcription": nullable(_transcription),
                        "turn_detection": nullable(_turn_detection),
                    }
                ),
                "output": _audio_output,
            }
        ),
        "tools": nullable(listing(_tool)),
        "tool_choice": _tool_choice,
        "max_output_tokens": nullable(_tokens),
        "truncation": _truncation,
        "tracing": nullable(either(mapping, choice("auto"))),
        "include": nullable(listing(choice("item.input_audio_transcription.logprobs"))),
        "prompt": nullable(mapping),
        "parallel_tool_calls": boolean,
        "reasoning": mapping,
    },
    ("type",),
)
_response = record(
    {
        "instructions": text,
        "output_modalities": _modalities,
        "tools": listing(_tool),
        "tool_choice": _tool_choice,
        "conversation": choice("auto", "none"),
        "input": listing(mapping),
        "metadata": nullable(mapping),
        "max_output_tokens": _tokens,
        "audio": record({"output": record({"format": _format, "voice": _voice})}),
        "prompt": nullable(mapping),
        "parallel_tool_calls": boolean,
        "reasoning": mapping,
    }
)


def new_session(session_id: str, model: str, now: float) -> dict[str, Any]:
    """The session as `session.created` shows it. `now` in Unix seconds."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful, witty, and friendly AI.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": int(now) + MAX_AGE,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def updated(session: Session, update: Any, *, has_spoken: bool) -> dict[str, Any]:
    """Return the session with `update` applied, all of it or nothing. Raises Refused.

    `has_spoken`: the model has emitted audio, after which its voice cannot change.
    """
    _session(update, "session")
    _check_rules(session, update, has_spoken)
    changed = copy.deepcopy(dict(session))
    _merge(changed, update)
    return changed


def check_response(parameters: Any) -> None:
    """Check the parameters of `response.create`. Raises Refused."""
    _response(parameters, "response")
    _check_modalities(parameters, "response")


def _check_rules(session: Session, update: Mapping[str, Any], has_spoken: bool) -> None:
    """Refuse what each field allows alone, but not here."""
    _check_modalities(update, "session")
    if update.get("model", session["model"]) != session["model"]:
        raise Refused("invalid_value", "session.model", "Cannot update a conversation's model.")
    voice = session["audio"]["output"]["voice"]
    if has_spoken and update.get("audio", {}).get("output", {}).get("voice", voice) != voice:
        raise Refused(
            "cannot_update_voice",
            "session.audio.output.voice",
            "Cannot update a conversation's voice if assistant audio is present.",
        )
    if session["tracing"] is not None and update.get("tracing", session["tracing"]) != session["tracing"]:
        raise Refused("invalid_value", "session.tracing", "Tracing cannot be changed once it is set.")
    for name in ("parallel_tool_calls", "reasoning"):
        if name in update and not session["model"].startswith("gpt-realtime-2"):
            raise Refused(
                "invalid_value", f"session.{name}", f"'{name}' is not supported by model '{session['model']}'."
            )


def _check_modalities(update: Mapping[str, Any], place: str) -> None:
    modalities = update.get("output_modalities")
    if modalities is not None and sorted(set(modalities)) not in (["audio"], ["text"]):
        raise Refused(
            "invalid_value",
            f"{place}.output_modalities",
            f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio'].",
        )


def _merge(session: dict[str, Any], update: Mapping[str, Any]) -> None:
    """Replace what the update has; only `audio` and its two halves are merged field by field."""
    audio = update.get("audio", {})
    for half in ("input", "output"):
        session["audio"][half].update(copy.deepcopy(audio.get(half, {})))
    for name, value in update.items():
        if name != "audio":
            session[name] = copy.deepcopy(_EMPTY.get(name)) if value is None else copy.deepcopy(value)
    _fill_defaults(session)


def _fill_defaults(session: dict[str, Any]) -> None:
    audio = session["audio"]
    for half in ("input", "output"):
        if audio[half]["format"]["type"] == "audio/pcm":
            audio[half]["format"]["rate"] = 24000
    if (turn := audio["input"]["turn_detection"]) is not None:
        defaults = _SERVER_VAD if turn["type"] == "server_vad" else _SEMANTIC_VAD
        audio["input"]["turn_detection"] = {**defaults, **turn}
