"""The receptionist: phrases and keys, and nothing done without a yes."""

from datetime import datetime

import pytest

from sipagent.local.receptionist import Receptionist, Reply, Script

SCRIPT = Script.load()
NOON = datetime(2026, 11, 20, 12, 5)
TOOLS = {
    "hang_up": {"type": "object", "properties": {}},
    "transfer": {"type": "object", "properties": {"to": {"enum": ["sales", "support"]}}, "required": ["to"]},
}


def conversation(*turns: str, tools: dict[str, object] | None = None) -> Reply:
    """What a receptionist answers to the last of these; a single character is a key."""
    receptionist = Receptionist(SCRIPT)
    given = TOOLS if tools is None else tools
    for turn in turns:
        answer = receptionist.press if len(turn) == 1 else receptionist.hear
        reply = answer(turn, tools=given, now=NOON)
    return reply


def test_it_says_that_it_is_an_offline_demo() -> None:
    assert Receptionist(SCRIPT).greet().text == SCRIPT.greeting
    assert "offline demo" in SCRIPT.greeting
    assert "only a few phrases" in SCRIPT.greeting


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("what are your opening hours", "hours"),
        ("What are your opening hours?", "hours"),
        ("opening hours please", "hours"),
        ("are you open tomorrow", "hours"),
        ("what time is it", "time"),
        ("can i speak to a person", "transfer"),
        ("yes please", "yes"),
    ],
)
def test_a_whole_phrase_is_understood(said: str, name: str) -> None:
    intent = SCRIPT.intent_of(said)
    assert intent is not None
    assert intent.name == name


@pytest.mark.parametrize("said", ["", "opening", "what time is", "do you sell blue paint", "yes what time is it"])
def test_less_or_more_than_a_phrase_is_not(said: str) -> None:
    assert SCRIPT.intent_of(said) is None
    assert "did not understand" in conversation(said).text


def test_not_understood_twice_points_to_the_keys() -> None:
    assert "Press 1" in conversation("blue paint", "blue paint").text


def test_every_intent_with_an_answer_of_its_own_has_a_key() -> None:
    without_key = {intent.name for intent in SCRIPT.intents if not intent.digit}
    assert without_key == {"hello", "thanks", "yes", "no"}
    digits = [intent.digit for intent in SCRIPT.intents if intent.digit]
    assert len(set(digits)) == len(digits)


def test_the_time_is_told() -> None:
    assert conversation("what time is it").text == "It is 12:05 p.m."
    assert conversation("2") == conversation("what time is it")


def test_the_answer_before_is_repeated() -> None:
    assert conversation("1", "say that again") == conversation("1")


@pytest.mark.parametrize(("wish", "tool"), [("goodbye", "hang_up"), ("*", "hang_up"), ("operator", "transfer")])
@pytest.mark.parametrize("yes", ["yes", "yes please", "1"])
def test_it_acts_after_a_yes(wish: str, tool: str, yes: str) -> None:
    assert conversation(wish).tool == ""
    assert conversation(wish, yes).tool == tool


@pytest.mark.parametrize("answer", ["no", "what time is it", "do you sell blue paint", "2", ""])
def test_anything_but_a_yes_is_a_no(answer: str) -> None:
    assert conversation("goodbye", answer).tool == ""
    assert conversation("goodbye", answer, "yes").tool == ""


def test_a_transfer_goes_to_the_first_target_that_the_tool_allows() -> None:
    assert conversation("0", "yes").arguments == {"to": "sales"}


def test_without_a_tool_nothing_is_promised() -> None:
    assert "nobody" in conversation("0", tools={}).text
    assert "Goodbye" in conversation("goodbye", tools={}).text


def test_a_message_is_taken_whatever_it_says_and_not_pretended_to_be_written_down() -> None:
    taken = conversation("take a message", "tell them that the blue paint has come")
    assert "cannot write" in taken.text
    assert "five in the afternoon" in conversation("take a message", "1").text


def test_a_failed_tool_is_admitted_and_a_successful_one_needs_no_words() -> None:
    receptionist = Receptionist(SCRIPT)
    assert "did not work" in receptionist.after_tool("Error: busy").text
    assert receptionist.after_tool("done").text == ""


def test_the_grammar_has_every_phrase() -> None:
    grammar = SCRIPT.grammar()
    assert grammar.startswith("#JSGF V1.0;")
    assert all(phrase in grammar for intent in SCRIPT.intents for phrase in intent.phrases)


def test_a_script_with_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ValueError, match="frases"):
        Script.load(
            'greeting = ""\nhelp = ""\nnot_understood = []\nmessage_taken = ""\n'
            '[[intent]]\nname = "a"\nphrases = []\nanswer = ""\nfrases = []'
        )
