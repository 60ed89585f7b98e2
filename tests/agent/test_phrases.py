"""Phrases: where streamed text is cut, and that nothing of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.agent.phrases import LONGEST, Phrases


def cut(text: str, step: int = 3) -> list[str]:
    """Stream a text in small pieces; return its phrases."""
    phrases, pieces = Phrases(), []
    for at in range(0, len(text), step):
        pieces += phrases.add(text[at : at + step])
    rest = phrases.flush()
    return [*pieces, rest] if rest else pieces


@pytest.mark.parametrize(
    "pieces",
    [
        ["Hello!", " How can I help you today?"],
        ["Yes.", " Your order left the warehouse this morning.", " It will be with you tomorrow."],
        ["It left the warehouse this morning,", " and should be with you tomorrow, or the day after that."],
        ["It costs 3.50 a month.", " The second year is 1,200.75 in all, and so on."],
        ["Dr. Smith and e.g. Mrs. Jones are out.", " J. S. Bach is in, though."],
        ['She said: "Come in!"', " And so I went in there."],
        ["Well...", " I do not know about that one."],
        ["Erste Zeile vom Text\n", "Zweite Zeile vom Text"],
        ["你好。", "我可以帮你吗?今天的天气很好很好很好很好很好很好很好很好。", "再见"],
        ["Visit example.com/a.b today and see for yourself"],
    ],
)
def test_where_a_text_is_cut(pieces: list[str]) -> None:
    assert cut("".join(pieces)) == pieces


def test_short_sentences_go_with_the_next_one() -> None:
    assert cut("Hello. Yes. No. It is open until six today. Bye.") == [
        "Hello.",
        " Yes. No. It is open until six today.",
        " Bye.",
    ]


def test_a_sentence_that_never_ends_is_cut_at_a_space() -> None:
    pieces = cut("word " * 100)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert all(piece.endswith(" ") for piece in pieces)


def test_the_first_phrase_comes_as_soon_as_it_is_whole() -> None:
    phrases = Phrases()
    assert phrases.add("Good morning.") == []
    assert phrases.add(" ") == ["Good morning."]


@given(st.lists(st.text(st.sampled_from("ab. ,!?\n3Dr\u3002"), max_size=40)))
def test_the_pieces_are_the_text(parts: list[str]) -> None:
    phrases, pieces = Phrases(), []
    for part in parts:
        pieces += phrases.add(part)
    assert "".join([*pieces, phrases.flush()]) == "".join(parts)
    assert all(pieces)
