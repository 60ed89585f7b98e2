"""What the stand-ins send, read again."""

import json
from collections.abc import Iterator
from typing import Any


def read(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in frames of a server, each shorter than 64 KiB."""
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4]), 4
        yield json.loads(data[start : start + size])
        data = data[start + size :]
