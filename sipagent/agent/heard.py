"""What the caller heard: every word of an utterance maps to units of its audio, every unit to a position of the leg.

    text     "Hello there, how can I help?"
    words     Hello there  how  can ...              (the voice's timestamps, seconds from the start of the utterance)
    audio    |---- chunk ----|---- chunk ----|       (units of 1/8000 s, whatever the encoding)
    leg      ......|----------|........|----------|  (positions; `until` is the one that the leg reports)

Positions count as in `Cleared`.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from typing import Any

from sipagent.agent.interfaces import Cleared, Speech, SpeechState

RATE = 8000
"""Units a second, in timestamps turned into units."""

PACE = 14
"""Characters a second that are taken for spoken where the voice gave no timestamps."""

OVER = frozenset({SpeechState.FINISHED, SpeechState.INTERRUPTED, SpeechState.FAILED})


class Ledger:
    """Keeps which part of a text lies where in the speech that a leg was given."""

    def __init__(self) -> None:
        self.text = ""
        self.units = 0
        """Given to the leg."""
        self.whole = False
        """No more text and no more audio will come."""
        self._aligned = 0
        self._word_middles: list[int] = []
        self._word_ends: list[int] = []
        self._segments: list[tuple[int, int]] = []

    @property
    def end(self) -> int:
        """The position behind the last unit given; 0 while there is none."""
        if not self._segments:
            return 0
        position, length = self._segments[-1]
        return position + length

    def add_text(self, text: str) -> None:
        """Append a piece of the text, verbatim."""
        self.text += text

    def add_audio(self, position: int, length: int) -> None:
        """The next `length` units were given to the leg, where the first has `position`."""
        self._segments.append((position, length))
        self.units += length

    def add_words(self, words: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> None:
        """Take word timestamps, seconds from the start of the utterance. A word that the text lacks is passed over."""
        for word, start, end in zip(words, starts, ends, strict=False):
            if (found := self._find(word)) is None:
                continue
            self._aligned = found
            self._word_middles.append(round((start + end) / 2 * RATE))
            self._word_ends.append(found)

    def played(self, until: int) -> int:
        """How many units of the utterance lie before the leg's position `until`."""
        return sum(min(max(until - position, 0), length) for position, length in self._segments)

    def heard(self, until: int) -> str:
        """The verbatim beginning of the text that was heard when the leg has sent up to `until`.

        A word counts once half of it was played; its punctuation goes with it.
        """
        played = self.played(until)
        if self.whole and self.units and played >= self.units:
            return self.text
        if not self._word_middles:
            return self._by_pace(played)
        count = bisect_left(self._word_middles, played + 1)
        return self.text[: self._word_ends[count - 1]] if count else ""

    def _find(self, word: str) -> int | None:
        """Where the next occurrence of `word` ends in the text, its closing punctuation included."""
        bare = word.strip().strip(".,;:!?…\"'()[]").lower()
        if not bare:
            return None
        window = self.text[self._aligned : self._aligned + 40 + 2 * len(bare)]
        lowered = window.lower()
        at = lowered.find(bare)
        if at < 0 or len(lowered) != len(window):  # a few letters, such as the Turkish İ, change their length
            return None
        end = self._aligned + at + len(bare)
        while end < len(self.text) and not (self.text[end].isalnum() or self.text[end].isspace()):
            end += 1
        return end

    def _by_pace(self, played: int) -> str:
        """Estimate by the share of the audio, or by a usual pace while its length is unknown; whole words only."""
        count = len(self.text) * played // self.units if self.whole and self.units else played * PACE // RATE
        if count >= len(self.text):
            return self.text
        return self.text[: self.text.rfind(" ", 0, count + 1)] if " " in self.text[: count + 1] else ""


