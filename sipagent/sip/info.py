"""INFO requests of ours, one after the other: one that overtakes another is taken for a mistake (RFC 3261 12.2.2)."""

from collections import deque
from collections.abc import Callable

from sipagent.sip.dialog import Dialog
from sipagent.sip.message import Field, Response
from sipagent.sip.party import Party


class InfoQueue:
    """What waits to be said by INFO. `told` learns the code of each final response, 408 where there was none."""

    def __init__(self, party: Party, told: Callable[[int, float], None]) -> None:
        self._party = party
        self._told = told
        self._waiting: deque[tuple[tuple[Field, ...], bytes]] = deque()
        self.is_busy = False
        """An INFO of ours has no final response yet."""

    def add(self, content_type: str, body: bytes) -> None:
        """One thing more to be said."""
        self._waiting.append(((("Content-Type", content_type),), body))

    def proceed(self, dialog: Dialog, now: float) -> None:
        """Say the next thing in a confirmed dialog, unless one is being said."""
        if self._waiting and not self.is_busy:
            self.is_busy = True
            headers, body = self._waiting.popleft()
            self._party.request(dialog, "INFO", self._heard, headers=headers, body=body).send(now)

    def close(self) -> None:
        """Nothing more is to be said."""
        self._waiting.clear()

    def _heard(self, code: int, response: Response | None, now: float) -> None:
        self.is_busy = False
        self._told(code, now)
