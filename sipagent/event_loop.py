"""The event loop of a phone that owns its process: uvloop's, of which TLS needs a sixth of the memory."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from uvloop import new_event_loop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`. A phone inside another program lives on the loop of that one, whatever it is."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
