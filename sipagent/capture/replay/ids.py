"""The identifiers of a replay: those of the journal."""

from collections import defaultdict, deque
from typing import Any

from sipagent.capture.bundle import Capture
from sipagent.sip.uri import Uri


class PlayedIds:
    """Serves the draws of the captured call, each kind in its order, and the user part of the Contact it was called by.

    Past the journal's end, and for what belongs to no call, it makes numbers in sequence.
    """

    def __init__(self, capture: Capture) -> None:
        self._call_id = capture.call_id
        self._contact = Uri.parse(capture.contact).user if capture.contact else ""
        self._drawn: defaultdict[str, deque[Any]] = defaultdict(deque)
        self._made = 0
        for record in capture.records:
            if record.kind == "id":
                self._drawn[record.data["what"]].append(record.data["value"])

    def token(self, kind: str, scope: str = "") -> str:
        """As `Ids.token`."""
        return self._contact if kind == "contact" else str(self._draw(kind, scope))

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        """As `Ids.number`."""
        return int(self._draw(kind, scope)) % (1 << bits)

    def _draw(self, kind: str, scope: str) -> Any:
        if scope == self._call_id and self._drawn[kind]:
            return self._drawn[kind].popleft()
        self._made += 1
        return self._made
