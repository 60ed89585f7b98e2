"""The session of OpenAI Realtime as values: what a half-cascade asks for, and old shapes put into their GA places.

GA wants `turn_detection` and the like under `session.audio`; it refuses a whole update for one key in the old place
(error `unknown_parameter`). Most published samples still have the old shape, so it is accepted and moved.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sipagent.audio.encoding import PCM, rate

Keys = dict[str, Any]

_MOVED = {
    "turn_detection": ("audio", "input", "turn_detection"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
}
"""Keys of the beta shape, and where GA has them."""


def configure(
    *,
    encoding: str,
    instructions: str,
    tools: Sequence[Mapping[str, Any]],
    transcription: str,
    language: str | None,
    turn_detection: str | None,
    silence_ms: int,
) -> Keys:
    """Return the session object for text answers to audio. `turn_detection` None: the caller commits by hand."""
    heard: Keys = {"model": transcription}
    if language:
        heard["language"] = language
    session: Keys = {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {
            "input": {
                **format_of(encoding),
                "transcription": heard,
                "turn_detection": detection(turn_detection, silence_ms),
            }
        },
        "tools": [{"type": "function", **tool} for tool in tools],
    }
    if instructions:
        session["instructions"] = instructions
    return session


def detection(kind: str | None, silence_ms: int) -> Keys | None:
    """Return turn detection with its booleans said aloud: a null `create_response` is refused as `invalid_type`."""
    if kind is None:
        return None
    answers: Keys = {"create_response": True, "interrupt_response": True}
    if kind != "server_vad":
        return {"type": kind, **answers}
    return {
        "type": kind,
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
        **answers,
    }


def format_of(encoding: str) -> Keys:
    """Return the `format` key for an encoding of ours. Only `pcm` says its rate: 24,000 Hz, which is all there is."""
    return {"format": {"type": f"audio/{encoding}", **({"rate": rate(PCM)} if encoding == PCM else {})}}


def modernise(keys: Mapping[str, Any]) -> tuple[Keys, list[str]]:
    """Put a caller's session keys into GA shape. Returns them, and a sentence for each that was moved or left out.

    What belongs to the telephone is left out: audio formats (the call's codec decides) and the modality (text).
    """
    session: Keys = {}
    notices: list[str] = []
    for key, value in keys.items():
        path = _MOVED.get(key)
        if path is None:
            merge(session, {key: value})
            continue
        merge(session, nested(path, value))
        notices.append(f"session.{key} has its place at session.{'.'.join(path)} now, and was moved there")
    notices += _without_formats(session)
    return session, notices


def merge(target: Keys, keys: Mapping[str, Any]) -> Keys:
    """Lay `keys` over `target`, object by object, as `session.update` does; returns `target`.

    An object of another `type` (a format, a turn detection) takes the place of the old one with all its keys.
    """
    for key, value in keys.items():
        if isinstance(value, Mapping):
            known = target.get(key)
            goes_on = isinstance(known, Mapping) and value.get("type", known.get("type")) == known.get("type")
            target[key] = merge(dict(known) if isinstance(known, Mapping) and goes_on else {}, value)
        else:
            target[key] = value
    return target


def nested(path: Sequence[str], value: Any) -> Keys:
    """Return `value` at the end of `path`: `("a", "b"), 1` → `{"a": {"b": 1}}`."""
    for key in reversed(path):
        value = {key: value}
    result: Keys = value
    return result


def complete_detection(session: Keys, silence_ms: int) -> Keys:
    """Fill the turn detection that a caller gave in part (`{"type": "server_vad"}`) with our defaults for its type."""
    given = session.get("audio", {}).get("input", {}).get("turn_detection")
    if isinstance(given, Mapping) and isinstance(kind := given.get("type", "server_vad"), str):
        session["audio"]["input"]["turn_detection"] = {**(detection(kind, silence_ms) or {}), **given}
    return session


def _without_formats(session: Keys) -> list[str]:
    """Take out what a telephone decides itself; returns the notices."""
    notices = []
    audio = session.get("audio")
    for side in ("input", "output"):
        part = audio.get(side) if isinstance(audio, dict) else None
        if isinstance(part, dict) and "format" in part:
            del part["format"]
            notices.append(f"session.audio.{side}.format is left out: the call's codec decides it")
    if session.get("output_modalities", ["text"]) != ["text"]:
        del session["output_modalities"]
        notices.append("session.output_modalities is left out: in this pipeline the model answers in text")
    if session.pop("model", None) is not None:
        notices.append("session.model is left out: a session's model is chosen when it is opened")
    return notices
