"""One answer of the agent on its way from the model to the caller's ear."""

from sipagent.agent.interfaces import Speech
from sipagent.agent.phrases import Phrases


class Answer:
    """The texts of one response, cut into phrases, and how much of them was heard.

    A response may hold several texts, each an item of the history; they are spoken one after the other. What a voice
    failed to say can be taken back (`rewind`) and said again by a new utterance.
    """

    def __init__(self, response_id: str = "") -> None:
        self.response_id = response_id
        self.speech: Speech | None = None
        """What the voice is saying of it now."""
        self.is_complete = False
        """No more text will come."""
        self.is_cut = False
        """It was interrupted: what has not been heard never will be."""
        self.texts: dict[str, str] = {}
        """The text of each item, as the model wrote it."""
        self._phrases = Phrases()
        self._pending: list[str] = []
        self._given = ""
        self._is_given = False
        self._heard_before = ""

    @property
    def generated_text(self) -> str:
        """All that the model wrote."""
        return " ".join(self.texts.values())

    @property
    def heard_text(self) -> str:
        """The part of it that has left for the caller."""
        return self._heard_before + (self.speech.heard_text if self.speech is not None else "")

    def add(self, item_id: str, text: str) -> None:
        """More text of an item came."""
        if item_id not in self.texts and self.texts:
            self.end_of_text()
            self._pending.append(" ")
        self.texts[item_id] = self.texts.get(item_id, "") + text
        self._pending += self._phrases.add(text)

    def end_of_text(self) -> None:
        """An item's text is over: its last phrase need not wait."""
        if rest := self._phrases.flush():
            self._pending.append(rest)

    def complete(self) -> None:
        """No more text will come."""
        self.end_of_text()
        self.is_complete = True

    def next_piece(self) -> tuple[str, bool] | None:
        """What is to be given to the voice now, verbatim, and whether more follows. None for nothing.

        An answer does not begin with blank text, and ends, perhaps empty, once.
        """
        text = "".join(self._pending)
        if self._is_given or (self.speech is None and not text.strip()) or not (text or self.is_complete):
            return None
        self._pending.clear()
        self._given += text
        self._is_given = self.is_complete
        return text, not self.is_complete

    def rewind(self) -> None:
        """Take back what the voice did not get said: it is to be said again."""
        self._heard_before = self.heard_text
        self.speech = None
        self._pending.insert(0, self._given[len(self._heard_before) :])
        self._given = self._heard_before
        self._is_given = False

    def heard_by_item(self) -> dict[str, str]:
        """What was heard of each item."""
        heard, parts = self.heard_text, {}
        for item_id, text in self.texts.items():
            parts[item_id] = heard[: len(text)]
            heard = heard[len(text) :].removeprefix(" ")
        return parts
