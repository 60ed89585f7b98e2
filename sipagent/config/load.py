"""Loads a configuration: command line over environment over sip.conf over defaults, and every mistake told at once.

sip.conf ──┐
environment ├─► raw sections ─► merged per section ─► references expanded ─► values read ─► Configuration
--set ─────┘
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sipagent.config import asterisk, sources
from sipagent.config.grammar import Entry, Problem, Section, expand, parse
from sipagent.config.options import (
    Account,
    AgentSection,
    Cartesia,
    Console,
    General,
    OpenAI,
    Record,
    Tls,
    Transfer,
    Trunk,
)
from sipagent.config.secrets import find_secret
from sipagent.config.values import Reader, input_file, readers_of, transfer_target
from sipagent.errors import ConfigurationError

SECTIONS: Mapping[str, type[Any]] = {
    "general": General,
    "tls": Tls,
    "account": Account,
    "trunk": Trunk,
    "agent": AgentSection,
    "openai": OpenAI,
    "cartesia": Cartesia,
    "transfer": Transfer,
    "record": Record,
    "console": Console,
}
READERS: Mapping[str, Mapping[str, Reader[Any]]] = {kind: readers_of(section) for kind, section in SECTIONS.items()}
REQUIRED = {"account": (("registrar",), ("username",)), "trunk": (("peers", "host"),)}
"""By kind, the keys without which a section is useless; one of each group is enough."""
NAMED = {"account", "trunk"}
"""Kinds whose sections must have a name; [agent] may have one, the others have none."""
MAY_BE_NAMED = NAMED | {"agent"}
CONTINUED = "is one line, and the line below it is indented and so continues it: take its blanks away"
USED_ONLY_ON_DEMAND = {"tls", "openai", "cartesia"}
"""Kinds in which an unset `${NAME}` matters only when something needs the section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that sip.conf, environment and command line say. Mappings are by the name in the section's header."""

    file: Path | None = field(default=None, compare=False)
    general: General = field(default_factory=General)
    tls: Tls = field(default_factory=Tls)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    agents: Mapping[str, AgentSection] = field(default_factory=lambda: {"": AgentSection()})
    """`""` is [agent], and always there."""
    openai: OpenAI = field(default_factory=OpenAI)
    cartesia: Cartesia = field(default_factory=Cartesia)
    transfer: Transfer = field(default_factory=Transfer)
    record: Record = field(default_factory=Record)
    console: Console | None = None
    """None: no [console] section, and so no console."""
    unset: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """By kind of section, what it lacks (`sip.conf:9: ${KEY} is not set`): an error once the section is used."""

    def with_accounts(self, accounts: Iterable[Account]) -> "Configuration":
        """Return the configuration with more accounts; one of the same name takes the place of the old."""
        return replace(self, accounts={**self.accounts, **{account.name: account for account in accounts}})


def load(path: Path | None, environ: Mapping[str, str], overrides: Sequence[str] = ()) -> Configuration:
    """Load the configuration from `path` or the first of the usual places; where none is, environment and defaults do.

    Raises ConfigurationError, one line for each mistake: its place, the key, and what to write instead.
    """
    file = sources.find_file(path, environ)
    return load_text(sources.read_file(file) if file else "", environ, overrides, file=file)


def load_text(
    text: str, environ: Mapping[str, str], overrides: Sequence[str] = (), *, file: Path | None = None
) -> Configuration:
    """Load the configuration from the text of a sip.conf; `file` is its name in messages, and where its files are."""
    sections, problems = parse(text, str(file or "sip.conf"))
    if foreign := asterisk.recognise(sections):
        raise ConfigurationError(f"{foreign[0]}: {foreign[1]}")
    set_by_environment, environment_problems = sources.from_environment(environ, READERS, sections)
    set_by_command_line, override_problems = sources.from_overrides(overrides)
    loader = _Loader(environ, file, [*problems, *environment_problems, *override_problems])
    loader.refuse_duplicates(sections)
    configuration = loader.build([*sections, *set_by_environment, *set_by_command_line])
    if loader.problems:
        raise ConfigurationError("\n".join(map(str, sorted(loader.problems, key=_order))))
    return configuration


