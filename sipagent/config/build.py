"""Merged sections become values: references replaced, text read, what is missing told."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sipagent.config import sources
from sipagent.config.configuration import Configuration
from sipagent.config.grammar import Entry, Problem, Section, expand
from sipagent.config.merge import Sections, suggestion
from sipagent.config.options import AgentSection, Transfer
from sipagent.config.schema import MAY_BE_NAMED, READERS, REQUIRED, SECTIONS, USED_ON_DEMAND
from sipagent.config.secrets import find_secret
from sipagent.config.values import Reader, input_file, transfer_target
from sipagent.errors import ConfigurationError

CONTINUED = "is one line, and the line below it is indented and so continues it: take its blanks away"


def build(
    merged: Sections, environ: Mapping[str, str], file: Path | None, problems: Iterable[Problem] = ()
) -> Configuration:
    """Return the configuration that `merged` says. `problems` are those known already.

    Raises ConfigurationError with all problems, one line each, in the order of the file.
    """
    builder = _Builder(environ, file)
    sections = {kind: builder.values(kind, merged) for kind in SECTIONS}
    lines = {(kind, name): line for kind in ("account", "trunk") for name, line in sections[kind].items() if line}
    agents = {key: line.agent for key, line in lines.items()}
    found = [*problems, *builder.problems, *builder.unset_in_use(agents.values())]
    found += [*_unknown_agents(agents, merged), *_shared_names(merged)]
    if found:
        raise ConfigurationError("\n".join(map(str, sorted(found, key=_order))))
    return Configuration(
        file=file,
        accounts=sections.pop("account"),
        trunks=sections.pop("trunk"),
        agents={"": AgentSection(), **sections.pop("agent")},
        unset={kind: tuple(map(str, missing)) for (kind, _), missing in builder.unset.items()},
        **{kind: values[""] for kind, values in sections.items() if values},
    )


class _Builder:
    """Makes values, and gathers the problems and the unset references on the way."""

    def __init__(self, environ: Mapping[str, str], file: Path | None) -> None:
        self.problems: list[Problem] = []
        self.unset: dict[tuple[str, str], list[Problem]] = {}
        self._environ = environ
        self._file = file

    def values(self, kind: str, merged: Sections) -> dict[str, Any]:
        """Return the values of all sections of a kind, by name."""
        special: dict[str, Callable[[Section], Any]] = {"agent": self._agent, "transfer": self._transfer}
        make = special.get(kind, self._section)
        return {name: make(section) for (each, name), section in merged.items() if each == kind}

    def unset_in_use(self, agents: Iterable[str]) -> Iterator[Problem]:
        """Yield the references that are set nowhere, in [agent], in `agents` and in all that is used without them."""
        used = {"", *agents}
        for (kind, name), missing in self.unset.items():
            if kind not in USED_ON_DEMAND and (kind != "agent" or name in used):
                yield from missing

    def _section(self, section: Section) -> Any:
        """Return the value of one section, or None after a complaint."""
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
        unset = self.unset.get((section.kind, section.name), [])
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
            self.unset.setdefault((section.kind, section.name), []).append(problem)
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

    def _transfer(self, section: Section) -> Transfer:
        targets = {}
        for entry in section.entries:
            try:
                targets[entry.key] = transfer_target(self._expanded(entry, section))
            except ValueError as error:
                self._complain(entry.place, f"{entry.key} {error}")
        return Transfer(targets=targets)

    def _complain(self, place: str, text: str) -> None:
        self.problems.append(Problem(place=place, text=text))


def _unknown_agents(agents: Mapping[tuple[str, str], str], merged: Sections) -> Iterator[Problem]:
    """Yield the accounts and trunks, given with the agents they name, whose agent has no section."""
    known = {name for kind, name in merged if kind == "agent"}
    for key, agent in agents.items():
        if agent and agent not in known:
            place = next(entry.place for entry in merged[key].entries if entry.key == "agent")
            cure = suggestion(agent, known) or "; add the section"
            yield Problem(place=place, text=f"there is no section [agent {agent}]{cure}")


def _shared_names(merged: Sections) -> Iterator[Problem]:
    """Yield the trunks that have the name of an account: `dial --from NAME` means one line."""
    for (kind, name), section in merged.items():
        if kind == "trunk" and ("account", name) in merged:
            yield Problem(place=section.place, text=f"[trunk {name}] has the name of [account {name}]; give it another")


def _order(problem: Problem) -> tuple[str, int]:
    """Problems of a file in the order of its lines."""
    file, _, number = problem.place.rpartition(":")
    return (file, int(number)) if number.isdigit() else (problem.place, 0)
