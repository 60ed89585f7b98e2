"""A call without SIP and RTP: what an agent says into it leaves in real time (of the loop), 20 ms a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from sipagent.agent.interfaces import (
    Cleared,
    FrameSocket,
    Hearer,
    Listener,
    ProviderOptions,
    Source,
    Surroundings,
    surroundings,
)
from sipagent.agent.tools import Tool
from sipagent.audio import g711
from sipagent.audio.encoding import FRAME, UNITS, duration, width
from sipagent.events import Disconnected, Event, SpeechStarted, TransferProgress
from sipagent.stream import EventStream

E = TypeVar("E", bound=Event)
TICK = FRAME / UNITS
SCRIPTED_KEYS = {"openai": "sk-scripted", "cartesia": "sk_car_scripted"}


@dataclass(slots=True)
class _Piece:
    """Speech given at once: where it begins, and whom to tell."""

    begin: int
    audio: bytes
    marks: list[tuple[int, str]]
    listener: Listener | None


@dataclass(slots=True)
class Sent:
    """20 ms that left: when, and what of our speech was in it (empty: none)."""

    time: float
    audio: bytes


class ScriptedCall:
    """What an agent needs of a call, as `sipagent.Call` has it, and a caller's side for tests.

    `events` are all that was published, in order; `sent` all frames with speech in them.
    """

    def __init__(self, encoding: str = g711.PCMU, call_id: str = "scripted") -> None:
        self.encoding = encoding
        self.call_id = call_id
        self.barge_in = True
        self.events: list[Event] = []
        self.sent: list[Sent] = []
        self.hung_up_at: float | None = None
        self.transfers: list[tuple[str, asyncio.Future[TransferProgress]]] = []
        """Names that the caller was to be put through to, with the outcomes, for the test to set."""
        self.is_transferred = asyncio.Event()
        """Set when the first transfer begins."""
        self.errors: list[BaseException] = []
        """What handlers raised."""
        self._stream = EventStream(self.errors.append)
        self._source: Source | None = None
        self._hearers: list[Hearer] = []
        self._pieces: list[_Piece] = []
        self._given = 0
        self._sent_until = 0
        self._dropped: list[_Piece] = []
        self._ticking: asyncio.TimerHandle | None = None

    # ---- the call

    def hang_up(self, reason: str = "") -> None:
        """Our side ends the call."""
        if self.hung_up_at is None:
            self.hung_up_at = asyncio.get_running_loop().time()
            self.publish(Disconnected(reason=reason, by="us"))

    def transfer(self, to: str) -> Awaitable[TransferProgress]:
        """Put the caller through: it is for the test to say how that ends."""
        outcome: asyncio.Future[TransferProgress] = asyncio.get_running_loop().create_future()
        self.transfers.append((to, outcome))
        self.is_transferred.set()
        return outcome

    def publish(self, event: Event) -> None:
        """Put an event on the stream. When the caller begins to speak, the voice has stopped before anyone is told."""
        if isinstance(event, SpeechStarted) and self.barge_in and self._source is not None:
            self._source.clear()
        self.events.append(event)
        self._stream.publish(event)

    def on(self, kind: type[E], handler: Callable[[E], object]) -> None:
        """Call `handler` with each event of `kind`."""
        self._stream.on(kind, handler)

    def off(self, kind: type[E], handler: Callable[[E], object] | None = None) -> None:
        """Undo `on`."""
        self._stream.off(kind, handler)

    def send_media_to(self, unit: Hearer) -> None:
        """Let `unit` hear the caller."""
        self._hearers.append(unit)

    def stop_media_to(self, unit: Hearer) -> None:
        """No longer let `unit` hear."""
        if unit in self._hearers:
            self._hearers.remove(unit)

    def connect_source(self, source: Source) -> None:
        """Hear `source` from now on."""
        before, self._source = self._source, source
        if before is not None and before is not source:
            before.stop_media_to(self)

    def disconnect_source(self, source: Source) -> None:
        """Forget `source`, if it is the one."""
        if self._source is source:
            self._source = None

    def speak(self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: Listener | None = None) -> int:
        """Queue speech; it leaves 20 ms a tick from the next tick on."""
        begin = self._given
        self._given += duration(audio, self.encoding)
        self._pieces.append(_Piece(begin, audio, [(begin + at, name) for at, name in marks], listener))
        self._tick_later()
        return begin

    def drop_speech(self) -> None:
        """Drop what has not left; reported in the next tick."""
        self._dropped += self._pieces
        self._pieces = []
        self._tick_later()

    # ---- the caller

    def caller_sends(self, audio: bytes, *, voiced: bool = True) -> None:
        """Let every hearer hear it."""
        for hearer in self._hearers:
            hearer.hear(audio, self.encoding, voiced=voiced)

    def caller_hangs_up(self) -> None:
        """The far end ends the call."""
        self.publish(Disconnected(reason="BYE", by="caller"))

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def spoken_between(self, begin: float, end: float) -> float:
        """Seconds of speech that left in a span of time."""
        units = sum(duration(frame.audio, self.encoding) for frame in self.sent if begin <= frame.time < end)
        return units / UNITS

    # ---- ticks

    def _tick_later(self) -> None:
        if self._ticking is None:
            loop = asyncio.get_running_loop()
            number = int(loop.time() / TICK + 1e-6) + 1
            self._ticking = loop.call_at(number * TICK, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        self._report_drops()
        frame = b""
        while self._pieces and (missing := FRAME - duration(frame, self.encoding)):
            frame += self._take(self._pieces[0], missing)
        if frame:
            self.sent.append(Sent(asyncio.get_running_loop().time(), frame))
        if self._pieces:
            self._tick_later()

    def _take(self, piece: _Piece, count: int) -> bytes:
        """The next units of the first piece; marks that they carry along are passed."""
        at, unit = max(self._sent_until - piece.begin, 0), width(self.encoding)
        taken = piece.audio[at * unit : (at + count) * unit]
        self._sent_until = piece.begin + at + duration(taken, self.encoding)
        over = self._sent_until >= piece.begin + duration(piece.audio, self.encoding)
        if over:
            self._pieces.remove(piece)
        passed = [mark for mark in piece.marks if over or mark[0] < self._sent_until]
        piece.marks = [mark for mark in piece.marks if mark not in passed]
        for position, name in passed:
            if piece.listener is not None:
                piece.listener.mark_passed(name, position)
        return taken

    def _report_drops(self) -> None:
        dropped, self._dropped = self._dropped, []
        report = Cleared(sent_until=self._sent_until, acknowledged_until=self._sent_until)
        listeners = {id(piece.listener): piece.listener for piece in dropped if piece.listener is not None}
        for listener in listeners.values():
            listener.cleared(report)


def surround(
    call: ScriptedCall,
    sockets: Mapping[str, Callable[[], FrameSocket]],
    keys: Mapping[str, str] = SCRIPTED_KEYS,
) -> None:
    """Let the units of the current task, and of those that it starts, live on `call` with these sockets and keys."""
    ids = count(1)
    surroundings.set(
        Surroundings(
            open_socket=lambda name: sockets[name](),
            new_id=lambda kind: f"{kind}{next(ids)}",
            options=lambda name: ProviderOptions(api_key=keys.get(name, "")),
            publish=call.publish,
            run_tool=Tool.run,
        )
    )
