"""What was heard: words, samples, positions; and the life of an utterance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.agent.heard import Ledger, Utterance
from sipagent.agent.interfaces import Cleared, Speech, SpeechState
from sipagent.testing.clock import run


def ledger(text: str, words: dict[str, tuple[float, float]] | None = None, *, begin: int = 0) -> Ledger:
    """One second of audio for every ten characters, given at position `begin` in one piece."""
    kept = Ledger()
    kept.add_text(text)
    times = words or {}
    kept.add_words(list(times), [start for start, _ in times.values()], [end for _, end in times.values()])
    kept.add_audio(begin, len(text) * 800)
    return kept


WORDS = {"Hello": (0.0, 0.5), "there,": (0.6, 1.1), "how": (1.2, 1.4), "are": (1.5, 1.7), "you": (1.8, 2.0)}


@pytest.mark.parametrize(
    ("seconds", "heard"),
    [
        (0.0, ""),
        (0.2, ""),
        (0.3, "Hello"),
        (0.8, "Hello"),
        (0.9, "Hello  there,"),
        (1.3, "Hello  there, how"),
        (1.95, "Hello  there, how are you?!"),
        (9.0, "Hello  there, how are you?!"),
    ],
)
def test_a_word_counts_when_half_of_it_was_played(seconds: float, heard: str) -> None:
    assert ledger("Hello  there, how are you?!", WORDS).heard(int(seconds * 8000)) == heard


def test_positions_are_the_leg_s_not_the_utterance_s() -> None:
    kept = ledger("Hello  there, how are you?!", WORDS, begin=100_000)
    assert kept.heard(100_000) == ""
    assert kept.heard(100_000 + 8000) == "Hello  there,"


def test_other_speech_between_the_pieces_does_not_count() -> None:
    kept = Ledger()
    kept.add_text("One two")
    kept.add_words(["One", "two"], [0.0, 0.5], [0.5, 1.0])
    kept.add_audio(0, 4000)
    kept.add_audio(50_000, 4000)
    assert kept.heard(49_000) == "One"
    assert kept.heard(54_000) == "One two"


def test_words_that_the_voice_spells_otherwise_are_passed_over() -> None:
    kept = Ledger()
    kept.add_text("It costs 20 euros, café included.")
    kept.add_words(["It", "costs", "twenty", "Euros", "CAFÉ"], [0, 1, 2, 3, 4], [1, 2, 3, 4, 5])
    kept.add_audio(0, 48_000)
    assert kept.heard(16_000 + 7_000) == "It costs"
    assert kept.heard(24_000 + 7_000) == "It costs 20 euros,"
    assert kept.heard(40_000) == "It costs 20 euros, café"


def test_the_same_word_twice() -> None:
    kept = Ledger()
    kept.add_text("no, no, no")
    kept.add_words(["no", "no", "no"], [0, 1, 2], [1, 2, 3])
    kept.add_audio(0, 24_000)
    assert kept.heard(14_000) == "no, no,"


def test_without_timestamps_the_share_of_the_audio_decides() -> None:
    kept = ledger("One two three four five six")
    kept.whole = True
    assert kept.heard(kept.units // 2) == "One two three"
    assert kept.heard(kept.units) == "One two three four five six"


def test_without_timestamps_and_without_an_end_a_usual_pace_does() -> None:
    assert ledger("One two three four five six").heard(8000) == "One two three"
    assert ledger("Unbroken").heard(2000) == ""


@given(st.text(st.sampled_from("ab ,.é\u4f60"), max_size=60), st.integers(0, 100_000), st.booleans())
def test_what_was_heard_is_a_beginning_of_the_text(text: str, until: int, whole: bool) -> None:
    words = text.split()
    kept = ledger(text)
    kept.add_words(words, [n * 0.3 for n in range(len(words))], [n * 0.3 + 0.3 for n in range(len(words))])
    kept.whole = whole
    heard = kept.heard(until)
    assert text.startswith(heard)
    assert text.startswith(kept.heard(until + 4000))
    assert len(kept.heard(until + 4000)) >= len(heard)


# ---- an utterance


def utterance(samples: int = 16_000) -> tuple[Utterance, list[SpeechState]]:
    """One that was given audio at position 0, and the states that it goes through."""
    said, states = Utterance("a"), []

    def changed(speech: Speech) -> None:
        states.append(speech.state)

    said.watch(changed)
    said.take_text("One two three four.")
    said.take_words(["One", "two", "three", "four."], [0, 0.5, 1, 1.5], [0.5, 1, 1.5, 2])
    if samples:
        said.take_audio(0, samples)
    return said, states


def cleared(position: int) -> Cleared:
    return Cleared(sent_until=position, acknowledged_until=position)


def test_what_the_peer_reports_not_to_have_got_was_not_heard() -> None:
    said, _ = utterance()
    said.mark_passed("begin", 12_000)
    said.stop()
    said.cleared(Cleared(sent_until=12_000, acknowledged_until=5000, unheard=True))
    assert (said.heard_text, said.heard_seconds) == ("One", 0.625)


def test_what_is_only_not_confirmed_yet_was_heard() -> None:
    said, _ = utterance()
    said.mark_passed("begin", 12_000)
    said.stop()
    said.cleared(Cleared(sent_until=12_000, acknowledged_until=5000))
    assert said.heard_text == "One two three"


def test_said_to_its_end() -> None:
    said, states = utterance()
    said.mark_passed("begin", 0)
    said.take_end()
    assert (said.heard_text, said.finished) == ("", False)
    said.mark_passed("end", 16_000)
    assert states == [SpeechState.SPEAKING, SpeechState.FINISHED]
    assert (said.heard_text, said.heard_seconds) == ("One two three four.", 2.0)


def test_waiting_for_more_audio_is_a_pause() -> None:
    said, states = utterance(8_000)
    said.mark_passed("begin", 0)
    said.mark_passed("end", 8_000)
    said.take_audio(8_000, 8_000)
    said.mark_passed("begin", 8_000)
    said.mark_passed("end", 16_000)
    said.take_end()
    assert states == [
        *(SpeechState.SPEAKING, SpeechState.PAUSED),
        *(SpeechState.SPEAKING, SpeechState.PAUSED),
        SpeechState.FINISHED,
    ]


def test_cut_off_with_audio_pending_it_is_final_with_the_leg_s_report() -> None:
    said, states = utterance()
    said.mark_passed("begin", 0)
    said.stop()
    assert not said.finished
    said.cleared(cleared(9_000))
    assert states[-1] is SpeechState.INTERRUPTED
    assert said.heard_text == "One two"


def test_cut_off_with_nothing_pending_it_is_final_at_once() -> None:
    said, states = utterance(0)
    said.stop()
    assert states == [SpeechState.INTERRUPTED]


def test_cut_off_while_the_last_packet_leaves() -> None:
    """The leg has nothing to drop any more, and will report no clear: the last mark decides."""
    said, states = utterance()
    said.mark_passed("begin", 0)
    said.stop()
    said.mark_passed("end", 16_000)
    assert states[-1] is SpeechState.INTERRUPTED
    assert said.heard_text == "One two three four."


def test_failed_with_audio_pending_it_is_final_when_that_was_heard() -> None:
    said, states = utterance(8_000)
    said.fail("no more chunks")
    said.mark_passed("begin", 0)
    assert not said.finished
    said.mark_passed("end", 8_000)
    assert states[-1] is SpeechState.FAILED
    assert (said.heard_text, said.failure) == ("One two", "no more chunks")


def test_failed_and_then_cleared() -> None:
    said, states = utterance(8_000)
    said.fail("no more chunks")
    said.cleared(cleared(0))
    assert states == [SpeechState.FAILED]


def test_what_comes_after_the_end_changes_nothing() -> None:
    said, states = utterance()
    said.cleared(cleared(4_000))
    said.mark_passed("end", 16_000)
    said.cleared(cleared(16_000))
    said.fail("late")
    said.stop()
    said.take_end()
    assert states == [SpeechState.INTERRUPTED]
    assert said.heard_text == "One"


def test_awaiting_gives_what_was_heard() -> None:
    async def script() -> None:
        said, _ = utterance()
        said.cleared(cleared(9_000))
        assert await said == "One two"

    run(script())
