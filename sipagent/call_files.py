"""Where the files of a call are: its recording, its capture and its record share one name in one directory."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from sipagent.errors import ConfigurationError


class CallFiles:
    """Names calls by time and Call-ID: `20261120-104455-a84b4c76e667`. `wall` gives the seconds since 1970.

    Makes the directory; raises ConfigurationError where that cannot be written to.
    """

    def __init__(self, directory: Path, *, wall: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self._wall = wall
        self._named: dict[str, Path] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"nothing can be kept in {directory}: {error.strerror}; name another") from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise ConfigurationError(f"nothing can be kept in {directory}: it may not be written to; name another")

    def base(self, call_id: str) -> Path:
        """Return the path without suffix; the same one each time, until `forget`."""
        if call_id not in self._named:
            moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._wall()))
            letters = re.sub(r"[^A-Za-z0-9]", "", call_id)[:12] or "call"
            self._named[call_id] = self._free(f"{moment}-{letters}")
        return self._named[call_id]

    def _free(self, name: str) -> Path:
        """Return the path of a name that no call has now: another one's files are not written over."""
        path, number = self.directory / name, 1
        while path in self._named.values():
            number += 1
            path = self.directory / f"{name}-{number}"
        return path

    def forget(self, call_id: str) -> None:
        """The call is over and its files are written."""
        self._named.pop(call_id, None)
