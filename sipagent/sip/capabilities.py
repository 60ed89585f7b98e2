"""What this user agent understands: methods, bodies, extensions (RFC 3261 sections 8.2 and 11)."""

from collections.abc import Mapping

from sipagent.sip.dtmf import PLAIN, RELAY
from sipagent.sip.message import Field, Flaw, Request
from sipagent.sip.parameters import Parameters
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.session_timer import MINIMUM, is_too_brief

SDP = "application/sdp"

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "MESSAGE", "NOTIFY", "REFER")
KNOWN_METHODS = {*METHODS, "REGISTER", "SUBSCRIBE", "PUBLISH"}
EXTENSIONS = frozenset({"100rel", "norefersub", "replaces", "timer"})
"""Option tags that a peer may Require of us."""
BODIES: Mapping[str, tuple[str, ...]] = {
    "INVITE": (SDP,),
    "PRACK": (SDP,),
    "UPDATE": (SDP,),
    "INFO": (RELAY, PLAIN),
    "MESSAGE": ("text/plain",),
}
"""What the bodies of a method may be, those that we look at. A body without a type is taken for the first of them."""

ALLOW: Field = ("Allow", ", ".join(METHODS))
ACCEPT: Field = ("Accept", ", ".join(dict.fromkeys(kind for kinds in BODIES.values() for kind in kinds)))
SUPPORTED: Field = ("Supported", ", ".join(sorted(EXTENSIONS)))
ABILITIES = (ALLOW, ACCEPT, SUPPORTED)
"""What OPTIONS is told (section 11.2)."""
WITHOUT_OFFER: Field = ("Supported", ", ".join(sorted(EXTENSIONS - {"100rel"})))
"""What an INVITE of ours says that makes no offer."""

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
    if method == "INFO" and "info-package" in request.headers.names():
        return _refuse(469, ("Recv-Info", ""))  # RFC 6086 section 4.2.2: we have offered none
    if method in ("INVITE", "UPDATE") and is_too_brief(request):
        return _refuse(422, ("Min-SE", str(MINIMUM)))
    return _refuse_body(request)


def content_type(request: Request) -> str:
    """The type of a body, in lower case and without parameters."""
    return next(iter(request.headers.tokens("content-type")), BODIES[request.method][0])


def text_of(request: Request) -> str:
    """The text of a MESSAGE, in the character set that it names (RFC 3428 section 7); UTF-8 where nobody knows that."""
    charset = Parameters.parse((request.headers.get("content-type") or "").partition(";")[2]).get("charset")
    try:
        return request.body.decode(charset or "utf-8", "replace")
    except LookupError:
        return request.body.decode("utf-8", "replace")


def _refuse_body(request: Request) -> Refusal | None:
    """A body must be of a type that we know, in plain (RFC 3261 section 8.2.3)."""
    kinds = BODIES.get(request.method)
    if kinds is None or not request.body:
        return None
    accept = ("Accept", ", ".join(kinds))
    if request.headers.tokens("content-encoding") - {"identity"}:
        return _refuse(415, accept, ("Accept-Encoding", "identity"))
    return None if content_type(request) in kinds else _refuse(415, accept)


def _refuse(code: int, *headers: Field) -> Refusal:
    return Flaw(code, reason_phrase(code)), headers
