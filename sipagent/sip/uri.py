"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966); any other scheme is carried unread."""

import re
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote as percent_decode

from sipagent.sip.flow import Address
from sipagent.sip.parameters import NO_PARAMETERS, Parameters

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"[A-Za-z0-9_.-]+")
_FORBIDDEN = re.compile(r'[\s<>"\x00-\x1f\x7f]')
DEFAULT_PORTS = {"sip": 5060, "sips": 5061}


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """A URI as on the wire: `user` keeps its percent-escapes (and a password, if any), `host` has no brackets.

    A tel URI has its number in `user`; a URI of another scheme has everything after the colon there.
    """

    scheme: str = "sip"
    user: str = ""
    host: str = ""
    port: int | None = None
    parameters: Parameters = NO_PARAMETERS
    headers: str = ""

    @classmethod
    def parse(cls, text: str) -> "Uri":
        """Read a URI; ValueError says what is wrong with it."""
        if _FORBIDDEN.search(text):
            raise ValueError("blank, bracket or quote in a URI")
        if not text.isascii():
            text.encode()  # raises UnicodeEncodeError, a ValueError, for what was not UTF-8 on the wire
        scheme, colon, rest = text.partition(":")
        if not colon or not _SCHEME.fullmatch(scheme) or not rest:
            raise ValueError("a URI without a scheme")
        scheme = scheme.lower()
        if scheme in DEFAULT_PORTS:
            return _parse_sip(scheme, rest)
        if scheme == "tel":
            number, _, parameters = rest.partition(";")
            return cls(scheme=scheme, user=number, parameters=Parameters.parse(parameters))
        return cls(scheme=scheme, user=rest)

    @property
    def is_sip(self) -> bool:
        return self.scheme in DEFAULT_PORTS

    @property
    def username(self) -> str:
        """The user part for people: percent-escapes decoded, a password left out."""
        return percent_decode(self.user.partition(":")[0])

    @property
    def address(self) -> Address | None:
        """The address that the URI names by itself (RFC 3263 section 4.2); None where DNS would have to be asked."""
        if self.port is None and "maddr" in self.parameters:
            return None
        return Address(self.host, self.port or DEFAULT_PORTS.get(self.scheme, 5060)) if is_ip(self.host) else None

    def bare(self) -> "Uri":
        """Scheme, user, host and port only, as an address of record (RFC 3261 section 10.3)."""
        return replace(self, parameters=NO_PARAMETERS, headers="")

    def __str__(self) -> str:
        if not self.is_sip:
            return f"{self.scheme}:{self.user}{self.parameters}"
        user = f"{self.user}@" if self.user else ""
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{host_port(self.host, self.port)}{self.parameters}{headers}"


def _parse_sip(scheme: str, rest: str) -> Uri:
    # A user part may hold ";" and "?" (RFC 3261 section 25.1), so the "@" is looked for first; headers may hold none.
    user, at, rest = rest.rpartition("@")
    if at and not user:
        raise ValueError("an empty user part in a URI")
    rest, _, headers = rest.partition("?")
    authority, _, parameters = rest.partition(";")
    host, port = split_host_port(authority)
    return Uri(scheme=scheme, user=user, host=host, port=port, parameters=Parameters.parse(parameters), headers=headers)


def split_host_port(text: str) -> tuple[str, int | None]:
    """Read `host`, `host:port`, `[v6]` or `[v6]:port`; ValueError says what is wrong with it."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.lstrip().startswith(":")):
            raise ValueError("an IPv6 address without its brackets")
        port_text = rest.partition(":")[2]
        _check_ipv6(host)
    else:
        host, _, port_text = text.partition(":")
        host = host.rstrip()
        if not _HOST.fullmatch(host):
            raise ValueError("not a host name")
    return host, parse_port(port_text.strip()) if port_text else None


def parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError("not a port")
    return int(text)


def host_port(host: str, port: int | None) -> str:
    """Write host and port, an IPv6 address in brackets."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def is_ip(host: str) -> bool:
    """Whether `host` is an address literal, not a name."""
    if ":" in host:
        return True
    parts = host.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)


def _check_ipv6(host: str) -> None:
    try:
        IPv6Address(host)
    except AddressValueError:
        raise ValueError("not an IPv6 address") from None
