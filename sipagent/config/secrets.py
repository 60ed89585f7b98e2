"""Where secrets are found: the environment, a file that it names, a mounted secret."""

import os
from collections.abc import Mapping
from pathlib import Path

from sipagent.errors import SecretMissing

MOUNTED_SECRETS = Path("/run/secrets")


def secret(name: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the secret `name`: from the environment, the file that `name`_FILE names, or /run/secrets.

    Raises SecretMissing, which says where it was looked for.
    """
    found = find_secret(name, os.environ if environ is None else environ)
    if found is None:
        raise SecretMissing(
            f"the secret {name} is set nowhere: set the environment variable {name},"
            f" or let {name}_FILE name a file that holds it, or mount it as {MOUNTED_SECRETS / name}"
        )
    return found


def find_secret(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the secret, or None. An empty variable counts as unset: compose files leave such behind."""
    if environ.get(name):
        return environ[name]
    named = environ.get(f"{name}_FILE")
    return _content_of(Path(named) if named else MOUNTED_SECRETS / name)


def _content_of(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n") or None
    except (OSError, UnicodeDecodeError):
        return None
