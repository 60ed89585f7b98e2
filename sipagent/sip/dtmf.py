"""Key presses in the body of INFO: `application/dtmf-relay` and `application/dtmf`, which no RFC has written down."""

from dataclasses import dataclass

KEYS = "0123456789*#ABCD"
"""What a telephone can press, in the order of RFC 4733 section 3.2: some peers write the event's number."""
RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"
DURATION = 160
"""Milliseconds, where none is told."""


@dataclass(frozen=True, slots=True)
class Press:
    """One key, held for so many milliseconds."""

    key: str
    duration_ms: int = DURATION


def read_press(content_type: str, body: bytes) -> Press | None:
    """Read a body of either type; None for what is no key (a hook flash, a letter)."""
    text = body.decode("ascii", "replace")
    if content_type == PLAIN:
        key = _key(text)
        return Press(key) if key else None
    fields = dict(_field(line) for line in text.splitlines())
    key, duration = _key(fields.get("signal", "")), fields.get("duration", "")
    if not key:
        return None
    return Press(key, int(duration) if duration.isascii() and duration.isdecimal() and len(duration) < 6 else DURATION)


def relay_body(press: Press) -> bytes:
    """The body of type `application/dtmf-relay`."""
    return f"Signal={press.key}\r\nDuration={press.duration_ms}\r\n".encode()


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip().lower(), value.strip()


def _key(text: str) -> str:
    text = text.strip().upper()
    if len(text) == 1:
        return text if text in KEYS else ""
    return KEYS[int(text)] if len(text) == 2 and text in ("10", "11", "12", "13", "14", "15") else ""
