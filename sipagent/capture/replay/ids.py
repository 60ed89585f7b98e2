"""The identifiers of a replay: those of the journal."""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

from sipagent.capture.journal import Record


class PlayedIds:
    """Serves the draws of the journal, each kind in its order; past its end, and for no call, numbers in sequence."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._drawn: defaultdict[str, deque[Any]] = defaultdict(deque)
        self._made = 0
        for record in records:
            if record.kind == "id":
                self._drawn[record.data["what"]].append(record.data["value"])

    def token(self, kind: str, scope: str = "") -> str:
        """As `Ids.token`."""
        return str(self._draw(kind, scope))

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        """As `Ids.number`."""
        return int(self._draw(kind, scope)) % (1 << bits)

    def _draw(self, kind: str, scope: str) -> Any:
        if scope and self._drawn[kind]:
            return self._drawn[kind].popleft()
        self._made += 1
        return self._made
