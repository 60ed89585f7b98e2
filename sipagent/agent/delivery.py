"""Answers spoken one after the other, each to its end or until it is cut off."""

from collections import deque
from typing import Protocol

from sipagent.agent.answer import Answer
from sipagent.agent.interfaces import Speech, SpeechState, Voice


class DeliveryReports(Protocol):
    """Who is told how the delivery goes."""

    def voiced(self) -> None:
        """Audio begins to leave, or goes on after a pause."""

    def paused(self) -> None:
        """All the audio that there is has left, in the middle of an answer."""

    def voice_failed(self) -> None:
        """The first answer was not said to its end."""

    def settled(self, answer: Answer) -> None:
        """It is known for good what was heard of `answer`."""

    def delivered(self) -> None:
        """No answer is left to be spoken."""


class Delivery:
    """A queue of answers before a voice. The next one waits until the first was heard: so each can be repaired."""

    def __init__(self, voice: Voice, reports: DeliveryReports) -> None:
        self._voice = voice
        self._reports = reports
        self._answers: deque[Answer] = deque()
        self._spoken: set[str] = set()
        self._completed: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """Nothing is being said, nor waiting to be."""
        return not self._answers

    @property
    def is_voice_late(self) -> bool:
        """If the caller hears nothing now, it is the voice's fault: it has text and has not begun, or has all of it."""
        if not self._answers or (speech := self._answers[0].speech) is None:
            return False
        return speech.state is SpeechState.WAITING or self._answers[0].is_complete

    def has_spoken(self, response_id: str) -> bool:
        """Something of this response was given to the voice."""
        return response_id in self._spoken

    def answer(self, response_id: str) -> Answer | None:
        """The waiting answer of this response, or a new one behind all others; None when all its text has come."""
        if response_id in self._completed:
            return None
        for answer in self._answers:
            if answer.response_id == response_id:
                return answer
        answer = Answer(response_id)
        self._answers.append(answer)
        return answer

    def say(self, item_id: str, text: str) -> None:
        """Speak a text of our own, that is an item of the history already."""
        answer = Answer()
        answer.add(item_id, text)
        answer.complete()
        self._answers.append(answer)
        self.speak()

    def complete(self, response_id: str) -> None:
        """No more text of this response will come."""
        self._completed.add(response_id)
        for answer in self._answers:
            if answer.response_id == response_id:
                answer.complete()
        self.speak()

    def unfinished(self) -> list[Answer]:
        """The answers of which more text was to come."""
        return [answer for answer in self._answers if not answer.is_complete]

    def speak(self) -> None:
        """Give the voice what the first answer has by now."""
        while self._answers:
            answer = self._answers[0]
            if piece := answer.next_piece():
                self._say(answer, *piece)
                return
            if answer.speech is not None or not answer.is_complete:
                return
            self._leave(answer)

    def cut(self) -> None:
        """Stop at once and forget the rest. Each answer is settled when it is known what of it had left."""
        cut, self._answers = self._answers, deque()
        for answer in cut:
            answer.is_cut = True
        self._voice.clear()
        for answer in cut:
            if answer.speech is None:
                self._reports.settled(answer)

    def abandon(self) -> None:
        """The call is over: what has left by now is all that will ever be heard."""
        abandoned, self._answers = self._answers, deque()
        for answer in abandoned:
            answer.is_cut = True
            self._reports.settled(answer)
            answer.speech = None

    def resay(self) -> None:
        """Say again what the voice failed to."""
        if self._answers:
            self._answers[0].rewind()
            self.speak()

    def _say(self, answer: Answer, text: str, more: bool) -> None:
        speech = self._voice.say(text, more=more)
        self._spoken.add(answer.response_id)
        if answer.speech is None and not answer.is_cut:  # a voice that fails at once has us cut meanwhile
            answer.speech = speech
            speech.watch(lambda changed: self._changed(answer, changed))
            if speech.state is not SpeechState.WAITING:
                self._changed(answer, speech)

    def _changed(self, answer: Answer, speech: Speech) -> None:
        """Follow the voice. What became of speech that was taken back does not matter any more."""
        if answer.speech is not speech:
            return
        match speech.state:
            case SpeechState.SPEAKING if not answer.is_cut:
                self._reports.voiced()
            case SpeechState.PAUSED if not answer.is_cut:
                self._reports.paused()
            case SpeechState.FAILED if not answer.is_cut:
                self._reports.voice_failed()
            case SpeechState.FINISHED | SpeechState.INTERRUPTED | SpeechState.FAILED:
                self._end(answer, interrupted=answer.is_cut or speech.state is SpeechState.INTERRUPTED)

    def _end(self, answer: Answer, *, interrupted: bool) -> None:
        """Settle it. Of a cut one nothing follows; after any other the next one is spoken."""
        was_waiting = answer in self._answers
        answer.is_cut = interrupted
        self._leave(answer)
        if was_waiting:
            self.speak()
            if not self._answers:
                self._reports.delivered()

    def _leave(self, answer: Answer) -> None:
        if answer in self._answers:
            self._answers.remove(answer)
        self._reports.settled(answer)
