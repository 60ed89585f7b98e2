"""The values that options of sip.conf have, and how each is read from text.

A reader returns the value or raises ValueError, whose text completes the sentence "KEY …" and says what to write.
An option's type names its reader: `Annotated[int, number(1, 100)]`, or it is an Enum or a bool.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from sipagent.sip.flow import Address, Transport
from sipagent.sip.uri import Uri, split_host_port

Network = IPv4Network | IPv6Network
Value = TypeVar("Value")
Reader = Callable[[str], Value]
Choice = TypeVar("Choice", bound=Enum)


class Nat(Enum):
    """`auto`: believe what registrar and media show of our address. `strict`: only what is configured. `off`."""

    AUTO = "auto"
    STRICT = "strict"
    OFF = "off"


class RtpPorts(Enum):
    PORT_PER_CALL = "port-per-call"
    SHARED = "shared"


class UnknownCallers(Enum):
    """What happens to an INVITE from somebody no section lets in."""

    DROP = "drop"
    REJECT = "reject"
    DIGEST = "digest"
    ACCEPT = "accept"


class Codec(Enum):
    """Names as Asterisk writes them; `house` is the name in this program."""

    ULAW = "ulaw"
    ALAW = "alaw"
    G722 = "g722"
    OPUS = "opus"

    @property
    def house(self) -> str:
        return {"ulaw": "pcmu", "alaw": "pcma"}.get(self.value, self.value)


class Srtp(Enum):
    OFF = "off"
    OFFER = "offer"
    REQUIRE = "require"


class Dtmf(Enum):
    RFC4733 = "rfc4733"
    INFO = "info"
    INBAND = "inband"


class Pipeline(Enum):
    HALF_CASCADE = "half-cascade"
    REALTIME = "realtime"
    CASCADE = "cascade"
    CARTESIA_AGENT = "cartesia-agent"
    ECHO = "echo"


class TurnDetection(Enum):
    SERVER_VAD = "server_vad"
    SEMANTIC_VAD = "semantic_vad"
    LOCAL = "local"


class Answer(Enum):
    """`ready`: ring until the providers stand, 1.5 s at most. `now`: answer at once."""

    READY = "ready"
    NOW = "now"


class Recording(Enum):
    OFF = "off"
    WAV = "wav"
    OGG = "ogg"


class Capture(Enum):
    OFF = "off"
    PCAP = "pcap"


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports, both included. A call takes an even one for RTP and the next for RTCP (RFC 3550 section 11)."""

    first: int
    last: int

    @property
    def calls(self) -> int:
        """How many calls the range carries at the same time."""
        first_even = self.first + self.first % 2
        return max(0, (self.last - first_even + 1) // 2)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


# ---- readers


def text(written: str) -> str:
    return written


def line(written: str) -> str:
    if "\n" in written:
        raise ValueError("is one line")
    return written


def number(least: int, most: int) -> Reader[int]:
    """Return a reader of whole numbers from `least` to `most`."""

    def read(written: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", written) or not least <= int(written) <= most:
            raise ValueError(f"is a whole number from {least} to {most}, not {shown(written)}")
        return int(written)

    return read


def yes_or_no(written: str) -> bool:
    spoken = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    if written.lower() not in spoken:
        raise ValueError(f"is yes or no, not {shown(written)}")
    return spoken[written.lower()]


def one_of(choices: type[Choice]) -> Reader[Choice]:
    """Return a reader of the values of an Enum, in any case."""
    by_name = {str(choice.value).lower(): choice for choice in choices}

    def read(written: str) -> Choice:
        if written.lower() not in by_name:
            raise ValueError(f"is one of {', '.join(by_name)}, not {shown(written)}")
        return by_name[written.lower()]

    return read


def several(read_one: Reader[Value]) -> Reader[tuple[Value, ...]]:
    """Return a reader of a list parted by commas or blanks, its order kept and repetitions dropped."""

    def read(written: str) -> tuple[Value, ...]:
        return tuple(dict.fromkeys(read_one(part) for part in re.split(r"[\s,]+", written) if part))

    return read


def network(written: str) -> Network:
    try:
        return ip_network(written, strict=False)
    except ValueError:
        raise ValueError(f"is made of networks such as 10.0.0.0/8 or addresses, not {shown(written)}") from None


def ip_literal(written: str) -> str:
    try:
        return str(ip_address(written))
    except ValueError:
        raise ValueError(f"is an IP address, not {shown(written)}") from None


def ip_and_port(default_port: int) -> Reader[Address]:
    """Return a reader of `ip`, `ip:port`, `[ip6]` and `[ip6]:port`."""

    def read(written: str) -> Address:
        try:
            host, port = split_host_port(written)
            return Address(ip_literal(host), default_port if port is None else port)
        except ValueError:
            example = f"0.0.0.0:{default_port}"
            raise ValueError(f"is an IP address and a port, such as {example}, not {shown(written)}") from None

    return read


def port_range(written: str) -> PortRange:
    found = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", written)
    ports = PortRange(int(found[1]), int(found[2])) if found else PortRange(0, 0)
    if not 1024 <= ports.first <= ports.last <= 65535 or not ports.calls:
        raise ValueError(f"is a range between 1024 and 65535, such as 40000-41999, not {shown(written)}")
    return ports


def host_and_port(written: str) -> str:
    try:
        split_host_port(written)
    except ValueError:
        raise ValueError(f"is a host, or host:port, not {shown(written)}") from None
    return written


def sip_server(written: str) -> str:
    """A SIP URI without a user; the scheme may be left out."""
    if "@" in written:  # not shown: some write the password there
        raise ValueError("is a SIP server without a user; username and password are keys of their own")
    has_scheme = written.lower().startswith(("sip:", "sips:"))
    uri = _sip_uri(written if has_scheme else f"sip:{written}")
    if uri is None:
        raise ValueError(f"is a SIP server such as sip:pbx.example.com, not {shown(written)}")
    return str(uri)


def transfer_target(written: str) -> str:
    """A number, or a SIP URI with a user."""
    if not re.fullmatch(r"[0-9+*#]+", written):
        uri = _sip_uri(written)
        if uri is None or not uri.user:
            raise ValueError(f"is a number or a SIP URI such as sip:1000@pbx.example.com, not {shown(written)}")
    return written


def _sip_uri(written: str) -> Uri | None:
    try:
        uri = Uri.parse(written)
    except ValueError:
        return None
    return uri if uri.is_sip and not uri.headers else None


def provider_url(path: str) -> Reader[str]:
    """Return a reader of a provider's URL, http or WebSocket, that ends in `path` (`/v1`, or nothing at all)."""

    def read(written: str) -> str:
        url = written.rstrip("/")
        found = re.fullmatch(r"(?:https?|wss?)://[^\s/?#@]+((?:/[^\s?#]*)?)", url, re.IGNORECASE)
        if found is None:
            raise ValueError("is a URL that begins with https://, http://, wss:// or ws://")
        if not found[1].endswith(path) or (not path and found[1]):
            raise ValueError(
                f"ends in {path}, not in {shown(found[1])}" if path else f"has no path, not {shown(found[1])}"
            )
        return url

    return read


def shown(written: str) -> str:
    """Return the value as an error quotes it: short, on one line."""
    one_line = " ".join(written.split())
    return f'"{one_line[:60]}…"' if len(one_line) > 60 else f'"{one_line}"'


def input_file(written: str) -> Path:
    """A file that we read; whoever knows which file says so makes it absolute and looks whether it is there."""
    return Path(line(written)).expanduser()


TRANSPORTS = {"udp": Transport.UDP, "tcp": Transport.TCP, "tls": Transport.TLS}


def transport_name(written: str) -> Transport:
    if written.lower() not in TRANSPORTS:
        raise ValueError(f"is one of {', '.join(TRANSPORTS)}, not {shown(written)}")
    return TRANSPORTS[written.lower()]


# ---- types that name their reader

Text = Annotated[str, text]
Line = Annotated[str, line]
Words = Annotated[tuple[str, ...], several(line)]
Server = Annotated[str, host_and_port]
SipServer = Annotated[str, sip_server]
IpLiteral = Annotated[str, ip_literal]
Networks = Annotated[tuple[Network, ...], several(network)]
Ports = Annotated[PortRange, port_range]
Transports = Annotated[tuple[Transport, ...], several(transport_name)]
TransportName = Annotated[Transport, transport_name]
Codecs = Annotated[tuple[Codec, ...], several(one_of(Codec))]
InputFile = Annotated[Path | None, input_file]
Directory = Annotated[Path, Path]


def readers_of(section: type[Any]) -> dict[str, Reader[Any]]:
    """Return the options of a section: key and reader, in the order of its fields."""
    readers = {}
    for key, type_ in get_type_hints(section, include_extras=True).items():
        if get_args(type_) and callable(reader := get_args(type_)[-1]):
            readers[key] = reader
        elif type_ is bool:
            readers[key] = yes_or_no
        elif isinstance(type_, type) and issubclass(type_, Enum):
            readers[key] = one_of(type_)
    return readers


def written(value: object) -> str:
    """Return a value as a reader reads it back."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Transport():
            return value.value.lower()
        case Enum():
            return str(value.value)
        case tuple():
            return ",".join(map(written, value))
        case None:
            return ""
        case _:
            return str(value)
