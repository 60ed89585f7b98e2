"""The offline receptionist: a small set of phrases and keys, and what it answers. No language understanding.

`receptionist.toml` is the whole script; grammar (for the recogniser) and rules (for the answer) are both made from
its phrases, so they cannot disagree. It never acts on one recognition: hanging up and transferring wait for a spoken
yes or for key 1, and are offered only where the session declared a tool for them.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any

CONFIRM_KEY = "1"
CANCELLED = "All right, I do not. Anything else?"
TOOL_FAILED = "I am sorry, that did not work."


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Something a caller may want: the phrases and the key for it, the answer, and perhaps a tool to call."""

    name: str
    phrases: tuple[str, ...]
    answer: str
    digit: str = ""
    tool: str = ""
    confirm: str = ""
    unavailable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What `receptionist.toml` says."""

    greeting: str
    help: str
    not_understood: tuple[str, ...]
    message_taken: str
    intents: tuple[Intent, ...]

    @classmethod
    def load(cls, text: str | None = None) -> "Script":
        """Read a script; without `text` the one that ships with us. Raises ValueError for a key no intent has."""
        data = tomllib.loads(text if text is not None else _shipped())
        try:
            intents = data.pop("intent")
            return cls(
                **{**data, "not_understood": tuple(data["not_understood"])},
                intents=tuple(Intent(**{**intent, "phrases": tuple(intent["phrases"])}) for intent in intents),
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"receptionist script: {error}") from error

    def grammar(self) -> str:
        """The phrases as a JSGF grammar (JSpeech Grammar Format); the syntax of a phrase is JSGF's own."""
        rules = "".join(f"<{intent.name}> = {' | '.join(intent.phrases)};\n" for intent in self.intents)
        names = " | ".join(f"<{intent.name}>" for intent in self.intents)
        return f"#JSGF V1.0;\ngrammar receptionist;\n{rules}public <phrase> = {names};\n"

    def intent_of(self, text: str) -> Intent | None:
        """The intent with a phrase that is exactly `text`, or None: no guessing from single words."""
        spoken = " ".join(re.findall(r"[a-z']+", text.lower())) + " "
        return next((i for i in self.intents if any(_pattern(p).fullmatch(spoken) for p in i.phrases)), None)

    def intent_of_key(self, digit: str) -> Intent | None:
        """The intent that has this key."""
        return next((intent for intent in self.intents if intent.digit == digit), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer: text, and a tool call with its arguments where one is due."""

    text: str
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Receptionist:
    """One caller's receptionist. Knows what it said last, what waits for a yes, and whether a message comes next.

    `tools` are the function tools of the session, by name, with their JSON schema.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._last_answer = script.greeting
        self._unconfirmed: Intent | None = None
        self._taking_message = False
        self._misunderstood = 0

    def greet(self) -> Reply:
        """Say who speaks here."""
        return self._say(self._script.greeting)

    def hear(self, text: str, *, tools: Mapping[str, Any], now: datetime) -> Reply:
        """Answer a recognised phrase; anything that is no whole phrase counts as not understood."""
        if self._taking_message:
            return self._take_message()
        intent = self._script.intent_of(text)
        if self._unconfirmed is not None:
            return self._confirm(intent is not None and intent.name == "yes", tools)
        return self._not_understood() if intent is None else self._serve(intent, tools, now)

    def press(self, digit: str, *, tools: Mapping[str, Any], now: datetime) -> Reply:
        """Answer a key."""
        self._taking_message = False
        if self._unconfirmed is not None:
            return self._confirm(digit == CONFIRM_KEY, tools)
        intent = self._script.intent_of_key(digit)
        return self._not_understood() if intent is None else self._serve(intent, tools, now)

    def after_tool(self, output: str) -> Reply:
        """Answer the result of a tool. Success needs no words: they were said with the call."""
        failed = re.search(r"error|fail|refused|busy|not ", output, re.IGNORECASE)
        return self._say(TOOL_FAILED) if failed else Reply(text="")

    def _serve(self, intent: Intent, tools: Mapping[str, Any], now: datetime) -> Reply:
        self._misunderstood = 0
        if intent.tool and intent.tool not in tools:
            return self._say(intent.unavailable or intent.answer)
        if intent.tool:
            self._unconfirmed = intent
            return self._say(intent.confirm)
        self._taking_message = intent.name == "message"
        again = intent.name == "repeat"
        return self._say(self._last_answer if again else self._fill(intent.answer, now))

    def _confirm(self, agreed: bool, tools: Mapping[str, Any]) -> Reply:
        intent, self._unconfirmed = self._unconfirmed, None
        if intent is None or not agreed:
            return self._say(CANCELLED)
        return Reply(text=intent.answer, tool=intent.tool, arguments=first_choice(tools.get(intent.tool, {})))

    def _take_message(self) -> Reply:
        self._taking_message = False
        return self._say(self._script.message_taken)

    def _not_understood(self) -> Reply:
        texts = self._script.not_understood
        text = texts[min(self._misunderstood, len(texts) - 1)]
        self._misunderstood += 1
        return Reply(text=text)

    def _say(self, text: str) -> Reply:
        self._last_answer = text
        return Reply(text=text)

    def _fill(self, answer: str, now: datetime) -> str:
        clock = f"{now.hour % 12 or 12}:{now.minute:02d} {'a' if now.hour < 12 else 'p'}.m."
        return answer.format(time=clock, help=self._script.help, greeting=self._script.greeting)


def first_choice(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for a tool: the first value that its JSON schema allows for every required enumeration."""
    properties = schema.get("properties", {})
    required = [name for name in schema.get("required", ()) if properties.get(name, {}).get("enum")]
    return {name: properties[name]["enum"][0] for name in required}


def _pattern(phrase: str) -> re.Pattern[str]:
    """A phrase as a regular expression over words that each end with a blank."""
    translated = {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|"}
    tokens = re.findall(r"[\[\]()|]|[a-z']+", phrase)
    return re.compile("".join(translated.get(token, f"{token} ") for token in tokens))


def _shipped() -> str:
    return resources.files(__package__).joinpath("receptionist.toml").read_text("utf-8")
