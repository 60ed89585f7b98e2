"""A user agent on a bench: datagrams and time go in by hand, what leaves and what is told is kept to be looked at."""

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.framing import PING
from sipagent.sip.identity import Identity
from sipagent.sip.message import Request, Response, parse
from sipagent.sip.outputs import Output, Send
from sipagent.sip.registration import Registration
from sipagent.sip.uri import Uri

US = Address("127.0.0.1", 5060)
PEER = Address("127.0.0.2", 5060)
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = SDP.replace(b"127.0.0.2", b"127.0.0.1")

Told = TypeVar("Told")


def flow_from(remote: Address, local: Address = US, transport: Transport = Transport.UDP) -> Flow:
    return Flow(transport=transport, local=local, remote=remote)


class CountingIds:
    """Draws that a test can name: branch1, branch2, tag1, … and half of every number's range."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def token(self, kind: str, scope: str = "") -> str:
        self._counts[kind] += 1
        return f"{kind.replace('-', '')}{self._counts[kind]}"

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        return 1 << (bits - 1)


class Bench:
    """One UserAgent, its clock, and the far end of its wires."""

    def __init__(
        self,
        admission: Admission | None = None,
        *,
        user_agent: str = "",
        has_tcp: bool = False,
        trunks: Iterable[str] = (),
    ) -> None:
        self.now = 0.0
        self.agent = UserAgent(
            ids=CountingIds(),
            admission=admission or Admission(local=True),
            user_agent=user_agent,
            has_tcp=has_tcp,
            trunks={name: Identity(uri=Uri.parse(f"sip:us@{name}.example.com"), account=name) for name in trunks},
        )
        self._sent: list[tuple[float, Send]] = []
        self._told: list[Output] = []

    def receive(self, message: str | bytes, source: Address = PEER, *, flow: Flow | None = None) -> None:
        """Deliver a datagram, or a message over a `flow`; text may have plain line ends."""
        data = message if isinstance(message, bytes) else message.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        self.agent.receive(data, flow or flow_from(source), self.now)
        self.drain()

    def registers(self, registrar: Address = PEER) -> Registration:
        """Register the account "office", and be granted it."""
        identity = Identity(uri=Uri.parse(f"sip:6001@{registrar.host}"), account="office")
        registration = self.agent.register(
            identity=identity, registrar=Uri(host=registrar.host), flow=flow_from(registrar), expires=300, now=self.now
        )
        self.receive(answer(self.request(), 200, headers=["Expires: 300"]), registrar)
        self.told()
        return registration

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while (due := self.agent.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.agent.handle_timer(self.now)
            self.drain()
        self.now = end

    def drain(self) -> None:
        """Take what the agent has to say; to be called after one of its verbs."""
        for output in self.agent.outputs():
            if isinstance(output, Send):
                self._sent.append((self.now, output))
            else:
                self._told.append(output)

    def sent(self) -> list[Request | Response]:
        """Messages that left since the last look; keep-alives are none."""
        return [message for _, message, _ in self.timed()]

    def timed(self) -> list[tuple[float, Request | Response, Flow]]:
        """The same with their times and flows."""
        self.drain()
        drained, self._sent = self._sent, []
        return [(time, read(send.data), send.flow) for time, send in drained if send.data != PING]

    def lines(self) -> list[str]:
        """What left since the last look, in short: method or code, in order."""
        return [brief(message) for message in self.sent()]

    def request(self) -> Request:
        """The only message that left since the last look, which is a request."""
        (message,) = self.sent()
        assert isinstance(message, Request)
        return message

    def response(self) -> Response:
        """The only message that left since the last look, which is a response."""
        (message,) = self.sent()
        assert isinstance(message, Response)
        return message

    def told(self) -> list[Output]:
        """Events since the last look."""
        self.drain()
        drained, self._told = self._told, []
        return drained

    def event(self, kind: type[Told]) -> Told:
        """The only event since the last look."""
        (output,) = self.told()
        assert isinstance(output, kind)
        return output


def read(data: bytes) -> Request | Response:
    message = parse(data)
    assert message is not None
    assert message.flaw is None
    return message


def brief(message: Request | Response) -> str:
    return message.method if isinstance(message, Request) else str(message.code)


def request(
    method: str,
    *,
    uri: str = "sip:6001@127.0.0.1",
    branch: str = "z9hG4bKcaller1",
    via: str = "",
    sender: str = '"Alice" <sip:alice@127.0.0.2>;tag=alice',
    recipient: str = "<sip:6001@127.0.0.1>",
    call_id: str = "call-1",
    cseq: int = 1,
    headers: Iterable[str] = (),
    body: bytes = b"",
) -> str:
    """A request of the peer. INVITE gets a Contact; a body is SDP unless a header says otherwise."""
    lines = [
        f"{method} {uri} SIP/2.0",
        via or f"Via: SIP/2.0/UDP 127.0.0.2:5060;branch={branch};rport",
        "Max-Forwards: 70",
        f"From: {sender}",
        f"To: {recipient}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *(["Contact: <sip:alice@127.0.0.2:5060>"] if method == "INVITE" else []),
        *headers,
    ]
    if body and not any(line.lower().startswith("content-type") for line in lines):
        lines.append("Content-Type: application/sdp")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body.decode()])


def answer(
    to: Request, code: int, *, tag: str = "peer", headers: Iterable[str] = (), body: bytes = b"", reason: str = "Words"
) -> str:
    """The peer's response to a request of ours; a tag is added to To where there is none."""
    recipient = to.headers.get("to") or ""
    lines = [
        f"SIP/2.0 {code} {reason}",
        *(f"Via: {via}" for via in to.headers.values("via")),
        f"From: {to.headers.get('from')}",
        f"To: {recipient}" + ("" if to.to.tag or not tag or code == 100 else f";tag={tag}"),
        f"Call-ID: {to.call_id}",
        f"CSeq: {to.headers.get('cseq')}",
        *headers,
    ]
    if to.method == "INVITE" and 100 < code < 300 and not any(line.startswith("Contact") for line in lines):
        lines.append("Contact: <sip:bob@127.0.0.2:5060>")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body.decode()])
