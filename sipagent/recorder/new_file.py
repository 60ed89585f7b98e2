"""A file for one recording alone: of two calls that are recorded under one name, neither writes into the other's."""

import fcntl
import logging
import os
import stat
from io import FileIO
from pathlib import Path

log = logging.getLogger("sipagent.recorder")


def new_file(path: Path) -> FileIO:
    """Make the file anew; while another recording writes it, one with a number (`call-2.ogg`). Raises OSError."""
    name, number = path, 1
    while (file := _opened(name)) is None:
        number += 1
        name = path.with_stem(f"{path.stem}-{number}")
    if name != path:
        log.warning("another call is being recorded to %s: this one is in %s", path, name)
    return file


def _opened(path: Path) -> FileIO | None:
    try:
        return FileIO(path, "w", opener=_alone)
    except BlockingIOError:
        return None


def _alone(path: str, flags: int) -> int:
    """Open a file, empty; raises BlockingIOError while somebody else has it who came by this way."""
    descriptor = os.open(path, flags & ~os.O_TRUNC, 0o666)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # /dev/null is for everybody
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
