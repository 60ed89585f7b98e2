"""Where options are written: sip.conf, the environment, the command line. Each gives raw sections; later ones win."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sipagent.config.grammar import Entry, Problem, Section
from sipagent.errors import ConfigurationError

PROVIDER_VARIABLES = {
    "OPENAI_API_KEY": ("openai", "api_key"),
    "OPENAI_BASE_URL": ("openai", "base_url"),
    "CARTESIA_API_KEY": ("cartesia", "api_key"),
    "CARTESIA_BASE_URL": ("cartesia", "base_url"),
}
NO_OPTIONS = {"SIPAGENT_CONFIG", "SIPAGENT_PASSWORD"}
OVERRIDE = re.compile(
    r"\s*(?P<kind>[a-z]+)(?:\s+(?P<name>[^=]*?))?\s*\.\s*(?P<key>[^.=\s]+)\s*=\s*(?P<value>.*)", re.DOTALL
)


def find_file(path: Path | None, environ: Mapping[str, str], directory: Path = Path()) -> Path | None:
    """Return the configuration file: `path` (-c), $SIPAGENT_CONFIG, or the first that exists of the usual places.

    Raises ConfigurationError if one that was asked for does not exist.
    """
    asked_for = path or (Path(environ["SIPAGENT_CONFIG"]) if environ.get("SIPAGENT_CONFIG") else None)
    if asked_for is not None:
        if asked_for.is_dir() or not asked_for.exists():  # /dev/null is a configuration, and an empty one
            raise ConfigurationError(f"{asked_for}: there is no such configuration file")
        return asked_for
    return next((place for place in usual_places(environ, directory) if place.is_file()), None)


def usual_places(environ: Mapping[str, str], directory: Path = Path()) -> tuple[Path, ...]:
    home = Path(environ.get("HOME") or "~").expanduser()
    user_configuration = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return directory / "sip.conf", user_configuration / "sipagent/sip.conf", Path("/etc/sipagent/sip.conf")


def read_file(path: Path) -> str:
    """Return the text of a configuration file. Raises ConfigurationError if it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: this is not UTF-8 text; save the file in that encoding") from error


def from_environment(
    environ: Mapping[str, str], keys: Mapping[str, Iterable[str]], written: Sequence[Section]
) -> tuple[list[Section], list[Problem]]:
    """Return the options that the environment sets, and the variables whose section is known and whose key is not.

    `SIPAGENT_GENERAL_BIND`, `SIPAGENT_ACCOUNT_office_PASSWORD`: kind, name if any, key. The name is compared with those
    of the `written` sections without regard to case and punctuation, since `[account my-pbx]` could not be spelled
    otherwise; one that is not there makes a new section. `keys` has the keys of each kind. A variable of another shape
    is not ours: Kubernetes sets `SIPAGENT_SERVICE_HOST` and its like.
    """
    sections, problems = [], []
    for variable, value in sorted(environ.items()):
        kind, _, rest = variable.removeprefix("SIPAGENT_").partition("_")
        if variable in PROVIDER_VARIABLES and value:
            section, key = PROVIDER_VARIABLES[variable]
            sections.append(_section(section, "", key, value, variable))
        elif not value or not variable.startswith("SIPAGENT_") or variable in NO_OPTIONS or kind.lower() not in keys:
            continue  # an empty variable counts as unset: compose files leave such behind
        elif (found := _name_and_key(kind.lower(), rest, keys[kind.lower()], written)) is not None:
            sections.append(_section(kind.lower(), *found, value, variable))
        else:
            problems.append(Problem(place=variable, text=f"no key of [{kind.lower()}] is called so"))
    return sections, problems


def from_overrides(overrides: Sequence[str]) -> tuple[list[Section], list[Problem]]:
    """Return the options of `--set 'section name.key=value'`, and those not written so."""
    sections, problems = [], []
    for override in overrides:
        found = OVERRIDE.fullmatch(override)
        if found is None:
            left = override.partition("=")[0].strip()
            problems.append(
                Problem(place=f"--set {left}", text="is written 'section.key=value' or 'section name.key=value'")
            )
            continue
        name = " ".join((found["name"] or "").split())
        place = f"--set {found['kind']}{' ' if name else ''}{name}.{found['key']}"
        sections.append(_section(found["kind"], name, found["key"], found["value"], place))
    return sections, problems


def _section(kind: str, name: str, key: str, value: str, place: str) -> Section:
    entry = Entry(key=key, value=value, place=place, literal=True)
    return Section(kind=kind, name=name, place=place, entries=[entry])


def _name_and_key(kind: str, rest: str, keys: Iterable[str], written: Sequence[Section]) -> tuple[str, str] | None:
    """Part `office_AUTH_USERNAME`: a name that is written in the file wins, then the longest key."""
    if kind == "transfer":
        return "", rest
    names = {_comparable(section.name): section.name for section in written if section.kind == kind}
    splits = [
        (rest[: -len(key)].rstrip("_"), key) for key in keys if rest == key.upper() or rest.endswith(f"_{key.upper()}")
    ]
    splits.sort(key=lambda split: (_comparable(split[0]) not in names, -len(split[1])))
    if not splits:
        return None
    name, key = splits[0]
    return names.get(_comparable(name), name), key


def _comparable(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())
