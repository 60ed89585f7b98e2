"""The recogniser: phrases of the script are found, other sentences are mostly refused, and nobody waits for another."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from sipagent.audio import g711, wav
from sipagent.local.clips import CALLER_VOICE
from sipagent.local.ears import to_16_khz
from sipagent.local.receptionist import Script
from sipagent.local.recogniser import Recogniser
from sipagent.local.recogniser_pool import RecogniserPool
from tests.local.wire import SECOND, SILENCE, said

PHRASES = (
    "what are your opening hours",
    "when are you open",
    "are you open tomorrow",
    "what time do you close",
    "what time is it",
    "tell me the time",
    "what is your address",
    "where are you located",
    "take a message please",
    "i would like to leave a message",
    "repeat that please",
    "say that again",
    "help",
    "what can you do",
    "hello",
    "thank you very much",
    "goodbye",
    "the operator please",
    "yes",
    "no thank you",
)
STRANGE = (
    "do you sell blue paint",
    "i would like to order a pizza",
    "my name is john smith",
    "the delivery did not arrive",
    "seven four nine two",
    "who won the football game",
    "please cancel my order",
    "i was calling about the apartment",
    "the quick brown fox jumps over the lazy dog",
    "where can i park my car",
)


def utterance(text: str) -> bytes:
    """A caller's sentence between short silences, as the recogniser takes it: from mu-law, 16 kHz."""
    sound = SILENCE * (SECOND // 4) + said(text, CALLER_VOICE) + SILENCE * (SECOND // 5)
    return to_16_khz(g711.decode(sound, g711.PCMU), g711.RATE).tobytes()


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(Script.load())


def test_eighteen_of_twenty_phrases_are_understood_over_mu_law(recogniser: Recogniser) -> None:
    script = Script.load()
    understood = [p for p in PHRASES if script.intent_of(recogniser.recognise(utterance(p))) == script.intent_of(p)]
    assert len(understood) >= 18, set(PHRASES) - set(understood)


def test_at_most_two_of_ten_other_sentences_are_taken_for_a_phrase(recogniser: Recogniser) -> None:
    taken = {sentence: recogniser.recognise(utterance(sentence)) for sentence in STRANGE}
    assert sum(map(bool, taken.values())) <= 2, taken


@pytest.mark.corpora
def test_sentences_of_people_that_are_no_phrases_are_refused(recogniser: Recogniser, corpora: Path) -> None:
    prompts = sorted(corpora.glob("speech/asterisk-en/*.wav"))
    edge = np.zeros(2000, np.int16)
    sounds = [np.concatenate([edge, wav.read(prompt.read_bytes()).mono(), edge]) for prompt in prompts]
    taken = {
        prompt.name: recogniser.recognise(
            to_16_khz(g711.decode(g711.encode(sound, g711.PCMU), g711.PCMU), 8000).tobytes()
        )
        for prompt, sound in zip(prompts, sounds, strict=True)
    }
    assert len(taken) > 30
    assert sum(map(bool, taken.values())) <= len(taken) // 10, {
        name: phrase for name, phrase in taken.items() if phrase
    }


def test_silence_is_no_phrase(recogniser: Recogniser) -> None:
    assert recogniser.recognise(np.zeros(16000, np.int16).tobytes()) == ""


def test_the_same_sound_is_always_the_same_phrase(recogniser: Recogniser) -> None:
    first = recogniser.recognise(utterance("what time is it"))
    recogniser.recognise(utterance("the delivery did not arrive"))
    assert recogniser.recognise(utterance("what time is it")) == first == "what time is it"


def test_a_pool_serves_more_callers_than_it_has_processes_and_survives_a_cancelled_one() -> None:
    samples = np.frombuffer(utterance("what time is it"), np.int16)

    async def five() -> list[str]:
        async with RecogniserPool(size=2).running() as pool:
            impatient = asyncio.create_task(pool.recognise(samples))
            await asyncio.sleep(0.02)
            impatient.cancel()
            return await asyncio.gather(*(pool.recognise(samples) for _ in range(5)))

    assert asyncio.run(five()) == ["what time is it"] * 5
