"""A user agent that hears any bytes, in any state of a call: nothing raises, and afterwards nothing is left over."""

from collections.abc import Callable, Mapping

from sipagent.sip.digest import Credentials
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Response, check
from sipagent.sip.outputs import Answered, Invited, OfferDue, Output, ReferReceived, ReOffered
from sipagent.sip.registration import Registration
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, flow_from, request

BETWEEN = b"\x1e"
"""Stands between two messages of one input."""

_IDENTITY = Identity(
    uri=Uri.parse("sip:6001@127.0.0.1"), credentials=Credentials(username="6001", password="not a secret")
)
_TIMERS = 300.0
"""Seconds after which the last timer of a call has fired."""


class Phone:
    """The driver of the agent: it answers calls, offers and transfers, and at the end it hangs up."""

    def __init__(self) -> None:
        self.bench = Bench()
        self._answers = True
        self._sessions: list[InviteSession] = []
        self._registrations: list[Registration] = []

    # ---- the states in which messages meet it

    def is_ringing(self) -> None:
        self._answers = False
        self.hear(request("INVITE", body=SDP))

    def is_called_and_talks(self) -> None:
        self.hear(request("INVITE", body=SDP))
        self.hear(request("ACK", recipient="<sip:6001@127.0.0.1>;tag=tag1"))

    def calls(self, offer: bytes | None = SDP) -> None:
        target = Uri.parse("sip:bob@127.0.0.2")
        session = self.bench.agent.invite(
            target=target,
            flow=flow_from(PEER),
            identity=_IDENTITY,
            offer=offer,
            now=self.bench.now,
            follow=lambda target: flow_from(PEER),
        )
        self._sessions.append(session)

    def calls_without_an_offer(self) -> None:
        self.calls(None)

    def called_and_talks(self) -> None:
        self.calls()
        self.hear(answer(self.bench.request(), 200, body=ANSWER))

    def has_asked_for_a_transfer(self) -> None:
        self.called_and_talks()
        self.bench.agent.refer(self._sessions[0], Uri.parse("sip:carol@127.0.0.3"), self.bench.now)

    def has_offered_anew(self) -> None:
        self.is_called_and_talks()
        self._sessions[0].renegotiate(self.bench.now)
        self.react()

    def has_pressed_a_key(self) -> None:
        self.is_called_and_talks()
        self._sessions[0].press("5", self.bench.now)

    def registers(self) -> None:
        self._registrations.append(
            self.bench.agent.register(
                identity=_IDENTITY, registrar=Uri(host=PEER.host), flow=flow_from(PEER), expires=300, now=self.bench.now
            )
        )

    # ---- what it does with what it hears

    def hear(self, message: str | bytes) -> None:
        """Take a datagram, and do what there is to do within the next half second and a bit."""
        self.bench.receive(message)
        self.react()
        self.bench.advance(0.6)
        self.react()

    def react(self) -> None:
        """Do what the events ask for. Their sessions are hung up in the end."""
        while told := self.bench.told():
            for output in told:
                self._react(output)

    def _react(self, output: Output) -> None:
        now = self.bench.now
        match output:
            case Invited(session=session):
                self._sessions.append(session)
                session.ring(now, body=ANSWER if session.must_offer_early else b"")
                if self._answers:
                    session.accept(ANSWER, now)
            case OfferDue(session=session):
                session.reoffer(lambda: SDP, now)
            case ReOffered(session=session):
                session.answer_offer(ANSWER, now)
            case Answered(session=session):
                session.acknowledge(ANSWER, now)
            case ReferReceived(referred=referred):
                referred.accept(now)
                referred.tell(180, now)
                referred.tell(486, now)

    def finish(self) -> None:
        """Hang up, take registrations back, and wait for the last timer."""
        for session in self._sessions:
            session.bye(self.bench.now)
        for registration in self._registrations:
            registration.unregister(self.bench.now)
        self.react()
        self.bench.advance(_TIMERS)
        self.react()


STATES: Mapping[bytes, Callable[[Phone], None]] = {
    b"r": Phone.is_ringing,
    b"t": Phone.is_called_and_talks,
    b"c": Phone.calls,
    b"o": Phone.calls_without_an_offer,
    b"d": Phone.called_and_talks,
    b"x": Phone.has_asked_for_a_transfer,
    b"n": Phone.has_offered_anew,
    b"k": Phone.has_pressed_a_key,
    b"g": Phone.registers,
}
"""By the first byte of an input; any other leaves the phone idle."""


def signalling(data: bytes) -> None:
    """Messages, after a byte that names the state. Raises AssertionError for a promise that is not kept."""
    phone = Phone()
    if data[:1] in STATES:
        STATES[data[:1]](phone)
    for datagram in data[1:].split(BETWEEN):
        phone.hear(datagram)
    phone.finish()
    assert phone.bench.agent.idle, "a transaction, a call or a registration is left"
    assert phone.bench.agent.next_timer() is None, "a timer is left"
    for message in phone.bench.sent():
        assert isinstance(message, Response) or check(message) is None, "we sent a request that we should refuse"
    phone.hear(request("OPTIONS", branch="z9hG4bKafterwards", call_id="afterwards"))
    assert [message.code for message in phone.bench.sent() if isinstance(message, Response)] == [200]
