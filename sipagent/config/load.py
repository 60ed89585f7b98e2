"""Loads a configuration: command line over environment over sip.conf over defaults, and every mistake told at once.

sip.conf ────┐
environment ─┼─► raw sections ─► merged ─► references replaced, values read ─► Configuration
--set ───────┘
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sipagent.config import asterisk, sources
from sipagent.config.build import build
from sipagent.config.configuration import Configuration
from sipagent.config.grammar import Entry, Section, parse
from sipagent.config.merge import duplicates, merge
from sipagent.config.schema import READERS
from sipagent.errors import ConfigurationError

DEFAULT_KEYS = [
    Section(
        kind=provider,
        name="",
        place="default",
        entries=[Entry(key="api_key", value=f"${{{provider.upper()}_API_KEY:-}}", place="default")],
    )
    for provider in ("openai", "cartesia")
]
"""The defaults of the two keys are references themselves."""


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
    written, problems = parse(text, str(file or "sip.conf"))
    if foreign := asterisk.recognise(written):
        raise ConfigurationError(f"{foreign[0]}: {foreign[1]}")
    in_environment, unknown_variables = sources.from_environment(environ, READERS, written)
    on_command_line, unreadable_overrides = sources.from_overrides(overrides)
    merged, unknown = merge([*DEFAULT_KEYS, *written, *in_environment, *on_command_line])
    problems += [*duplicates(written), *unknown_variables, *unreadable_overrides, *unknown]
    return _with_provider_identity(build(merged, environ, file, problems), environ)


def _with_provider_identity(configuration: Configuration, environ: Mapping[str, str]) -> Configuration:
    """Organization and project of OpenAI come from its own variables and nowhere else."""
    organization, project = environ.get("OPENAI_ORG_ID", ""), environ.get("OPENAI_PROJECT_ID", "")
    openai = replace(configuration.openai, organization=organization, project=project)
    return replace(configuration, openai=openai)
