"""Sections from all sources become one for each kind and name; what is unknown or written twice is told."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sipagent.config.asterisk import EQUIVALENTS
from sipagent.config.grammar import Entry, Problem, Section
from sipagent.config.schema import MAY_BE_NAMED, NAMED, READERS, SECTIONS

Sections = dict[tuple[str, str], Section]
"""By kind and name; the keys of each section's entries are known and in lower case."""


def merge(sections: Iterable[Section]) -> tuple[Sections, list[Problem]]:
    """Return one section for each kind and name, and the problems. Later sections win over earlier ones, key by key."""
    merged: Sections = {}
    problems: list[Problem] = []
    for section in sections:
        if complaint := _flaw(section):
            problems.append(Problem(place=section.place, text=complaint))
            continue
        known = merged.setdefault((section.kind, section.name), replace(section, entries=[]))
        by_key = {entry.key: entry for entry in known.entries}
        for entry in section.entries:
            key = entry.key if section.kind == "transfer" else entry.key.lower()
            if complaint := _entry_flaw(section, key, entry):
                problems.append(Problem(place=entry.place, text=complaint))
            else:
                by_key[key] = replace(entry, key=key)
        known.entries[:] = by_key.values()
    return merged, problems


def duplicates(sections: Iterable[Section]) -> Iterator[Problem]:
    """Yield what one file has twice, sections and keys."""
    first: Sections = {}
    for section in sections:
        before = first.setdefault((section.kind, section.name), section)
        if before is not section:
            text = f"duplicate section {section.title}; the first is at {before.place}"
            yield Problem(place=section.place, text=text)
        yield from _duplicate_keys(section)


def suggestion(name: str, known: Iterable[str], equivalents: Mapping[str, str] | None = None) -> str:
    """Return `; did you mean "…"?`, or nothing if no known name is near."""
    names = [each for each in known if each]
    equivalent = (equivalents or {}).get(name)
    nearest = [equivalent] if equivalent in names else difflib.get_close_matches(name, names, n=1)
    return f'; did you mean "{nearest[0]}"?' if nearest else ""


def _duplicate_keys(section: Section) -> Iterator[Problem]:
    first: dict[str, Entry] = {}
    for entry in section.entries:
        before = first.setdefault(entry.key.lower(), entry)
        if before is not entry:
            text = f'duplicate key "{entry.key}" in {section.title}; the first is at {before.place}'
            yield Problem(place=entry.place, text=text)


def _flaw(section: Section) -> str:
    """Return what is wrong with a section's header, or nothing."""
    kind, name = section.kind, section.name
    if kind not in SECTIONS:
        return f"unknown section [{kind}]{suggestion(kind, SECTIONS)}"
    if kind in NAMED and not name:
        return f"[{kind}] needs a name, such as [{kind} office]"
    if name and kind not in MAY_BE_NAMED:
        return f"[{kind}] has no name; write [{kind}]"
    return ""


def _entry_flaw(section: Section, key: str, entry: Entry) -> str:
    if entry.arrow:
        return f'write "{entry.key} = …" with "=" in place of "=>"'
    keys = READERS[section.kind]
    if section.kind == "transfer" or key in keys:
        return ""
    return f'unknown key "{entry.key}" in {section.title}{suggestion(key, keys, EQUIVALENTS)}'
