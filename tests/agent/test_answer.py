"""An answer: pieces for the voice, what was heard of which item, taking back what failed."""

from sipagent.agent.answer import Answer
from sipagent.agent.heard import Utterance
from sipagent.agent.interfaces import Cleared


def spoken(answer: Answer, text: str, *, heard: int) -> Utterance:
    """Let a voice have said `text`, of which `heard` characters (1000 samples each) have left."""
    said = Utterance("a")
    said.take_text(text)
    said.take_words(list(text), [n / 8 for n in range(len(text))], [(n + 1) / 8 for n in range(len(text))])
    said.take_audio(0, len(text) * 1000)
    answer.speech = said
    said.cleared(Cleared(sent_until=heard * 1000, acknowledged_until=0))
    return said


def test_phrases_go_to_the_voice_as_they_come() -> None:
    answer = Answer("r1")
    answer.add("a", "Hello")
    assert answer.next_piece() is None
    answer.add("a", "! How")
    assert answer.next_piece() == ("Hello!", True)
    answer.complete()
    assert answer.next_piece() == (" How", False)
    assert answer.next_piece() is None, "it ends once"


def test_the_end_is_told_even_without_text_once_the_voice_has_begun() -> None:
    answer = Answer("r1")
    answer.add("a", "Hello! ")
    assert answer.next_piece() == ("Hello!", True)
    spoken(answer, "Hello!", heard=6)
    answer.complete()
    assert answer.next_piece() == (" ", False)


def test_an_answer_does_not_begin_blank() -> None:
    answer = Answer("r1")
    answer.add("a", "\n\n")
    assert answer.next_piece() is None
    answer.complete()
    assert answer.next_piece() is None


def test_two_texts_are_spoken_one_after_the_other_and_heard_apart() -> None:
    answer = Answer("r1")
    answer.add("a", "ab.")
    answer.add("b", "cd.")
    answer.complete()
    assert answer.generated_text == "ab. cd."
    piece = answer.next_piece()
    assert piece == ("ab. cd.", False)
    spoken(answer, piece[0], heard=5)
    assert answer.heard_by_item() == {"a": "ab.", "b": "c"}


def test_what_the_voice_did_not_get_said_is_taken_back() -> None:
    answer = Answer("r1")
    answer.add("a", "abcdef.")
    answer.complete()
    answer.next_piece()
    spoken(answer, "abcdef.", heard=3)
    answer.rewind()
    assert answer.heard_text == "abc"
    assert answer.next_piece() == ("def.", False)
    spoken(answer, "def.", heard=2)
    assert answer.heard_text == "abcde"