class Utterance:
    """Something being said: what a voice's `say` returns. Awaiting it gives the text that was heard.

    It listens to the leg that speaks it, and is told by the voice what comes in.
    """

    def __init__(self, context_id: str) -> None:
        self.context_id = context_id
        self.failure = ""
        """Why it failed; empty otherwise."""
        self._ledger = Ledger()
        self._state = SpeechState.WAITING
        self._sent_until = 0
        self._heard_until: int | None = None
        """What the caller got, where that is known to be less than what has left."""
        self._stopping = SpeechState.FINISHED
        self._watchers: list[Callable[[Speech], None]] = []

    @property
    def text(self) -> str:
        """All that was to be said, as far as it came."""
        return self._ledger.text

    @property
    def heard_text(self) -> str:
        """The beginning of `text` that has left for the caller, less what is known not to have come there."""
        return self._ledger.heard(self._until)

    @property
    def heard_seconds(self) -> float:
        """How much of its audio has left."""
        return self._ledger.played(self._until) / RATE

    @property
    def _until(self) -> int:
        return self._sent_until if self._heard_until is None else min(self._sent_until, self._heard_until)

    @property
    def state(self) -> SpeechState:
        return self._state

    @property
    def finished(self) -> bool:
        """Nothing of it will be sent any more: said to its end, interrupted or failed."""
        return self._state in OVER

    def watch(self, changed: Callable[[Speech], None]) -> None:
        """Call `changed(self)` at every change of state from now on; the last is known by `finished`."""
        if not self.finished:
            self._watchers.append(changed)

    def __await__(self) -> Generator[Any, None, str]:
        if not self.finished:
            over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.watch(lambda speech: over.set_result(None) if self.finished and not over.done() else None)
            yield from over.__await__()
        return self.heard_text

    # ---- told by the leg

    def mark_passed(self, name: str, position: int) -> None:
        """Audio up to `position` has left."""
        if self.finished:
            return
        self._sent_until = max(self._sent_until, position)
        if position >= self._ledger.end:
            self._ran_dry()
        else:
            self._become(SpeechState.SPEAKING)

    def cleared(self, report: Cleared) -> None:
        """The audio behind `report.sent_until` will never leave."""
        if self.finished:
            return
        self._sent_until = report.sent_until
        self._heard_until = report.acknowledged_until if report.unheard else None
        failing = self._stopping is SpeechState.FAILED
        self._become(SpeechState.FAILED if failing else SpeechState.INTERRUPTED)

    # ---- told by the voice

    def take_text(self, text: str) -> None:
        """More is to be said."""
        self._ledger.add_text(text)

    def take_words(self, words: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> None:
        """Word timestamps came (see `Ledger.add_words`)."""
        self._ledger.add_words(words, starts, ends)

    def take_audio(self, position: int, length: int) -> None:
        """Audio was given to the leg."""
        self._ledger.add_audio(position, length)

    def take_end(self) -> None:
        """All audio has come."""
        self._ledger.whole = True
        if self._is_dry and not self.finished:
            self._ran_dry()

    def stop(self) -> None:
        """It was cut off. Final at once when nothing is left to leave, else with the leg's report."""
        self._give_up(SpeechState.INTERRUPTED)

    def fail(self, reason: str) -> None:
        """No more audio will come. What the leg has is still spoken; final after that."""
        self.failure = self.failure or reason
        self._give_up(SpeechState.FAILED)

    def abandon(self) -> None:
        """The leg will not report any more: what it said last is final."""
        if not self.finished:
            self._become(SpeechState.FAILED if self._stopping is SpeechState.FAILED else SpeechState.INTERRUPTED)

    @property
    def _is_dry(self) -> bool:
        return self._sent_until >= self._ledger.end

    def _give_up(self, final: SpeechState) -> None:
        if self.finished:
            return
        self._stopping = final
        if self._is_dry:
            self._become(final)

    def _ran_dry(self) -> None:
        """All the audio there is has left: the end, or a wait for more."""
        final = self._ledger.whole or self._stopping is not SpeechState.FINISHED
        self._become(self._stopping if final else SpeechState.PAUSED)

    def _become(self, state: SpeechState) -> None:
        if state is self._state:
            return
        self._state = state
        watchers = tuple(self._watchers)
        if self.finished:
            self._watchers.clear()  # they know us
        for changed in watchers:
            changed(self)