class _Loader:
    """Turns raw sections into values and gathers the problems on the way."""

    def __init__(self, environ: Mapping[str, str], file: Path | None, problems: list[Problem]) -> None:
        self.problems = problems
        self._environ = environ
        self._file = file
        self._unset: dict[tuple[str, str], list[Problem]] = {}

    def refuse_duplicates(self, sections: Iterable[Section]) -> None:
        first: dict[tuple[str, str], Section] = {}
        for section in sections:
            before = first.setdefault((section.kind, section.name), section)
            if before is not section:
                self._complain(section.place, f"duplicate section {section.title}; the first is at {before.place}")
            self._refuse_duplicate_keys(section)

    def _refuse_duplicate_keys(self, section: Section) -> None:
        first: dict[str, Entry] = {}
        for entry in section.entries:
            before = first.setdefault(entry.key.lower(), entry)
            if before is not entry:
                self._complain(
                    entry.place, f'duplicate key "{entry.key}" in {section.title}; the first is at {before.place}'
                )

    def build(self, sections: Iterable[Section]) -> Configuration:
        merged = self._merge(sections)
        agents = {name: self._agent(section) for name, section in _of_kind("agent", merged).items()}
        accounts = {name: self._section(section) for name, section in _of_kind("account", merged).items()}
        trunks = {name: self._section(section) for name, section in _of_kind("trunk", merged).items()}
        single = {
            kind: self._section(merged[kind, ""]) for kind in SECTIONS if (kind, "") in merged and kind != "agent"
        }
        self._refuse_unknown_agents(merged, agents)
        self._refuse_unset(merged)
        if self.problems:
            return Configuration()
        return Configuration(
            file=self._file,
            agents={"": AgentSection()} | agents,
            accounts=accounts,
            trunks=trunks,
            unset={kind: tuple(map(str, missing)) for (kind, _), missing in self._unset.items()},
            **self._with_provider_identity(single),
        )

    def _merge(self, sections: Iterable[Section]) -> dict[tuple[str, str], Section]:
        """Return one section for each kind and name, whose later entries win."""
        merged: dict[tuple[str, str], Section] = {}
        for section in (*_provider_keys(), *sections):
            if not self._is_known(section):
                continue
            known = merged.setdefault((section.kind, section.name), replace(section, entries=[]))
            by_key = {entry.key: entry for entry in known.entries}
            by_key |= {entry.key: entry for entry in self._known_entries(section)}
            known.entries[:] = by_key.values()
        return merged

    def _is_known(self, section: Section) -> bool:
        kind, name = section.kind, section.name
        if kind not in SECTIONS:
            self._complain(section.place, f"unknown section [{kind}]{_suggestion(kind, SECTIONS)}")
        elif kind in NAMED and not name:
            self._complain(section.place, f"[{kind}] needs a name, such as [{kind} office]")
        elif name and kind not in MAY_BE_NAMED:
            self._complain(section.place, f"[{kind}] has no name; write [{kind}]")
        else:
            return True
        return False

    def _known_entries(self, section: Section) -> Iterable[Entry]:
        options = READERS[section.kind]
        for entry in section.entries:
            key = entry.key if section.kind == "transfer" else entry.key.lower()
            if entry.arrow:
                self._complain(entry.place, f'write "{entry.key} = …" with "=" in place of "=>"')
            elif section.kind == "transfer" or key in options:
                yield replace(entry, key=key)
            else:
                text = f'unknown key "{entry.key}" in {section.title}{_suggestion(key, options, asterisk.EQUIVALENTS)}'
                self._complain(entry.place, text)

    def _section(self, section: Section) -> Any:
        """Return the value of one section, or None after a complaint."""
        if section.kind == "transfer":
            return Transfer(targets=self._targets(section))
        options = READERS[section.kind]
        found: dict[str, Any] = {"name": section.name} if section.kind in MAY_BE_NAMED else {}
        for entry in section.entries:
            written = self._expanded(entry, section)
            if written:
                self._read(entry, options[entry.key], written, found)
        lacking = [group for group in REQUIRED.get(section.kind, ()) if not found.keys() & set(group)]
        for group in lacking:
            if not self._blamed(section, group):
                self._complain(section.place, f"{section.title} needs " + " or ".join(f'"{key}"' for key in group))
        return None if lacking else SECTIONS[section.kind](**found)

    def _blamed(self, section: Section, keys: Iterable[str]) -> bool:
        """Tell whether an entry of these keys has been complained about already."""
        places = {entry.place for entry in section.entries if entry.key in keys}
        unset = self._unset.get((section.kind, section.name), [])
        return any(problem.place in places for problem in (*self.problems, *unset))

    def _read(self, entry: Entry, reader: Reader[Any], written: str, found: dict[str, Any]) -> None:
        try:
            value = reader(written)
        except ValueError as error:
            self._complain(entry.place, f"{entry.key} {error if len(written.splitlines()) == 1 else CONTINUED}")
            return
        if reader is input_file:
            value = self._existing_file(entry, value)
        found[entry.key] = value

    def _existing_file(self, entry: Entry, named: Path) -> Path:
        """Return the path of a file that we read: relative to sip.conf, or to where we run if that does not name it."""
        directory = self._file.parent if self._file and not entry.literal else Path()
        path = directory / named
        if not path.is_file():
            self._complain(entry.place, f"{entry.key}: there is no file {path}")
        return path

    def _expanded(self, entry: Entry, section: Section) -> str:
        if entry.literal:
            return entry.value
        try:
            return expand(entry.value, lambda name: find_secret(name, self._environ))
        except KeyError as error:
            problem = Problem(place=entry.place, text=f"${{{error.args[0]}}} is not set; {entry.key} needs it")
            self._unset.setdefault((section.kind, section.name), []).append(problem)
        except ValueError as error:
            self._complain(entry.place, f"{entry.key}: {error}")
        return ""

    def _agent(self, section: Section) -> AgentSection:
        agent: AgentSection = self._section(section)
        file = agent.instructions_file
        if file is None or not file.is_file():
            return agent
        if agent.instructions:
            self._complain(section.place, f"{section.title} has both instructions and instructions_file; keep one")
        return replace(agent, instructions=sources.read_file(file).strip())

    def _targets(self, section: Section) -> dict[str, str]:
        targets = {}
        for entry in section.entries:
            try:
                targets[entry.key] = transfer_target(self._expanded(entry, section))
            except ValueError as error:
                self._complain(entry.place, f"{entry.key} {error}")
        return targets

    def _with_provider_identity(self, single: dict[str, Any]) -> dict[str, Any]:
        """Organization and project of OpenAI come from its own variables and nowhere else."""
        organization, project = (self._environ.get(name, "") for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"))
        return single | {"openai": replace(single["openai"], organization=organization, project=project)}

    def _refuse_unknown_agents(self, merged: Mapping[tuple[str, str], Section], agents: Mapping[str, object]) -> None:
        for section in (*_of_kind("account", merged).values(), *_of_kind("trunk", merged).values()):
            for entry in section.entries:
                if entry.key == "agent" and entry.value and entry.value not in agents:
                    nearest = _suggestion(entry.value, agents) or "; add the section"
                    self._complain(entry.place, f"there is no section [agent {entry.value}]{nearest}")

    def _refuse_unset(self, merged: Mapping[tuple[str, str], Section]) -> None:
        """Complain about references that are set nowhere, but in sections that nothing uses."""
        used_agents = {"", *(entry.value for part in merged.values() for entry in part.entries if entry.key == "agent")}
        for (kind, name), missing in self._unset.items():
            if kind not in USED_ONLY_ON_DEMAND and (kind != "agent" or name in used_agents):
                self.problems.extend(missing)

    def _complain(self, place: str, text: str) -> None:
        self.problems.append(Problem(place=place, text=text))


def _provider_keys() -> tuple[Section, ...]:
    """The defaults of the two keys, which are references themselves."""
    openai = Entry(key="api_key", value="${OPENAI_API_KEY:-}", place="default")
    cartesia = Entry(key="api_key", value="${CARTESIA_API_KEY:-}", place="default")
    return (
        Section(kind="openai", name="", place="default", entries=[openai]),
        Section(kind="cartesia", name="", place="default", entries=[cartesia]),
    )


def _order(problem: Problem) -> tuple[str, int]:
    """Problems of a file in the order of its lines."""
    file, _, number = problem.place.rpartition(":")
    return (file, int(number)) if number.isdigit() else (problem.place, 0)


def _of_kind(kind: str, merged: Mapping[tuple[str, str], Section]) -> dict[str, Section]:
    return {name: section for (each, name), section in merged.items() if each == kind}


def _suggestion(name: str, known: Iterable[str], equivalents: Mapping[str, str] | None = None) -> str:
    """Return `; did you mean "…"?`, or nothing if no known name is near."""
    known = list(known)
    equivalent = (equivalents or {}).get(name, "")
    nearest = [equivalent] if equivalent in known else difflib.get_close_matches(name, [k for k in known if k], n=1)
    return f'; did you mean "{nearest[0]}"?' if nearest else ""
