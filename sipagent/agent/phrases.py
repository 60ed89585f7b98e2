"""Text cut into phrases while it streams: early enough to be spoken at once, long enough to sound well.

The pieces are the text, verbatim: `"".join(pieces)` gives it back, spaces and all.
"""

import re

FIRST_CLAUSE = 24
"""Characters after which the first phrase may end at a comma: the caller waits for it."""
CLAUSE = 100
"""Characters after which any phrase may end at a comma."""
SENTENCE = 20
"""Characters before which a later phrase is not worth a piece of its own."""
LONGEST = 200
"""Characters after which a phrase ends at any space."""

_END = re.compile(r"[.!?\u2026]+[\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f]+|\n+")
"""Sentence ends: of European scripts when a space follows (so not in 3.5), of CJK anywhere."""
_CLAUSE = re.compile(r"[,;:\u2014\u2013](?=\s)|[\uff0c\uff1b\u3001]")
_TITLES = "mr|mrs|ms|dr|prof|st|no|vs|etc|approx|jr|sr|inc|ltd|co|ca|bzw|nr|hr|fr"
_ABBREVIATION = re.compile(rf"(?:^|[\s(])(?:[a-z]|(?:[a-z]\.)+[a-z]|{_TITLES})\.$", re.IGNORECASE)


class Phrases:
    """Takes text as it comes, and gives whole phrases."""

    def __init__(self) -> None:
        self._rest = ""
        self._begun = False

    def add(self, text: str) -> list[str]:
        """Take more text; return the phrases that are complete now."""
        self._rest += text
        pieces = []
        while end := self._cut():
            pieces.append(self._rest[:end])
            self._rest = self._rest[end:]
            self._begun = True
        return pieces

    def flush(self) -> str:
        """The text is over, or makes a pause: return what is left."""
        rest, self._rest = self._rest, ""
        self._begun = self._begun or bool(rest.strip())
        return rest

    def _cut(self) -> int:
        """Where the next phrase ends; 0 while none does. What follows an end decides, so the last character waits."""
        shortest = SENTENCE if self._begun else 1
        for found in _END.finditer(self._rest):
            if found.end() >= shortest and not _ABBREVIATION.search(self._rest[: found.end()]):
                return found.end()
        clause = CLAUSE if self._begun else FIRST_CLAUSE
        for found in _CLAUSE.finditer(self._rest, clause):
            return found.end()
        return self._rest.rfind(" ", 0, LONGEST) + 1 if len(self._rest) > LONGEST else 0
