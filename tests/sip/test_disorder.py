"""Calls in which everything happens in any order: nothing raises, every call ends once, nothing is left over."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.errors import LocalProtocolError
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Request
from sipagent.sip.outputs import Cancelled, Ended, Invited, Output, Refused, Send
from sipagent.sip.uri import Uri
from tests.sip.bench import ANSWER, PEER, SDP, Bench, answer, flow_from, request

IDENTITY = Identity(uri=Uri.parse("sip:6001@127.0.0.1"))
LAST = (Cancelled, Ended, Refused)
VERBS = ("ring", "accept", "reject", "bye", "cancel", "answer_offer", "refuse_offer", "acknowledge")
METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO")
CODES = (100, 180, 200, 200, 302, 401, 481, 487, 500)

steps = st.one_of(
    st.tuples(st.just("receive"), st.sampled_from(METHODS), st.integers(1, 4), st.booleans(), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 9), st.sampled_from(CODES), st.sampled_from(["peer", "other"])),
    st.tuples(st.just("verb"), st.sampled_from(VERBS), st.integers(0, 2)),
    st.tuples(st.just("advance"), st.sampled_from([0.1, 0.6, 5.0, 40.0])),
    st.tuples(st.just("call")),
)


class Disorder:
    """A bench that takes steps, and remembers which sessions there are and what was told of each."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.sessions: list[InviteSession] = []
        self.ours: list[Request] = []
        self.told: defaultdict[InviteSession, list[Output]] = defaultdict(list)

    def receive(self, method: str, number: int, in_dialog: bool, with_sdp: bool) -> None:
        tag = f";tag={self.sessions[0].local.tag}" if in_dialog and self.sessions else ""
        call_id = self.sessions[0].call_id if self.sessions else "call-1"
        text = request(
            method,
            branch=f"z9hG4bK{number}",
            cseq=number,
            recipient=f"<sip:6001@127.0.0.1>{tag}",
            sender="<sip:bob@127.0.0.2>;tag=peer",
            call_id=call_id,
            body=SDP if with_sdp else b"",
        )
        self.bench.receive(text)

    def answer(self, index: int, code: int, tag: str) -> None:
        if self.ours:
            self.bench.receive(answer(self.ours[index % len(self.ours)], code, tag=tag, body=SDP))

    def verb(self, name: str, index: int) -> None:
        if not self.sessions:
            return
        session, now = self.sessions[index % len(self.sessions)], self.bench.now
        try:
            match name:
                case "accept" | "answer_offer" | "acknowledge":
                    getattr(session, name)(ANSWER, now)
                case "reject" | "refuse_offer":
                    getattr(session, name)(488, now)
                case _:
                    getattr(session, name)(now)
        except LocalProtocolError:
            assert name in ("ring", "accept", "reject")

    def advance(self, seconds: float) -> None:
        self.bench.advance(seconds)

    def call(self) -> None:
        target = Uri.parse("sip:bob@127.0.0.2")
        self.sessions.append(
            self.bench.agent.invite(
                target=target, flow=flow_from(PEER), identity=IDENTITY, offer=SDP, now=self.bench.now
            )
        )

    def look(self) -> None:
        """Keep what left and what was told."""
        for message in self.bench.sent():
            if isinstance(message, Request) and message.method != "ACK":
                self.ours.append(message)
        for output in self.bench.told():
            session = getattr(output, "session", None)
            assert not isinstance(output, Send)
            if session is not None:
                assert not any(isinstance(earlier, LAST) for earlier in self.told[session]), "told after the end"
                self.told[session].append(output)
            if isinstance(output, Invited):
                self.sessions.append(output.session)


@given(st.lists(steps, max_size=25))
@settings(max_examples=300, deadline=None)
def test_any_order_of_anything(story: list[tuple[str, *tuple[object, ...]]]) -> None:
    disorder = Disorder()
    for name, *arguments in story:
        getattr(disorder, name)(*arguments)
        disorder.look()
    for session in disorder.sessions:
        session.bye(disorder.bench.now)
    disorder.look()
    disorder.bench.advance(200.0)
    disorder.look()
    assert disorder.bench.agent.idle
    assert disorder.bench.agent.next_timer() is None
