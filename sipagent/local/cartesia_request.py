"""What a generation request to Cartesia may say: its field table, and the errors in the words of each API version."""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from sipagent.local.fields import (
    Check,
    Refused,
    boolean,
    choice,
    either,
    integer,
    nullable,
    number,
    record,
    tagged,
    text,
)

STRUCTURED_ERRORS = "2026-03-01"
"""The API version from which on errors have title, message and code in fields of their own."""
BARE_VOICES = "2026-08-14"
"""The API version from which on `voice` may be just an id."""

_MODEL = re.compile(r"sonic(-[0-9a-z.-]+)?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}")

_voice = tagged({"id": record({"id": text}, ("id",))}, tag="mode")
_output_format = record(
    {
        "container": choice("raw"),
        "encoding": choice("pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw"),
        "sample_rate": choice(8000, 16000, 22050, 24000, 44100, 48000),
    },
    ("container", "encoding", "sample_rate"),
)
_fields: dict[str, Check] = {
    "context_id": text,
    "model_id": text,
    "transcript": text,
    "output_format": _output_format,
    "language": text,
    "locale": text,
    "continue": nullable(boolean),
    "flush": nullable(boolean),
    "max_buffer_delay_ms": nullable(integer(0, 5000)),
    "add_timestamps": nullable(boolean),
    "add_phoneme_timestamps": nullable(boolean),
    "use_normalized_timestamps": nullable(boolean),
    "generation_config": record({"speed": number(0.6, 1.5), "volume": number(0.5, 2.0), "emotion": text}),
    "pronunciation_dict_id": nullable(text),
    "speed": choice("slow", "normal", "fast"),
    "duration": nullable(number(0, 3600)),
}
_required = ("context_id", "model_id", "transcript", "voice", "output_format")
_cancel = record({"context_id": text, "cancel": boolean}, ("context_id", "cancel"))


class RequestError(Exception):
    """A request that is answered with an error frame: HTTP-like status, title, message and code."""

    def __init__(self, status: int, title: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.title, self.message, self.code = status, title, message, code

    def frame(self, version: str, context_id: str | None) -> dict[str, Any]:
        """The error frame as this API version words it."""
        frame: dict[str, Any] = {"type": "error", "done": True, "status_code": self.status}
        if context_id is not None:
            frame["context_id"] = context_id
        if version < STRUCTURED_ERRORS:
            return {**frame, "error": f"{self.title}: {self.message}"}
        words = {"title": self.title, "message": self.message, "error_code": self.code}
        return {**frame, **words, "request_id": secrets.token_hex(8)}


def check_request(request: Mapping[str, Any], version: str, knows_voice: Callable[[str], bool]) -> None:
    """Check a generation or a cancel request. Raises RequestError."""
    voice = either(_voice, text) if version >= BARE_VOICES else _voice
    table = _cancel if "cancel" in request else record({**_fields, "voice": voice}, _required)
    try:
        table(request, "")
    except Refused as refusal:
        raise RequestError(400, "Invalid request", refusal.message, "invalid_request") from refusal
    if "cancel" not in request:
        _check_names(request, knows_voice)


def voice_of(request: Mapping[str, Any]) -> str:
    """The voice id, written bare or in an object."""
    voice = request["voice"]
    return str(voice if isinstance(voice, str) else voice["id"])


def _check_names(request: Mapping[str, Any], knows_voice: Callable[[str], bool]) -> None:
    """Names that are well formed, but of nothing that exists."""
    if not _MODEL.fullmatch(request["model_id"]):
        raise RequestError(404, "Model not found", f"There is no model {request['model_id']!r}.", "model_not_found")
    if not _UUID.fullmatch(voice_of(request)) and not knows_voice(voice_of(request)):
        raise RequestError(404, "Voice not found", f"There is no voice {voice_of(request)!r}.", "voice_not_found")
    if "language" in request and "locale" in request:
        raise RequestError(400, "Invalid request", "Give language or locale, not both.", "invalid_request")
    if not _LANGUAGE.fullmatch(request.get("language", "en")):
        raise RequestError(400, "Invalid request", f"Unknown language {request['language']!r}.", "invalid_request")
