"""Writes an account as a sip.conf, for `sipagent run sip:6001@pbx.example.com --save`."""

import os
from dataclasses import MISSING, fields
from pathlib import Path

from sipagent.config.grammar import quote
from sipagent.config.options import Account
from sipagent.config.values import readers_of, written
from sipagent.errors import ConfigurationError


def account_text(account: Account) -> str:
    """Return a sip.conf with one account: what differs from the defaults, secrets included."""
    defaults = {each.name: each.default for each in fields(Account) if each.default is not MISSING}
    values = {key: getattr(account, key) for key in readers_of(Account)}
    lines = [f"{key} = {quote(written(value))}" for key, value in values.items() if value != defaults[key]]
    return "\n".join(["; The configuration of sipagent, not of Asterisk.", f"[account {account.name}]", *lines, ""])


def save(account: Account, path: Path) -> None:
    """Write `account` to a new file that only its owner can read. Raises ConfigurationError if the file exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path}: this file exists and is left as it is; name another") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(account_text(account))
