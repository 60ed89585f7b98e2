"""The errors that sipagent raises, as one tree.

    SipagentError
     ├── ConfigurationError     sip.conf, environment or arguments are wrong; says where, and what to write (exit 2)
     ├── LocalProtocolError     our own caller broke a rule of the protocol machine; names the state and the input
     ├── NotAcceptable          an offer has nothing we can speak (SIP 488)
     ├── CallFailed             a call could not be set up, or broke; carries the SIP code and reason
     ├── NoPortFree             every RTP port is taken (SIP 503)
     ├── RegistrationError      the registrar said no; carries its own words (exit 3)
     ├── ProviderError          a provider refused, vanished or fell silent
     ├── CaptureError           a capture cannot be read or replayed; says what is missing (exit 2)
     └── SecretMissing          a secret is configured nowhere

A peer's bad input is never an exception: it is counted, and becomes an event where somebody could act on it.
No error text contains a secret.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """Why a call of ours was not established, in one word for all servers."""

    BUSY = "busy"
    DECLINED = "declined"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not found"
    FORBIDDEN = "forbidden"
    NO_ANSWER = "no answer"
    CANCELLED = "cancelled"
    REDIRECTED = "redirected"
    """To where calls may not be sent."""
    NETWORK = "network"
    """No server answered, or none could be reached."""
    SERVER_ERROR = "server error"
    INCOMPATIBLE_MEDIA = "incompatible media"


class SipagentError(Exception):
    """The root: `except SipagentError` catches everything that sipagent raises on purpose."""


class ConfigurationError(SipagentError):
    """Configuration that cannot be used. The text names file, line, key and the cure."""


class LocalProtocolError(SipagentError):
    """We asked a protocol machine for a step that its state does not allow."""


class NotAcceptable(SipagentError):
    """No media description in the offer can be accepted (RFC 3261 section 21.4.26)."""


class CallFailed(SipagentError):
    """A call was not established, or ended abnormally. `code` is 0 where no SIP status came into it."""

    def __init__(self, code: int, reason: str, outcome: Outcome = Outcome.SERVER_ERROR) -> None:
        super().__init__(f"{code} {reason}" if code else reason)
        self.code = code
        self.reason = reason
        self.outcome = outcome


class RegistrationError(SipagentError):
    """The registrar refused us. `code` and `reason` are its own words; `hint` is the likely cause."""

    def __init__(self, code: int, reason: str, hint: str = "") -> None:
        super().__init__(f"{code} {reason}" + (f": {hint}" if hint else ""))
        self.code = code
        self.reason = reason
        self.hint = hint


class ProviderError(SipagentError):
    """A provider refused a connection, closed it or answered with a fatal error."""

    def __init__(self, provider: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.status = status


class NoPortFree(SipagentError):
    """Every RTP port is taken: the call is refused with 503. The text names the range and how to widen it."""


class CaptureError(SipagentError):
    """A capture, journal or golden file that cannot be used. The text names the file and what it lacks."""


class SecretMissing(SipagentError):
    """A secret was asked for that neither the environment nor a file holds."""
