"""A leg as the loop holds it: commands go in as method calls, events come back to whoever they concern."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sipagent.audio.encoding import PCMU, duration
from sipagent.media.commands import Bridge, Clear, CloseLeg, Command, Record, SendDigit, SetMedia, Speak, StreamSettings
from sipagent.media.events import Drained, LegClosed, MarkPassed, MediaEvent, SpeechCleared, UplinkBlock
from sipagent.rtp.digits import DigitSender


class SpeechListener(Protocol):
    """Who is told what became of speech (`agent.interfaces.Listener`, by shape)."""

    def mark_passed(self, name: str, position: int) -> None:
        """The packet with the sample at `position`, marked `name`, has left."""

    def cleared(self, report: Any) -> None:
        """Speech was dropped: a report with `sent_until` and `acknowledged_until`."""


class Ear(Protocol):
    """Who hears the peer."""

    def __call__(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Take a block of audio; `voiced` if it is loud enough to be speech."""


@dataclass(slots=True)
class _Pending:
    """Speech of which we do not know yet that all of it has left."""

    number: int
    end: int
    marks: int
    listener: SpeechListener | None


class Leg:
    """One call's RTP. Every driver of the engine (thread, virtual time, replay) hands out this class.

    Its positions count speech given since it was opened, in units of 1/8000 s. A listener hears of each mark of its
    speech that passes; if any of the speech may not have left when it is dropped, or the leg ends, it hears `cleared`.
    What the peer says goes to `ear` if there is one, all else to `on_event`; both are let go with the leg's end. After
    `close` the methods do nothing.
    """

    def __init__(
        self,
        leg: int,
        submit: Callable[[Command], None],
        *,
        host: str,
        port: int,
        on_event: Callable[[MediaEvent], None],
    ) -> None:
        self.leg = leg
        self.host = host
        self.port = port
        """Where RTP is received; RTCP on the port after it."""
        self.encoding = PCMU
        """What `speak` takes."""
        self.position = 0
        """The position that the next speech will have."""
        self._submit_command = submit
        self.ear: Ear | None = None
        self._on_event: Callable[[MediaEvent], None] | None = on_event
        self._speeches = 0
        self._pending: deque[_Pending] = deque()
        self._closed = False

    def set_media(self, settings: StreamSettings) -> None:
        """Send to, and take from, what offer and answer settled; what waits is transcoded to a new encoding."""
        self.encoding = settings.encoding
        self._submit(SetMedia(leg=self.leg, settings=settings))

    def speak(
        self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: SpeechListener | None = None
    ) -> int:
        """Queue speech; returns the position of its first sample. `marks`: (offset in units, name)."""
        start = self.position
        self._submit(Speak(leg=self.leg, audio=audio, encoding=self.encoding, marks=tuple(marks)))
        if not self._closed:
            self.position += duration(audio, self.encoding)
            self._pending.append(_Pending(self._speeches, self.position, len(marks), listener))
            self._speeches += 1
        return start

    def drop_speech(self) -> None:
        """Drop all speech not yet sent; every listener with speech pending hears `cleared` within a tick."""
        self._submit(Clear(leg=self.leg))

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """Press one key, after the speech queued so far. Raises ValueError for what `DigitSender` would not send."""
        DigitSender(digit, duration_ms=duration_ms)  # here a mistake meets who made it; in the tick it ends the call
        self._submit(SendDigit(leg=self.leg, digit=digit, duration_ms=duration_ms))

    def record(self, *, masked: bool = False) -> None:
        """Ask for `Tape` events from now on, of both sides, or `masked` by silence."""
        self._submit(Record(leg=self.leg, masked=masked))

    def bridge(self, other: "Leg | None") -> None:
        """Send what the peer says to the peer of `other`, and no longer to the loop; None: as before."""
        self._submit(Bridge(leg=self.leg, other=other.leg if other is not None else None))

    def close(self) -> None:
        """Stop sending and give the ports back; idempotent. Events still come, up to `LegClosed`."""
        self._submit(CloseLeg(leg=self.leg))
        self._closed = True

    def deliver(self, event: MediaEvent) -> None:
        """Take an event of this leg from its driver."""
        if isinstance(event, UplinkBlock) and self.ear is not None:  # 25 times a second: first, and without detours
            self.ear(event.audio, event.encoding, voiced=event.voiced)
            return
        match event:
            case MarkPassed():
                self._mark_passed(event)
                return
            case SpeechCleared():
                self._cleared(event)
                return
            case Drained():
                self._release(event.speeches)
        on_event = self._on_event
        if isinstance(event, LegClosed):
            self.ear = self._on_event = None
        if on_event is not None:
            on_event(event)

    def _submit(self, command: Command) -> None:
        if not self._closed:
            self._submit_command(command)

    def _mark_passed(self, event: MarkPassed) -> None:
        self._release(event.speech)
        pending = self._pending[0]
        pending.marks -= 1
        if event.position == pending.end and not pending.marks:
            self._pending.popleft()
        if pending.listener is not None:
            pending.listener.mark_passed(event.name, event.position)

    def _cleared(self, event: SpeechCleared) -> None:
        listeners = {id(pending.listener): pending.listener for pending in self._release(event.speeches)}
        for listener in listeners.values():
            if listener is not None:
                listener.cleared(event)

    def _release(self, speeches: int) -> list[_Pending]:
        """Let go of the first so many pieces of speech, and return those that were still held."""
        released = []
        while self._pending and self._pending[0].number < speeches:
            released.append(self._pending.popleft())
        return released
