"""One call: what a scenario can do to it, and what it hears of it.

       SIP ─ InviteSession ─┐                      ┌─ events(), on() ─► scenario
                            ├────── Call ──────────┤
      RTP ─── CallMedia ────┘   speak ▲ │ hear     └─ hang_up, play, send_digits, …
                                      │ ▼
                                  a voice, a recogniser

An `InboundCall` rings; answering it makes it a `Call`. An `OutboundCall` waits; being answered makes it a `Call`.
So what cannot be done in a phase cannot be written. State changes are plain functions: when one returns, the
call is already in its new state, and only the wire is left to follow.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol, TypeVar

from sipagent.agent.interfaces import Cleared, Hearer, Listener, Source
from sipagent.errors import LocalProtocolError
from sipagent.events import (
    CallAnswered,
    DigitReceived,
    Disconnected,
    Event,
    HoldChanged,
    ProviderClosed,
    ProviderFailed,
    SpeechStarted,
)
from sipagent.keys import check_keys, read_keys
from sipagent.line import Line
from sipagent.playback import Playback
from sipagent.presses import Presses
from sipagent.progress import ProgressListener
from sipagent.ringback import Ringback
from sipagent.sdp.direction import Direction
from sipagent.sdp.offer_answer import Negotiated
from sipagent.sip.origin import origin_of
from sipagent.sip.transfer import TransferMode
from sipagent.stream import EventStream, Handler
from sipagent.transfer import Announcement, Transfer

E = TypeVar("E", bound=Event)


class Exchange(Protocol):
    """Who holds all calls."""

    def transfer(self, call: "Call", to: str, mode: TransferMode, announce: Announcement | None) -> Transfer:
        """Begin to put a caller through. Raises ValueError for a name that nobody has in [transfer]."""


class Call:
    """A call that stands. It hears exactly one source, and feeds any number of hearers.

    `caller` and `called` are URIs; `headers` the fields of the first INVITE by lower-case name; `asserted_identity` is
    the caller's URI where a trusted peer vouches for it, `diverted_by` who sent the call on to us, each empty if nobody
    says; `data` is the scenario's own. With `barge_in = False` the voice is not stopped when the caller begins to
    speak.
    """

    def __init__(self, line: Line, exchange: Exchange) -> None:
        session = line.session
        self.call_id = session.call_id
        """The SIP Call-ID of the INVITE that began the call."""
        far, near = str(session.remote.uri), str(session.local.uri)
        self.caller, self.called = (near, far) if session.outgoing else (far, near)
        self._far_end = "callee" if session.outgoing else "caller"
        self.display_name: str = session.remote.display_name
        self.headers: Mapping[str, str] = session.request.first_values()
        origin = origin_of(session.request.headers)
        self.asserted_identity, self.diverted_by = origin.asserted, origin.diverted_by
        self.data = SimpleNamespace()
        self.barge_in = True
        self.is_answered = False
        self.held = False
        """The far end keeps us on hold."""
        self.holding = False
        """We keep the far end on hold."""
        self.joined: Call | None = None
        """The call that this one has been put through to, by us and not by its far end."""
        self._line = line
        self._exchange = exchange
        self._transfer: Transfer | None = None
        self._ringback: Ringback | None = None
        self._is_aside = False
        self._is_echo = False
        self._speaks = False
        self._source: Source | None = None
        self._hearers: list[Hearer] = []
        loop = asyncio.get_running_loop()
        self.broken: asyncio.Future[BaseException] = loop.create_future()
        """What a handler or hearer of the scenario raised, if one did: the call is then ended as if it had."""
        self._stream = EventStream(partial(_break, self.broken))
        self._end: asyncio.Future[Disconnected] = loop.create_future()
        self._turn: asyncio.Future[bool] | None = None
        self._wants_hold = False
        self._presses = Presses()
        self._progress: ProgressListener | None = None
        line.agreed = self._agreed
        line.turned = self._turned

    @property
    def is_over(self) -> bool:
        return self._end.done()

    # ---- what a scenario does

    def hang_up(self, reason: str = "") -> None:
        """End the call, with BYE once it stands. A call that is over stays so."""
        if self.is_over:
            return
        self._line.bye(reason)
        if self._line.is_closed:  # a call that never stood has no end of which SIP would tell
            self.take_end(by="us", reason=reason)

    def hold(self) -> "asyncio.Future[bool]":
        """Put the far end on hold: it hears what we play, we no longer hear it. Awaited, tells whether it agreed."""
        return self._turn_to(Direction.SENDRECV.on_hold, wants_hold=True)

    def resume(self) -> "asyncio.Future[bool]":
        """Take the far end back from hold. Awaited, tells whether it agreed."""
        return self._turn_to(Direction.SENDRECV, wants_hold=False)

    def _turn_to(self, direction: Direction, *, wants_hold: bool) -> "asyncio.Future[bool]":
        self._turn_ended(False)  # what was wanted before is not wanted any more
        self._turn = turn = asyncio.get_running_loop().create_future()
        self._wants_hold = wants_hold
        if self.is_over:
            self._turn_ended(False)
        else:
            self._line.turn(direction)
        return turn

    def transfer(
        self, to: str, *, mode: TransferMode | str = TransferMode.AUTO, announce: Announcement | None = None
    ) -> Transfer:
        """Put the caller through to a name of [transfer]; may be awaited, for its last `TransferProgress`.

        Meanwhile the caller hears it ring, and nobody hears the caller; a failure ends that. `mode` is `auto` (we call
        the target, then the far ends connect with each other or, where that is refused, are joined by us), `bridge`
        (we join them in any case) or `refer` (the far end calls the target; a PBX may then keep a caller who does not
        get through). With `announce` the target hears something first: a WAV file is played to it, or an async
        function talks to it and may return False to keep the caller.

        Raises ValueError for a name that [transfer] does not have, LocalProtocolError for a call that does not stand
        or is being transferred already.
        """
        if self.is_over or not self.is_answered or self.is_put_through:
            raise LocalProtocolError("only a call that stands, and is with us, can be transferred")
        self._transfer = self._exchange.transfer(self, to, TransferMode(mode), announce)
        self._transfer.begin()
        return self._transfer

    @property
    def is_put_through(self) -> bool:
        """The caller is on the way to somebody else, or there already."""
        return self.joined is not None or (self._transfer is not None and self._transfer.is_under_way)

    async def put_through(self) -> None:
        """Wait for the end of a transfer that is under way and, if it went well, of the call."""
        if self._transfer is not None:
            progress = await self._transfer
            if progress.state == "answered":
                await self.disconnected()

    async def disconnected(self) -> Disconnected:
        """Wait for the end of the call, whoever ends it."""
        return await asyncio.shield(self._end)

    def send_media_to(self, unit: Hearer) -> None:
        """Let `unit` hear the far end.

        A call that hears itself is an echo. Where nobody else hears it the media plane echoes: at once, and only while
        we say nothing ourselves.
        """
        if unit not in self._hearers:
            self._hearers.append(unit)
            self._find_echo()

    def stop_media_to(self, unit: Hearer) -> None:
        """No longer let `unit` hear; one that never did is no error."""
        if unit in self._hearers:
            self._hearers.remove(unit)
            self._find_echo()

    def play(self, file: str | Path) -> "Playback":
        """Play a WAV file after what is queued; may be awaited, for its end."""
        return Playback(self, self._line.media.load(Path(file)))

    def record(self, file: str | Path, *, stereo: bool = True, hd_audio: bool = False) -> None:
        """Record: the caller left, what was really sent right; `stereo=False` mixes them.

        A file called `.ogg` or `.opus` is Ogg Opus, any other WAV: 8000 samples a second, with `hd_audio` 24,000. It
        can be played at every moment, whatever becomes of us. Raises OSError where the file cannot be made,
        LocalProtocolError for a call that is recorded already, or over.
        """
        self._line.media.record(Path(file), stereo=stereo, hd_audio=hd_audio)

    def pause_recording(self) -> None:
        """Record silence until `resume_recording`, as while a card number is told: the times in the file stay true."""
        self._line.media.mask_recording(True)

    def resume_recording(self) -> None:
        """Record both sides again."""
        self._line.media.mask_recording(False)

    def suppress_silence(self) -> None:
        """Send one packet of comfort noise a second while we say nothing, where the far end offered it (RFC 3389).

        Without this, and everywhere else, a packet of quiet noise leaves every 20 ms.
        """
        self._line.media.suppress_silence()

    def listen_for_progress(self) -> Hearer:
        """Tell by `ProgressHeard` of ringback, busy tones, the beep of a machine and music, from now on.

        Returns who listens: `stop_media_to` ends it. Whoever keeps us on hold, and says so, is not listened to.
        """
        if self._progress is None:
            self._progress = ProgressListener(self.publish)
        self.send_media_to(self._progress)
        return self._progress

    def send_digits(self, digits: str) -> None:
        """Press keys one after the other, in the way of the account. Raises ValueError for what is no key."""
        check_keys(digits)
        for digit in digits:
            self._line.press(digit)

    async def read_digits(self, count: int = 1, *, wait: float = 10.0, terminator: str = "#") -> str:
        """Collect up to `count` digits; ends early at `terminator`, with the call, or `wait` seconds after a press."""
        return await read_keys(self, count, wait=wait, terminator=terminator)

    def on(self, kind: type[E], handler: Handler[E]) -> None:
        """Call `handler` with each event of `kind`; a coroutine function runs as a task. TypeError if not callable."""
        self._stream.on(kind, handler)

    def off(self, kind: type[E], handler: Handler[E] | None = None) -> None:
        """Undo `on`."""
        self._stream.off(kind, handler)

    async def events(self, *units: object) -> AsyncIterator[Event]:
        """Iterate over the call's events; ends when the call ends, or one of the providers in `units` is lost.

        A failure that a provider gets over (one response, a rate limit) is an event like others.
        """
        by_name = {getattr(unit, "name", ""): unit for unit in units}
        async with contextlib.aclosing(self._stream.subscribe()) as stream:
            async for event in stream:
                yield event
                if isinstance(event, ProviderClosed | ProviderFailed) and _is_lost(by_name.get(event.provider), event):
                    return

    def forget_events(self) -> None:
        """Whoever talks here listens by handlers: keep nothing for an iterator over the events so far."""
        self._stream.forget()

    # ---- a unit among units: what voices and recognisers see

    @property
    def encoding(self) -> str:
        """What `speak` takes: `pcmu`, `pcma`, or `pcm` (16 bits, little-endian, 24,000 samples a second)."""
        return self._line.media.encoding

    def connect_source(self, source: Source) -> None:
        """Hear `source` from now on; the one before is told to stop."""
        before, self._source = self._source, source
        if before is not None and before is not source:
            before.stop_media_to(self)

    def disconnect_source(self, source: Source) -> None:
        """Forget `source`, if it is the one."""
        if self._source is source:
            self._source = None

    def speak(self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: Listener | None = None) -> int:
        """Queue speech for the far end; returns the position of its first sample."""
        if self._is_aside:
            start = self._line.media.position
        else:
            start = self._line.media.speak(audio, marks=marks, listener=listener)
        # a leg that is closed tells nobody anything, and who speaks while another has the floor is not heard
        if (self.is_over or self._is_aside) and listener is not None:
            report = Cleared(sent_until=start, acknowledged_until=start)
            asyncio.get_running_loop().call_soon(listener.cleared, report)
        return start

    def drop_speech(self) -> None:
        """Drop all speech not yet sent."""
        if not self._is_aside:
            self._line.media.drop_speech()

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Say what another unit hears: `call.send_media_to(call)` is an echo."""
        self._line.media.relay(audio, encoding)

    def publish(self, event: Event) -> None:
        """Put an event on the stream. When the caller begins to speak, the voice has stopped before anyone is told."""
        if isinstance(event, SpeechStarted) and self.barge_in and self._source is not None:
            self._source.clear()
        self._stream.publish(event)

    async def handled(self, patience: float) -> None:
        """Wait until no handler runs any more; after `patience` seconds cancel those that do."""
        await self._stream.handled(patience)

    # ---- what the phone tells, as it comes from the wire

    def take_audio(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Far-end audio: to every hearer, unless it is music on hold, or not for us."""
        if self.held or self.holding or self._is_aside:
            return
        for hearer in tuple(self._hearers):
            try:
                hearer.hear(audio, encoding, voiced=voiced)
            except Exception as error:  # a hearer fails its call, as a handler does, and not the media of others
                _break(self.broken, error)

    def take_digit(self, event: DigitReceived) -> None:
        """A key press, in one of the ways that there are. Told of in a second one, it is not a second press."""
        now = asyncio.get_running_loop().time()
        if not self._presses.is_new(event.digit, event.method, now, event.duration_ms / 1000):
            return
        if self.joined is not None:
            self.joined.send_digits(event.digit)
        self.publish(event)

    def take_end(self, *, by: str, reason: str) -> None:
        """The call is over: free the media, say so, end the event stream, and let go of all who had to do with it.

        They know the call, and it them: it would wait for the garbage collector, which must not run beside calls.
        """
        if self.is_over:
            return
        end = Disconnected(reason=reason, by=self._far_end if by == "caller" else by)
        self._end.set_result(end)
        self._turn_ended(False)
        self._line.close()
        if self._transfer is not None:
            self._transfer.caller_gone(reason or "the caller has hung up")
        self._stream.finish(end)
        self._hearers.clear()
        self._source = self._progress = self._transfer = self.joined = None

    def take_answer_to_refer(self, code: int, reason: str) -> None:
        """The far end has answered our REFER."""
        if self._transfer is not None:
            self._transfer.take_answer_to_refer(code, reason)

    def take_progress_of_refer(self, code: int, reason: str, *, is_final: bool) -> None:
        """The far end tells how it gets on with our REFER."""
        if self._transfer is not None:
            self._transfer.take_progress(code, reason, is_final=is_final)

    # ---- what a transfer does to its calls

    def put_aside(self) -> None:
        """The far end hears that it rings, and nobody hears the far end."""
        self._is_aside = True
        self._find_echo()
        self._ringback = Ringback(self._line.media)

    def take_back(self) -> None:
        """The far end is with us again."""
        self._is_aside = False
        self._end_ringback()
        self._find_echo()

    def join(self, other: "Call") -> None:
        """From now on the two far ends have each other; what we say neither hears."""
        for call, joined in ((self, other), (other, self)):
            call.joined = joined
            call._is_aside = True
            call._find_echo()
            call._end_ringback()

    def _find_echo(self) -> None:
        is_echo = self._hearers == [self] and not self._is_aside
        if is_echo is not self._is_echo:
            self._is_echo = is_echo
            self._line.media.echo(is_echo)

    def _end_ringback(self) -> None:
        if self._ringback is not None:
            self._ringback.stop()
            self._ringback = None

    def _agreed(self, negotiated: Negotiated) -> None:
        if self.is_answered and not self._speaks:
            self._speaks = True
            encryption = negotiated.keys.suite if negotiated.keys else ""
            self._stream.publish(CallAnswered(codec=negotiated.codec, encryption=encryption))
        if negotiated.held != self.held:
            self.held = negotiated.held
            self._stream.publish(HoldChanged(held=self.held))

    def _turned(self, accepted: bool) -> None:
        if accepted and self.holding is not self._wants_hold:
            self.holding = self._wants_hold
            self._stream.publish(HoldChanged(held=self.holding, by="us"))
        self._turn_ended(accepted)

    def _turn_ended(self, accepted: bool) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(accepted)


def _break(broken: "asyncio.Future[BaseException]", error: BaseException) -> None:
    if not broken.done():
        broken.set_result(error)


def _is_lost(unit: object | None, event: ProviderClosed | ProviderFailed) -> bool:
    """Tell whether a unit that was waited for can not be used any more."""
    return unit is not None and (isinstance(event, ProviderClosed) or getattr(unit, "failure", None) is not None)


def connect_media(a: Call, b: Call) -> None:
    """Let two calls hear each other (VoxEngine's `sendMediaBetween`)."""
    a.send_media_to(b)
    b.send_media_to(a)
