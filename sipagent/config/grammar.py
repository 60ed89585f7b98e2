"""The grammar of sip.conf: text in, sections of raw entries out, and a list of what is wrong with it.

    [account office]               a section: kind, and a name where the kind has one
    password = "a ;b"  ; comment   an entry; quotes are optional, a doubled quote inside them is one quote
    instructions = Be brief.
        Be kind.                   an indented line continues the value on a new line
    # a comment                    as is a line that starts with ;

`${NAME}` and `$$` are left for `expand`, since an unset name matters only where the section is used.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

HEADER = re.compile(r"\[\s*([^\]\s]*)\s*([^\]]*?)\s*\]\s*(?:[;#].*)?")
COMMENT_OR_BLANKS = re.compile(r"\s+(?:;.*)?$")
ARROW_OR_EQUALS = re.compile(r"\s*=>?")
REFERENCE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `key = value`. `place` tells where: `sip.conf:12`, `SIPAGENT_GENERAL_BIND`, `--set general.bind`."""

    key: str
    value: str
    place: str
    literal: bool = False
    """The value is taken as it is, without `${NAME}`: so for the environment and the command line."""
    arrow: bool = False
    """Written with `=>`, as Asterisk's own files do."""


@dataclass(slots=True, kw_only=True)
class Section:
    """`[kind name]` and its entries, in the order of the file."""

    kind: str
    name: str
    place: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"[{self.kind} {self.name}]" if self.name else f"[{self.kind}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong at a place, with its cure."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def parse(text: str, file: str) -> tuple[list[Section], list[Problem]]:
    """Return the sections of a configuration file and what does not follow the grammar. Never raises."""
    reader = _Reader()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        reader.read(line, f"{file}:{number}")
    return reader.sections, reader.problems


class _Reader:
    """Reads line by line. Blank lines are counted until it is known whether they are inside a continued value."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.problems: list[Problem] = []
        self._blank_lines = 0

    def read(self, line: str, place: str) -> None:
        stripped = line.strip()
        if not stripped:
            self._blank_lines += 1
        elif stripped[0] not in ";#":
            self._read_text(line, stripped, place)
            self._blank_lines = 0

    def _read_text(self, line: str, stripped: str, place: str) -> None:
        if header := HEADER.fullmatch(stripped):
            self.sections.append(Section(kind=header[1], name=" ".join(header[2].split()), place=place))
        elif line[0] == "[":
            self._complain(place, f'a section is "[kind]" or "[kind name]" on a line of its own, not "{stripped[:40]}"')
        elif not self.sections:
            self._complain(place, "this line stands before the first [section]")
        elif line[0] in " \t" and self.sections[-1].entries:
            self._continue(stripped)
        else:
            self._read_entry(stripped, place)

    def _read_entry(self, stripped: str, place: str) -> None:
        separator = ARROW_OR_EQUALS.search(stripped)
        if separator is None or separator.start() == 0:
            self._complain(place, f'expected "key = value" or "[section]", not "{stripped.split()[0][:40]}"')
            return
        key, value = stripped[: separator.start()], stripped[separator.end() :]
        entry = Entry(key=key, value=unquote(value), place=place, arrow="=>" in separator[0])
        self.sections[-1].entries.append(entry)

    def _continue(self, stripped: str) -> None:
        entries = self.sections[-1].entries
        last = entries[-1]
        value = last.value + "\n" * (self._blank_lines + 1) + unquote(stripped)
        entries[-1] = Entry(key=last.key, value=value, place=last.place, arrow=last.arrow)

    def _complain(self, place: str, text: str) -> None:
        self.problems.append(Problem(place=place, text=text))


def unquote(written: str) -> str:
    """Return what is meant by a value as written: without its trailing comment (blank and `;`) and its quotes.

    Quotes that do not enclose the whole value belong to it, so a password with a `"` in it needs no care.
    """
    content = _quoted(written.lstrip())
    return COMMENT_OR_BLANKS.sub("", written).lstrip() if content is None else content


def _quoted(written: str) -> str | None:
    """Return what stands between the enclosing quotes, or None if quotes do not enclose the value."""
    if not written.startswith('"'):
        return None
    position = 1
    while (position := written.find('"', position)) != -1:
        if written.startswith('""', position):
            position += 2
        elif position + 1 == len(written) or COMMENT_OR_BLANKS.fullmatch(written, position + 1):
            return written[1:position].replace('""', '"')
        else:
            position += 1
    return None


def quote(value: str) -> str:
    """Return `value` so written that a file gives it back unchanged. It must be one line."""
    dollars = value.replace("$", "$$")
    if value and unquote(f" {dollars}") == dollars:
        return dollars
    return '"' + dollars.replace('"', '""') + '"'


def expand(value: str, look_up: Callable[[str], str | None]) -> str:
    """Replace `${NAME}`, `${NAME:-default}` and `$$`; any other `$` is itself.

    Raises KeyError with the name that is set nowhere, and ValueError for a `${` that is no reference.
    """

    def replacement(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        if reference[1] is None:
            raise ValueError(
                '"${" begins a reference such as ${NAME} or ${NAME:-default}; write "$${" for the two characters'
            )
        found = look_up(reference[1]) or reference[2]
        if found is None:
            raise KeyError(reference[1])
        return found

    return REFERENCE.sub(replacement, value)
