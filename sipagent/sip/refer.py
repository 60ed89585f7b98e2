"""What REFER and its NOTIFYs say (RFC 3515): whom to call, instead of which call, and how it goes."""

from dataclasses import dataclass, replace
from urllib.parse import unquote as percent_decode

from sipagent.sip.headers import NameAddr
from sipagent.sip.message import Field, Headers, Request, parse
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.replaces import Replaces
from sipagent.sip.uri import Uri

SIPFRAG: Field = ("Content-Type", "message/sipfrag;version=2.0")
EVENT = "refer"
WITHOUT_SUBSCRIPTION: Field = ("Refer-Sub", "false")
"""Said in a REFER and in its 2xx: nobody will be told how it goes (RFC 4488 section 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferTo:
    """Whom a REFER wants called, and the call that the new one takes the place of, in an attended transfer."""

    target: Uri
    replaces: Replaces | None = None

    @classmethod
    def of_headers(cls, headers: Headers) -> "ReferTo":
        """Read Refer-To. ValueError for none, several, or what nobody can call (RFC 3515 section 2.4.2)."""
        values = headers.values("refer-to")
        if len(values) != 1:
            raise ValueError("not exactly one Refer-To")
        uri = NameAddr.parse(values[0]).uri
        if uri.parameters.get("method") not in (None, "INVITE") or not (uri.is_sip or uri.scheme == "tel"):
            raise ValueError("a Refer-To that asks for something else than a call")
        embedded = Headers(_fields(uri.headers))
        target = replace(uri, headers="", parameters=uri.parameters.without("method"))
        return cls(target=target, replaces=Replaces.of_headers(embedded))

    def __str__(self) -> str:
        return f"<{replace(self.target, headers=self.replaces.in_uri if self.replaces else '')}>"


def read_sipfrag(body: bytes) -> tuple[int, str] | None:
    """The status of a NOTIFY's body, which may be its first line only; None where there is none."""
    found = parse(body)
    if found is None or isinstance(found, Request):
        return None
    return found.code, found.reason or reason_phrase(found.code)


def sipfrag(code: int, reason: str = "") -> bytes:
    """The body of a NOTIFY: a status line (RFC 3515 section 2.4.5)."""
    return f"SIP/2.0 {code} {reason or reason_phrase(code)}\r\n".encode()


def has_no_subscription(headers: Headers) -> bool:
    """Whether somebody asks, or says, that there be no NOTIFYs (RFC 4488)."""
    return (headers.get("refer-sub") or "").partition(";")[0].strip().lower() == "false"


def _fields(headers: str) -> list[Field]:
    """The headers inside a URI, decoded (RFC 3261 section 19.1.1)."""
    pairs = (pair.partition("=") for pair in headers.split("&") if pair)
    return [(percent_decode(name), percent_decode(value)) for name, _, value in pairs]
