"""A session description as values: what offer and answer need of it, parsed and serialised (RFC 8866)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HIGHEST_PORT = 65535
_LINE_END = re.compile("\r\n|\n|\r")


class SdpError(ValueError):
    """A body that is no session description. The text names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """`o=` (section 5.2). The numbers stay text: they are only compared, and some peers write more than digits."""

    username: str = "-"
    session_id: str
    version: str
    host: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """`a=name` or `a=name:value` (section 5.13)."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription:
    """One `m=` line with its own `c=` and `a=` lines (section 5.14). `host` is None where the session's counts."""

    media: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str | None = None
    attributes: tuple[Attribute, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of this name; empty text for one without a value, None without one."""
        return next(self.values(name), None)

    def values(self, name: str) -> Iterator[str]:
        """The values of all attributes of this name."""
        return (attribute.value or "" for attribute in self.attributes if attribute.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A session and its media. Lines that offer and answer do not need (i, u, e, p, b, k, r, z) are not kept."""

    origin: Origin | None
    name: str = "-"
    host: str | None = None
    time: str = "0 0"
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()

    @classmethod
    def parse(cls, body: bytes) -> "SessionDescription":
        """Parse a body leniently: any line ends, any order, unknown lines, no `o=`, `s=` or `t=`.

        Raises SdpError for what does not begin with `v=0`, and for a `o=`, `c=` or `m=` line that says nothing certain.
        """
        draft = _Draft()
        # Bytes that are no UTF-8 survive the way through: an answer may have to repeat them.
        for number, line in enumerate(_LINE_END.split(body.decode("utf-8", "surrogateescape")), start=1):
            if not line.strip():
                continue
            try:
                draft.take(line.rstrip())
            except ValueError as error:
                shown = line.partition("inline:")[0][:80]  # a key of SRTP is for nobody's log
                raise SdpError(f"line {number}: {error}: {shown!r}") from None
        if not draft.has_version:
            raise SdpError("line 1: an SDP body begins with 'v=0', this one is empty")
        return draft.finish()

    def serialise(self) -> bytes:
        """Serialise in the order of section 5, with CRLF."""
        lines = ["v=0", *_origin_line(self.origin), f"s={self.name}", *_connection_line(self.host), f"t={self.time}"]
        lines += map(_attribute_line, self.attributes)
        for media in self.media:
            lines.append(f"m={media.media} {media.port} {media.protocol} {' '.join(media.formats)}")
            lines += _connection_line(media.host)
            lines += map(_attribute_line, media.attributes)
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")

    def host_of(self, media: MediaDescription) -> str | None:
        """Where a stream is received: its own `c=`, or the session's (section 5.7)."""
        return media.host or self.host


@dataclass(slots=True)
class _Draft:
    """A description while its lines come in: what follows an `m=` line belongs to it."""

    has_version: bool = False
    origin: Origin | None = None
    name: str = "-"
    time: str = "0 0"
    sections: list["_Section"] = field(default_factory=lambda: [_Section()])

    def take(self, line: str) -> None:
        """Take one line. Raises ValueError when it cannot be understood."""
        kind, equals, value = line.partition("=")
        if len(kind) != 1 or not equals:
            raise ValueError("a line is a letter, '=' and a value")
        if not self.has_version:
            self._take_version(kind, value)
            return
        section = self.sections[-1]
        match kind:
            case "o":
                self.origin = _parse_origin(value)
            case "s":
                self.name = value or "-"
            case "t":
                self.time = value if _is_time(value) else self.time
            case "c":
                section.host = _parse_connection(value)
            case "a":
                name, colon, text = value.partition(":")
                section.attributes.append(Attribute(name.strip(), text.strip() if colon else None))
            case "m":
                self.sections.append(_parse_media(value))

    def finish(self) -> SessionDescription:
        session, *media = self.sections
        return SessionDescription(
            origin=self.origin,
            name=self.name,
            time=self.time,
            host=session.host,
            attributes=tuple(session.attributes),
            media=tuple(section.finish() for section in media),
        )

    def _take_version(self, kind: str, value: str) -> None:
        if (kind, value.strip()) != ("v", "0"):
            raise ValueError("an SDP body begins with 'v=0'")
        self.has_version = True


@dataclass(slots=True)
class _Section:
    """The lines of the session, or of one medium, as they come in."""

    media: str = ""
    port: int = 0
    protocol: str = ""
    formats: tuple[str, ...] = ()
    host: str | None = None
    attributes: list[Attribute] = field(default_factory=list)

    def finish(self) -> MediaDescription:
        return MediaDescription(
            media=self.media,
            port=self.port,
            protocol=self.protocol,
            formats=self.formats,
            host=self.host,
            attributes=tuple(self.attributes),
        )


def _parse_origin(value: str) -> Origin:
    # From the right: a user name with blanks is wrong, and exists.
    fields = value.rsplit(None, 5)
    if len(fields) != 6:
        raise ValueError("o= has six fields")
    username, session_id, version, _, _, host = fields
    return Origin(username=username, session_id=session_id, version=version, host=host)


def _parse_connection(value: str) -> str:
    match value.split():
        case ["IN", "IP4" | "IP6", address]:
            host, *suffixes = address.split("/")
            if host and len(suffixes) <= 2 and all(_is_number(suffix) for suffix in suffixes):
                return host
    raise ValueError("c= is IN, IP4 or IP6, and an address")


def _parse_media(value: str) -> _Section:
    fields = value.split()
    if len(fields) < 3:
        raise ValueError("m= is a medium, a port, a protocol and formats")
    port, _, count = fields[1].partition("/")
    if not (_is_number(port) and int(port) <= _HIGHEST_PORT and _is_number(count or "1")):
        raise ValueError("m= has a port from 0 to 65535")
    return _Section(media=fields[0], port=int(port), protocol=fields[2], formats=tuple(fields[3:]))


def _is_time(value: str) -> bool:
    fields = value.split()
    return len(fields) == 2 and all(_is_number(number) for number in fields)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _origin_line(origin: Origin | None) -> list[str]:
    if origin is None:
        return []
    return [f"o={origin.username} {origin.session_id} {origin.version} IN {_address_type(origin.host)} {origin.host}"]


def _connection_line(host: str | None) -> list[str]:
    return [f"c=IN {_address_type(host)} {host}"] if host else []


def _attribute_line(attribute: Attribute) -> str:
    return f"a={attribute.name}" if attribute.value is None else f"a={attribute.name}:{attribute.value}"


def _address_type(host: str) -> str:
    return "IP6" if ":" in host else "IP4"
