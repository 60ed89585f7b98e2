"""The wire side of one call: its INVITE session, its RTP, and the offers and answers between them (RFC 3264)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sipagent.agent.interfaces import Listener
from sipagent.errors import NotAcceptable
from sipagent.sdp.direction import Direction
from sipagent.sdp.offer_answer import LocalMedia, Negotiated, make_answer, make_offer, read_answer
from sipagent.sip.invite import InviteSession
from sipagent.sip.invite_table import SessionState


class CallMedia(Protocol):
    """The RTP of one call, as the call sees it: speech in, agreements in; what is heard comes through the phone."""

    @property
    def encoding(self) -> str:
        """What `speak` takes: `pcmu`, `pcma`, or `pcm` (16 bits, little-endian, 24,000 samples a second)."""

    @property
    def position(self) -> int:
        """The position that the next speech will have."""

    def agree(self, negotiated: Negotiated) -> None:
        """Send to, and take from, what offer and answer settled."""

    def suppress_silence(self) -> None:
        """Send comfort noise now and then while nothing is said, where the far end has agreed to it."""

    def speak(self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: Listener | None = None) -> int:
        """Queue speech; returns the position of its first sample."""

    def relay(self, audio: bytes, encoding: str) -> None:
        """Queue what another call hears."""

    def echo(self, is_on: bool) -> None:
        """Send the far end what it says, in place of comfort noise, and tell nobody of it; or no longer."""

    def drop_speech(self) -> None:
        """Drop all speech not yet sent."""

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """Press one key, after the speech queued so far."""

    def load(self, path: Path) -> bytes:
        """Read a WAV file as audio of `encoding`."""

    def record(self, path: Path, *, stereo: bool, hd_audio: bool) -> None:
        """Record from now on: the caller on the left, what was really sent on the right."""

    def mask_recording(self, masked: bool) -> None:
        """Record silence in place of both sides, or both sides again."""

    def close(self) -> None:
        """Stop sending and give the port back."""


class Signalling(Protocol):
    """The driver under the SIP core."""

    def now(self) -> float:
        """The time that the core lives by."""

    def transmit(self) -> None:
        """Send what the core has ready."""


class Line:
    """Keeps SIP and RTP of one call in step. `offer` is the SDP of our own INVITE, if we call.

    `new_keys` draws what SRTP encrypts with for another far end than the first, by suite: no two may share a key.
    """

    def __init__(
        self,
        session: InviteSession,
        media: CallMedia,
        signalling: Signalling,
        description: LocalMedia,
        *,
        offer: bytes = b"",
        keys_by_info: bool = False,
        new_keys: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        self.session = session
        self.media = media
        self.agreed: Callable[[Negotiated], None] = _nobody
        """Who is told of every agreement, once it is in force."""
        self.turned: Callable[[bool], None] = _nobody
        """Who is told what became of `turn`."""
        self._signalling = signalling
        self._description = description
        self._body = offer
        """Our last description: what a further one must continue (RFC 3264 section 8)."""
        self._keys_by_info = keys_by_info
        self._new_keys = new_keys
        self._keys_of_next = description.keys
        self._settled: Negotiated | None = None
        self._wanted = description.direction
        self._turning_from: Direction | None = None
        """The direction before an offer of ours that has left and is not answered yet."""

    @property
    def speaks(self) -> bool:
        """Offer and answer have settled what is spoken."""
        return self._settled is not None

    @property
    def is_closed(self) -> bool:
        """Nothing more will be heard of the session."""
        return self.session.state is SessionState.ENDED

    # ---- called: an INVITE came in

    def settle(self, offer: bytes | None) -> None:
        """Make the SDP of our 200. Raises NotAcceptable when the offer has nothing we speak (488)."""
        if offer is None:
            self._body = make_offer(self._description)  # RFC 3261 section 13.2.1: then the ACK brings the answer
        else:
            self._body, self._settled = make_answer(offer, self._description)

    def ring(self) -> None:
        """Send 180."""
        early_offer = self._body if self.session.must_offer_early else b""
        self.session.ring(self._signalling.now(), body=early_offer)
        self._signalling.transmit()

    def ring_with_media(self) -> None:
        """Send 183 with our SDP, and speak from now on, if the caller has said where to."""
        self.session.ring(self._signalling.now(), code=183, body=self._body)
        self._signalling.transmit()
        if self._settled is not None:
            self.media.agree(self._settled)

    def accept(self) -> None:
        """Send 200, and speak from now on, if the caller has said where to."""
        self.session.accept(self._body, self._signalling.now())
        self._signalling.transmit()
        if self._settled is not None:
            self._take(self._settled)

    def reject(self, code: int, reason: str = "") -> None:
        """Send a final failure."""
        self.session.reject(code, self._signalling.now(), reason=reason)
        self._signalling.transmit()

    # ---- calling

    def cancel(self) -> None:
        """Take our INVITE back."""
        self.session.cancel(self._signalling.now())
        self._signalling.transmit()

    def take_early_answer(self, answer: bytes) -> bool:
        """An answer that came before the call is answered: hear what there is to be heard; tell whether so."""
        try:
            self._settled = read_answer(self._description, self._body, answer)
        except NotAcceptable:
            return False
        self.media.agree(self._settled)
        return True

    # ---- standing

    def take_answer(self, answer: bytes | None) -> None:
        """The far end's answer to our offer, in an ACK or a 2xx. A first one that cannot be used ends the call."""
        if answer is None:
            if self._settled is None:
                self.bye("there is no answer to our offer")
            elif self.session.outgoing:  # a reliable 1xx has had it
                self._take(self._settled)
            return
        try:
            self._take(read_answer(self._description, self._body, answer))
        except NotAcceptable as error:
            self.bye(str(error))

    def take_offer(self, offer: bytes | None) -> None:
        """A re-INVITE: answer it; an offer that cannot be accepted changes nothing (RFC 3261 section 14.2)."""
        now = self._signalling.now()
        description = replace(self._description, version=self._description.version + 1)
        try:
            negotiated = None
            if offer is None:
                body = make_offer(description, self._body)
            else:
                body, negotiated = make_answer(offer, description)
        except NotAcceptable:
            self.session.refuse_offer(488, now)
        else:
            self._description, self._body = description, body
            self.session.answer_offer(body, now)
            if negotiated is not None:
                self._take(negotiated)
        self._signalling.transmit()

    def turn(self, direction: Direction) -> None:
        """Offer that audio flow in this direction from now on, as soon as no other offer is in the air."""
        self._wanted = direction
        self.session.renegotiate(self._signalling.now())
        self._signalling.transmit()

    def reoffer(self) -> None:
        """The moment has come."""
        self.session.reoffer(self._describe, self._signalling.now())
        self._signalling.transmit()

    def take_reanswer(self, answer: bytes) -> None:
        """The answer to a further offer of ours, or to a refresh. One that cannot be used changes nothing."""
        try:
            negotiated = read_answer(self._description, self._body, answer)
        except NotAcceptable:
            self.take_refusal()
            return
        self._take(negotiated)
        if self._turning_from is not None:
            self._turning_from = None
            self.turned(True)

    def take_refusal(self) -> None:
        """The far end will not have our further offer: all stays as it was (RFC 3261 section 14.1)."""
        if self._turning_from is not None:
            self._description = replace(self._description, direction=self._turning_from)
            self._turning_from = None
            self.turned(False)

    def press(self, digit: str) -> None:
        """Press one key: by INFO where the account says so, else in RTP after the speech queued so far."""
        if self._keys_by_info:
            self.session.press(digit, self._signalling.now())
            self._signalling.transmit()
        else:
            self.media.send_digit(digit)

    def _describe(self) -> bytes:
        """Our next offer. It continues whatever was said until it leaves."""
        if self._turning_from is None:
            self._turning_from = self._description.direction
        version = self._description.version + 1
        self._description = replace(self._description, version=version, direction=self._wanted)
        self._body = make_offer(self._description, self._body)
        return self._body

    # ---- moved: the same call with another far end

    def describe_anew(self) -> bytes:
        """Return an offer for somebody who has heard nothing of us yet, on the port that we have."""
        self._keys_of_next = self._new_keys()
        return make_offer(self._for_next)

    def move(self, session: InviteSession, offer: bytes, answer: bytes) -> None:
        """Go on in a session of ours that was answered. Raises NotAcceptable for what we cannot speak."""
        self._go_on(session, offer, read_answer(self._for_next, offer, answer))

    def give_place_to(self, session: InviteSession, offer: bytes | None) -> None:
        """Answer an INVITE that takes our session's place, and go on there. Raises NotAcceptable (488)."""
        if offer is None:
            body, negotiated = self.describe_anew(), None
        else:
            self._keys_of_next = self._new_keys()
            body, negotiated = make_answer(offer, self._for_next)
        session.accept(body, self._signalling.now())
        self._go_on(session, body, negotiated)

    @property
    def _for_next(self) -> LocalMedia:
        """What we are ready for with the far end that may come after this one."""
        return replace(self._description, keys=self._keys_of_next)

    def _go_on(self, session: InviteSession, body: bytes, negotiated: Negotiated | None) -> None:
        self.session, self._body, self._description = session, body, self._for_next
        if negotiated is not None:
            self._take(negotiated)

    def bye(self, reason: str = "") -> None:
        """End the call; one that is over stays so."""
        self.session.bye(self._signalling.now(), reason=reason)
        self._signalling.transmit()

    def close(self) -> None:
        """The call is over: give the port back, and tell nobody anything any more."""
        self.media.close()
        self.agreed = self.turned = _nobody

    def _take(self, negotiated: Negotiated) -> None:
        self._settled = negotiated
        self.media.agree(negotiated)
        self.agreed(negotiated)


def _nobody(result: object) -> None:
    """Who is told while, or once, there is no call."""
