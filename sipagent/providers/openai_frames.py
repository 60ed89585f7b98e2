"""What the frames of a Realtime server say, read leniently: a field that is missing is empty."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STATUSES = {
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "billing_hard_limit_reached": 402,
    "account_deactivated": 403,
    "model_not_found": 404,
    "missing_model": 404,
    "invalid_model": 404,
    "beta_api_shape_disabled": 400,
}
"""Error codes after which another attempt would end alike, and the HTTP status that says the same."""

ALREADY_ANSWERING = "conversation_already_has_active_response"
_HARMLESS = frozenset({"response_cancel_not_active", "input_audio_buffer_commit_empty", ALREADY_ANSWERING})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """What went wrong, as an `error` frame or a failed response tells it."""

    code: str
    text: str
    """The server's words, else the code; empty without either."""
    event_id: str
    """The event of ours that it is about, if it is about one."""

    @classmethod
    def of_frame(cls, frame: Mapping[str, Any]) -> "ServerError":
        """The error in an `error` frame, or in the `status_details` of a response."""
        error = part_of(frame, "error")
        code = text_of(error, "code")
        return cls(code=code, text=text_of(error, "message") or code, event_id=text_of(error, "event_id"))

    @property
    def status(self) -> int | None:
        """The HTTP status that says the same; None for what may pass."""
        return _STATUSES.get(self.code)

    @property
    def is_harmless(self) -> bool:
        """Our request came a moment too late: nobody needs to hear of it."""
        return self.code in _HARMLESS


def status_in(reason: str) -> int | None:
    """The HTTP status of the error code that the reason of a close names."""
    return next((status for code, status in _STATUSES.items() if code in reason), None)


def text_of(frame: Mapping[str, Any], key: str) -> str:
    """A field as text."""
    return str(frame.get(key) or "")


def part_of(frame: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A field that is an object."""
    value = frame.get(key)
    return value if isinstance(value, Mapping) else {}


def arguments_in(text: object) -> Mapping[str, Any] | None:
    """The JSON object of a tool call, None for anything else; no text at all is the empty one."""
    try:
        arguments = json.loads(text) if isinstance(text, str) and text.strip() else {}
    except ValueError:
        return None
    return arguments if isinstance(arguments, dict) else None
