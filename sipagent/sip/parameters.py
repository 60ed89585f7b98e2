"""`;name=value` parameters of URIs and headers (RFC 3261 sections 19.1.1 and 20), and splitting outside quotes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTED_OR_SEPARATOR = {
    ",": re.compile(r'"(?:[^"\\]|\\.)*"|<[^>]*>|,', re.DOTALL),
    ";": re.compile(r'"(?:[^"\\]|\\.)*"|<[^>]*>|;', re.DOTALL),
}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Split at a comma or semicolon that stands neither in "…" nor in <…>; pieces are stripped, empty ones left out."""
    if '"' not in text and "<" not in text:
        pieces = text.split(separator)
    else:
        pieces, start = [], 0
        for match in _QUOTED_OR_SEPARATOR[separator].finditer(text):
            if match[0] == separator:
                pieces.append(text[start : match.start()])
                start = match.end()
        pieces.append(text[start:])
    return [piece for piece in map(str.strip, pieces) if piece]


def quote(text: str) -> str:
    """Return `text` as a quoted-string (RFC 3261 section 25.1); control characters become blanks."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char >= " " else " " for char in escaped) + '"'


def unquote(text: str) -> str:
    """Return what a quoted-string says; other text as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters in their order, values as on the wire; a flag has the value None. Names compare without case."""

    pairs: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Parameters":
        """Read `a=1;b;c="x;y"`, with or without a leading semicolon."""
        return cls(tuple(map(_pair, split_outside_quotes(text, ";")))) if text else NO_PARAMETERS

    def get(self, name: str) -> str | None:
        """The value of `name` without its quotes; "" for a flag, None where it is absent."""
        for key, value in self.pairs:
            if key.lower() == name:
                return "" if value is None else unquote(value)
        return None

    def replaced(self, name: str, value: str | None) -> "Parameters":
        """The same with `name` set, at its old place or at the end."""
        if name not in self:
            return Parameters((*self.pairs, (name, value)))
        return Parameters(tuple((key, value) if key.lower() == name else (key, old) for key, old in self.pairs))

    def without(self, *names: str) -> "Parameters":
        return Parameters(tuple(pair for pair in self.pairs if pair[0].lower() not in names))

    def __contains__(self, name: str) -> bool:
        return any(key.lower() == name for key, _ in self.pairs)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return iter(self.pairs)

    def __str__(self) -> str:
        """The wire form, each parameter led in by its semicolon."""
        return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.pairs)


NO_PARAMETERS = Parameters()


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name.rstrip(), value.lstrip() if equals else None
