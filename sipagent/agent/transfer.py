"""The tool by which a model puts a caller through: what it is told of it, before and after."""

from collections.abc import Mapping, Sequence
from typing import Any

from sipagent.events import TransferProgress

TRANSFER = "transfer"


def declaration_of_transfer(names: Sequence[str]) -> Mapping[str, Any]:
    """Return what a model is told: the names, and never what they stand for."""
    return {
        "name": TRANSFER,
        "description": (
            "Put the caller through to somebody. Say so in the same answer; it begins when the caller has heard that. "
            "If it fails, the caller is back with you, and you are told why."
        ),
        "parameters": {
            "type": "object",
            "properties": {"to": {"type": "string", "enum": list(names)}},
            "required": ["to"],
            "additionalProperties": False,
        },
    }


def told_of_transfer(progress: TransferProgress) -> str:
    """Return what a model is told of the outcome."""
    if progress.state == "answered":
        return f"The caller has been put through to {progress.target}."
    why = " ".join(filter(None, (str(progress.code or ""), progress.reason))) or "no reason given"
    return f"Error: {progress.target} could not be reached ({why}). The caller is with you again."
