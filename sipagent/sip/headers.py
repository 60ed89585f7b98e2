"""Header values that have a structure of their own: name-addr, Via, CSeq (RFC 3261 section 20)."""

import re
from dataclasses import dataclass, replace

from sipagent.sip.flow import Address, Flow
from sipagent.sip.parameters import NO_PARAMETERS, Parameters, quote, unquote
from sipagent.sip.uri import Uri, host_port, split_host_port

MAGIC_COOKIE = "z9hG4bK"
MAXIMUM_CSEQ = 2**31 - 1
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SENT_PROTOCOL = re.compile(r"SIP\s*/\s*2\.0\s*/\s*([^\s/;]+)\s+", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAddr:
    """The value of From, To, Contact, Route: a URI with a name for people and header parameters."""

    uri: Uri
    display_name: str = ""
    parameters: Parameters = NO_PARAMETERS

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Read `"Name" <uri>;params` or `uri;params`; ValueError says what is wrong with it."""
        text = text.strip()
        display_name, rest = _split_display_name(text)
        if not rest.startswith("<"):
            # Without brackets every parameter is the header's (RFC 3261 section 20.10).
            uri, _, parameters = rest.partition(";")
            return cls(uri=Uri.parse(uri.rstrip()), parameters=Parameters.parse(parameters))
        uri, bracket, parameters = rest[1:].partition(">")
        parameters = parameters.strip()
        if not bracket or (parameters and not parameters.startswith(";")):
            raise ValueError("an address whose brackets do not close")
        return cls(display_name=display_name, uri=Uri.parse(uri.strip()), parameters=Parameters.parse(parameters))

    @property
    def tag(self) -> str:
        """The tag, empty where there is none."""
        return self.parameters.get("tag") or ""

    def tagged(self, tag: str) -> "NameAddr":
        return replace(self, parameters=self.parameters.replaced("tag", tag))

    def __str__(self) -> str:
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{self.parameters}"


def _split_display_name(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        match = _QUOTED_STRING.match(text)
        if match is None:
            raise ValueError("a quoted string without its end")
        name, rest = unquote(match[0]), text[match.end() :].lstrip()
        if not rest.startswith("<"):
            raise ValueError("a display name without an address in brackets")
    else:
        name, bracket, rest = text.partition("<")
        name, rest = (name.rstrip(), bracket + rest) if bracket else ("", text)
    return _printable(name), rest


def _printable(text: str) -> str:
    """Bytes that were no UTF-8 on the wire become U+FFFD: people and JSON are to read it."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """One hop of a request's way, where its response goes back (RFC 3261 section 20.42, RFC 3581)."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one Via value; ValueError says what is wrong with it."""
        match = _SENT_PROTOCOL.match(text)
        if match is None:
            raise ValueError("a Via that does not begin with SIP/2.0 and a transport")
        sent_by, _, parameters = text[match.end() :].partition(";")
        host, port = split_host_port(sent_by.strip())
        return cls(transport=match[1].upper(), host=host, port=port, parameters=Parameters.parse(parameters))

    @classmethod
    def of(cls, flow: Flow, branch: str) -> "Via":
        """Our own Via over `flow`; it asks for the response at our source port (RFC 3581 section 3)."""
        parameters = Parameters((("branch", MAGIC_COOKIE + branch), ("rport", None)))
        return cls(transport=flow.transport.value, host=flow.local.host, port=flow.local.port, parameters=parameters)

    @property
    def branch(self) -> str:
        return self.parameters.get("branch") or ""

    @property
    def sent_by(self) -> str:
        return host_port(self.host, self.port).lower()

    def stamped(self, source: Address) -> "Via":
        """The same as a server must return it: with `received`, and `rport` filled in (RFC 3581 section 4)."""
        parameters = self.parameters
        wants_port = "rport" in parameters
        if wants_port:
            parameters = parameters.replaced("rport", str(source.port))
        if wants_port or self.host != source.host:
            parameters = parameters.replaced("received", source.host)
        return replace(self, parameters=parameters)

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {host_port(self.host, self.port)}{self.parameters}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """Sequence number and method (RFC 3261 section 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Read `number method`; ValueError says what is wrong with it, a number past 2**31 - 1 included."""
        number, method = text.split()  # a ValueError of its own, unless there are two
        value = parse_number(number)
        if value > MAXIMUM_CSEQ or not is_token(method):
            raise ValueError("not a CSeq")
        return cls(value, method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_number(text: str) -> int:
    """Read a number of at most ten digits; ValueError otherwise."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text.lstrip("0")) <= 10):
        raise ValueError("not a number, or one too large")
    return int(text)


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None
