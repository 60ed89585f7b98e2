"""What this user agent understands: methods, bodies, extensions (RFC 3261 sections 8.2 and 11)."""

from sipagent.sip.message import Field, Flaw, Request
from sipagent.sip.reasons import reason_phrase

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "NOTIFY", "REFER")
KNOWN_METHODS = {*METHODS, "REGISTER", "INFO", "SUBSCRIBE", "UPDATE", "PRACK", "MESSAGE", "PUBLISH"}
EXTENSIONS = frozenset({"norefersub", "replaces"})
"""Option tags that a peer may Require of us."""

ALLOW: Field = ("Allow", ", ".join(METHODS))
ACCEPT: Field = ("Accept", "application/sdp")
SUPPORTED: Field = ("Supported", ", ".join(sorted(EXTENSIONS)))

Refusal = tuple[Flaw, tuple[Field, ...]]


def refusal(request: Request) -> Refusal | None:
    """Why a well-formed request cannot be served here, with the headers that say what could (RFC 3261 section 8.2)."""
    method = request.method
    if method not in METHODS:
        return _refuse(405 if method in KNOWN_METHODS else 501, ALLOW)
    if method in ("ACK", "CANCEL"):  # their Require is ignored (RFC 3261 section 8.2.2.3)
        return None
    if request.target.scheme not in ("sip", "sips", "tel"):
        return _refuse(416)
    if unknown := request.headers.tokens("require") - EXTENSIONS:
        return _refuse(420, ("Unsupported", ", ".join(sorted(unknown))))
    if method == "INVITE":
        return _refuse_body(request)
    return None


def _refuse_body(request: Request) -> Refusal | None:
    """An INVITE's body must be SDP, in plain (RFC 3261 section 8.2.3). One without a type is taken for SDP."""
    if request.body and request.headers.tokens("content-encoding") - {"identity"}:
        return _refuse(415, ACCEPT, ("Accept-Encoding", "identity"))
    if request.body and request.headers.tokens("content-type") - {"application/sdp"}:
        return _refuse(415, ACCEPT)
    return None


def _refuse(code: int, *headers: Field) -> Refusal:
    return Flaw(code, reason_phrase(code)), headers
