"""SIP messages: one datagram in, a Request or a Response out, and back (RFC 3261 section 7).

Reading is lenient: compact names, any case, folded lines, bare line feeds, blanks round the colon or none, empty
values. What a server must refuse all the same is noted in `flaw`. Header values are looked at only when asked for.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sipagent.errors import LocalProtocolError
from sipagent.sip.flow import Address
from sipagent.sip.headers import CSeq, NameAddr, Via, is_token, parse_number
from sipagent.sip.parameters import split_outside_quotes
from sipagent.sip.reasons import reason_phrase
from sipagent.sip.uri import Uri

MAXIMUM_SIZE = 65_535
MAXIMUM_HEADERS = 256
Field = tuple[str, str]

COMPACT_NAMES = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""RFC 3261 section 7.3.3 and the IANA registry after it."""

_SPELLINGS = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "www-authenticate": "WWW-Authenticate",
    "mime-version": "MIME-Version",
}
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_VERSION = re.compile(r"SIP/\d+\.\d+", re.IGNORECASE)


def canonical(name: str) -> str:
    """The long lower-case form of a header name."""
    name = name.lower()
    return COMPACT_NAMES.get(name, name)


class Headers:
    """Header fields in their order, found by name without regard to case or compact form. Immutable."""

    __slots__ = ("_fields", "_rows")

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self._fields = tuple((canonical(name), value) for name, value in fields)
        rows: dict[str, list[str]] = {}
        for name, value in self._fields:
            rows.setdefault(name, []).append(value)
        self._rows = rows

    def get(self, name: str) -> str | None:
        """The first value of `name`, None where it is absent."""
        rows = self._rows.get(canonical(name))
        return rows[0] if rows else None

    def rows(self, name: str) -> list[str]:
        """Every row of `name`, as it came."""
        return self._rows.get(canonical(name), [])

    def values(self, name: str) -> list[str]:
        """Every value of a list header, whether in one row or in several (RFC 3261 section 7.3.1)."""
        rows = self._rows.get(canonical(name), ())
        return [value for row in rows for value in split_outside_quotes(row, ",")]

    def tokens(self, name: str) -> set[str]:
        """The values of a list of option tags, methods or media types, in lower case and without parameters."""
        return {value.partition(";")[0].rstrip().lower() for value in self.values(name)}

    def number(self, name: str) -> int | None:
        """The value of a header that holds seconds or a count; None where it is absent or no number."""
        try:
            return parse_number((self.get(name) or "").partition(";")[0].partition("(")[0])
        except ValueError:
            return None

    def names(self) -> Iterator[str]:
        return iter(self._rows)

    def without(self, *names: str) -> "Headers":
        return Headers(item for item in self._fields if item[0] not in names)

    def __add__(self, fields: Iterable[Field]) -> "Headers":
        return Headers((*self._fields, *fields))

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a request cannot be served: the status code for it, and a reason that names the fault."""

    code: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request. The typed properties raise ValueError for values that `check` refuses."""

    method: str
    uri: str
    headers: Headers
    body: bytes = b""
    flaw: Flaw | None = None

    @cached_property
    def target(self) -> Uri:
        return Uri.parse(self.uri)

    @cached_property
    def via(self) -> Via:
        """The topmost Via: the hop that sent us this."""
        return Via.parse(_first(self.headers.values("via")))

    @cached_property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self.headers.get("from") or "")

    @cached_property
    def to(self) -> NameAddr:
        return NameAddr.parse(self.headers.get("to") or "")

    @cached_property
    def cseq(self) -> CSeq:
        return CSeq.parse(self.headers.get("cseq") or "")

    @cached_property
    def contact(self) -> NameAddr:
        return NameAddr.parse(_first(self.headers.values("contact")))

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id") or ""

    @property
    def content(self) -> bytes | None:
        """The body, None where there is none."""
        return self.body or None

    def first_values(self) -> Mapping[str, str]:
        """The first value of each header, by its name in lower case."""
        return {name: self.headers.rows(name)[0] for name in self.headers.names()}

    def __bytes__(self) -> bytes:
        return _serialise(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(frozen=True, kw_only=True)
class Response:
    """A response. The typed properties raise ValueError for values that cannot be read."""

    code: int
    reason: str
    headers: Headers
    body: bytes = b""
    flaw: Flaw | None = field(default=None, compare=False)

    @cached_property
    def via(self) -> Via:
        return Via.parse(_first(self.headers.values("via")))

    @cached_property
    def to(self) -> NameAddr:
        return NameAddr.parse(self.headers.get("to") or "")

    @cached_property
    def cseq(self) -> CSeq:
        return CSeq.parse(self.headers.get("cseq") or "")

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id") or ""

    @property
    def content(self) -> bytes | None:
        """The body, None where there is none."""
        return self.body or None

    def __bytes__(self) -> bytes:
        return _serialise(f"SIP/2.0 {self.code} {self.reason}", self.headers, self.body)


def parse(data: bytes) -> Request | Response | None:
    """Read one datagram; None for what is no SIP message at all (a keep-alive, garbage, a mangled response)."""
    data = data[:MAXIMUM_SIZE].lstrip(b"\r\n")  # RFC 3261 section 7.5
    end = _BLANK_LINE.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    start_line, *lines = head.decode("utf-8", "surrogateescape").split("\n")
    fields, flaw = _read_fields(lines)
    headers = Headers(fields)
    body, cut_off = _cut_body(headers, body)
    if end is None:
        cut_off = Flaw(400, "Message without End of Headers")
    start_line = start_line.rstrip("\r")
    if start_line[:4].upper() == "SIP/":
        # A response is not refused for a strange line: nobody would send a better one.
        return _read_response(start_line, headers, body, cut_off)
    return _read_request(start_line, headers, body, flaw or cut_off)


def _read_fields(lines: list[str]) -> tuple[list[Field], Flaw | None]:
    fields: list[Field] = []
    flaw = None
    for line in lines:
        if line[:1] in (" ", "\t") and fields:  # a folded line continues the one before (RFC 3261 section 7.3.1)
            name, value = fields[-1]
            fields[-1] = name, f"{value} {_unbroken(line)}".strip()
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            flaw = Flaw(400, "Header without a Colon")
        elif len(fields) == MAXIMUM_HEADERS:
            return fields, Flaw(400, "Too Many Headers")
        else:
            fields.append((name.rstrip(), _unbroken(value)))
    return fields, flaw


def _unbroken(value: str) -> str:
    """Without the end of its line, and without carriage returns inside: what we repeat must not look like two lines."""
    return value.strip().replace("\r", " ")


def _cut_body(headers: Headers, body: bytes) -> tuple[bytes, Flaw | None]:
    """Cut the body to Content-Length; octets past it are no part of the message (RFC 3261 section 18.3)."""
    lengths = set(headers.rows("content-length"))
    if not lengths:
        return body, None
    try:
        length = parse_number(lengths.pop())
    except ValueError:
        return body, Flaw(400, "Bad Content-Length")
    if lengths:
        return body, Flaw(400, "Several Content-Lengths")
    if length > len(body):
        return body, Flaw(400, "Body Shorter than Content-Length")
    return body[:length], None


def _read_request(start_line: str, headers: Headers, body: bytes, flaw: Flaw | None) -> Request | None:
    method, _, rest = start_line.partition(" ")
    uri, _, version = rest.rpartition(" ")
    if not is_token(method) or not _VERSION.fullmatch(version):
        return None
    if version.upper() != "SIP/2.0":
        flaw = Flaw(505, reason_phrase(505))
    return Request(method=method, uri=uri, headers=headers, body=body, flaw=flaw)


def _read_response(start_line: str, headers: Headers, body: bytes, flaw: Flaw | None) -> Response | None:
    version, _, rest = start_line.partition(" ")
    code, _, reason = rest.partition(" ")
    if (
        version.upper() != "SIP/2.0"
        or len(code) != 3
        or not code.isdecimal()
        or not code.isascii()
        or code[0] not in "123456"
    ):
        return None
    return Response(code=int(code), reason=reason, headers=headers, body=body, flaw=flaw)


def check(request: Request) -> Flaw | None:
    """What is wrong with the headers that every request needs (RFC 3261 section 8.1.1); None if nothing is."""
    if request.flaw is not None:
        return request.flaw
    for name in ("From", "To", "Call-ID", "CSeq"):
        rows = request.headers.rows(name)
        if len(rows) != 1 or not rows[0]:
            return Flaw(400, f"Several {name} Headers" if len(rows) > 1 else f"Missing {name}")
    for name, read in _CHECKS.items():
        try:
            read(request)
        except ValueError:
            return Flaw(400, f"Bad {name}")
    if request.cseq.method != request.method:
        return Flaw(400, "CSeq of Another Method")
    return None


_CHECKS: dict[str, Callable[[Request], object]] = {
    "Via": lambda request: request.via,
    "From": lambda request: request.from_,
    "To": lambda request: request.to,
    "CSeq": lambda request: request.cseq,
    "Request-URI": lambda request: request.target,
}


def answerable(request: Request) -> bool:
    """Whether a response to a mangled request can find its way: all that a response copies is there."""
    return all(request.headers.get(name) for name in ("via", "from", "to", "call-id", "cseq"))


def response_to(
    request: Request,
    code: int,
    *,
    source: Address,
    reason: str = "",
    to_tag: str = "",
    headers: Iterable[Field] = (),
    body: bytes = b"",
) -> Response:
    """Make a response to a request that came from `source` (RFC 3261 section 8.2.6)."""
    to = request.headers.get("to") or ""
    if to_tag and code != 100 and not _has_tag(to):
        to = f"{to};tag={to_tag}"
    fields = [
        *(("Via", via) for via in _returned_vias(request, source)),
        ("From", request.headers.get("from") or ""),
        ("To", to),
        ("Call-ID", request.call_id),
        ("CSeq", request.headers.get("cseq") or ""),
    ]
    if code == 100 and (timestamp := request.headers.get("timestamp")):
        fields.append(("Timestamp", timestamp))
    reason = reason or reason_phrase(code)
    return Response(code=code, reason=reason, headers=Headers([*fields, *headers]), body=body)


def _returned_vias(request: Request, source: Address) -> list[str]:
    vias = request.headers.values("via")
    try:
        return [str(Via.parse(vias[0]).stamped(source)), *vias[1:]]
    except ValueError:
        return vias


def _has_tag(to: str) -> bool:
    try:
        return bool(NameAddr.parse(to).tag)
    except ValueError:
        return False


def _first(values: list[str]) -> str:
    return values[0] if values else ""


def _serialise(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line]
    for name, value in headers:
        if name != "content-length":
            lines.append(f"{_SPELLINGS.get(name) or name.title()}: {value}")
    lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if "\r" in line or "\n" in line:
            raise LocalProtocolError(f"a line break inside a header: {line!r}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
