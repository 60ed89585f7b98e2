"""INFO requests of ours, one after the other: one that overtakes another is taken for a mistake (RFC 3261 12.2.2)."""

from collections import deque
from collections.abc import Callable

from sipagent.sip.dialog import Dialog
from sipagent.sip.message import Field, Response
from sipagent.sip.party import Party


class InfoQueue:
    """What waits to be said by INFO. `lost` is called when the far end knows nothing of the dialog, or says nothing."""

    def __init__(self, party: Party, lost: Callable[[int, float], None]) -> None:
        self._party = party
        self._lost = lost
        self._waiting: deque[tuple[Dialog, tuple[Field, ...], bytes]] = deque()
        self._is_busy = False

    def send(self, dialog: Dialog, content_type: str, body: bytes, now: float) -> None:
        """Say one thing more."""
        self._waiting.append((dialog, (("Content-Type", content_type),), body))
        self._next(now)

    def close(self) -> None:
        """Nothing more is to be said."""
        self._waiting.clear()

    def _next(self, now: float) -> None:
        if self._waiting and not self._is_busy:
            self._is_busy = True
            dialog, headers, body = self._waiting.popleft()
            self._party.request(dialog, "INFO", self._heard, headers=headers, body=body).send(now)

    def _heard(self, code: int, response: Response | None, now: float) -> None:
        self._is_busy = False
        if code in (408, 481):
            self._lost(code, now)
        self._next(now)
