"""The keys of a telephone: which there are, and how the presses of several are read."""

import asyncio
from typing import Any, Protocol

from sipagent.events import DigitReceived, Disconnected

KEYS = "0123456789*#ABCD"
"""What a telephone can press (RFC 4733 section 3.2)."""


class Pressed(Protocol):
    """The call whose far end presses keys."""

    @property
    def is_over(self) -> bool:
        """Nothing is pressed any more."""

    def on(self, kind: type[Any], handler: Any) -> None:
        """Call `handler` with each event of `kind`."""

    def off(self, kind: type[Any], handler: Any) -> None:
        """Undo `on`."""


def check_keys(digits: str) -> None:
    """Raise ValueError for what is none of KEYS."""
    if wrong := set(digits) - set(KEYS):
        raise ValueError(f"no such key: {', '.join(sorted(wrong))}")


async def read_keys(call: Pressed, count: int, *, wait: float, terminator: str) -> str:
    """Collect up to `count` digits; ends early at `terminator`, with the call, or `wait` seconds after a press."""
    digits = ""
    presses: asyncio.Queue[str] = asyncio.Queue()

    def pressed(event: DigitReceived) -> None:
        presses.put_nowait(event.digit)

    def over(event: Disconnected) -> None:
        presses.put_nowait(terminator)

    call.on(DigitReceived, pressed)
    call.on(Disconnected, over)
    try:
        while not call.is_over and len(digits) < count:
            digit = await asyncio.wait_for(presses.get(), wait)
            if digit == terminator:
                break
            digits += digit
    except TimeoutError:
        pass  # what was pressed so far is the answer
    finally:
        call.off(DigitReceived, pressed)
        call.off(Disconnected, over)
    return digits
