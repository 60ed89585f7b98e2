"""The signalling of the callers: our own user agent on one socket, calling in many names."""

import re
import socket
import time
from dataclasses import dataclass, field

from sipagent.net.ids import RandomIds
from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.identity import Identity
from sipagent.sip.invite import InviteSession
from sipagent.sip.outputs import Answered, Ended, Refused, Send
from sipagent.sip.uri import Uri

NAMES = 5000
"""Who calls more often than once in two seconds is taken for a mad dialler."""
_MEDIA = re.compile(rb"^m=audio (\d+) ", re.MULTILINE)
_SDP = (
    "v=0\r\no=bench 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:{rtcp}\r\n"
)


@dataclass(slots=True, kw_only=True)
class Dialled:
    """What became of the calls since the last look. Times are milliseconds from INVITE to 200."""

    answered: list[tuple[int, int]] = field(default_factory=list)
    """Call, and the port that its audio goes to."""
    ended: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)


class Dialler:
    """Calls `target` from an address of its own. RTCP of all calls is for the port `rtcp`, where nobody answers."""

    def __init__(self, local: Address, target: Address, rtcp: int) -> None:
        self._target = target
        self._rtcp = rtcp
        self._agent = UserAgent(ids=RandomIds(), admission=Admission(local=True))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((local.host, local.port))
        self.socket.connect((target.host, target.port))  # so that we hear of it when nobody is there
        self.socket.setblocking(False)
        self._flow = Flow(transport=Transport.UDP, local=Address(*self.socket.getsockname()), remote=target)
        self._calls: dict[InviteSession, int] = {}
        self._placed: dict[int, float] = {}
        self._sessions: dict[int, InviteSession] = {}
        self._dialled = Dialled()

    def place(self, call: int, port: int) -> None:
        """Call, with audio to `port`."""
        now = time.monotonic()
        host = self._flow.local.host
        session = self._agent.invite(
            target=Uri(user="agent", host=self._target.host, port=self._target.port),
            flow=self._flow,
            identity=Identity(uri=Uri(user=f"caller{call % NAMES}", host=host)),
            offer=_SDP.format(host=host, port=port, rtcp=self._rtcp).encode(),
            now=now,
        )
        self._calls[session], self._sessions[call], self._placed[call] = call, session, now
        self._drain()

    def hang_up(self, call: int) -> None:
        """End a call that was answered."""
        self._sessions[call].bye(time.monotonic())
        self._drain()

    def receive(self) -> None:
        """Take what has come."""
        while True:
            try:
                data = self.socket.recv(65535)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                self._unreachable()
                self._drain()
                continue
            self._agent.receive(data, self._flow, time.monotonic())
            self._drain()

    def handle_timer(self) -> None:
        """Send again what was not answered."""
        now = time.monotonic()
        if (due := self._agent.next_timer()) is not None and due <= now:
            self._agent.handle_timer(now)
            self._drain()

    def take(self) -> Dialled:
        """What happened since the last look."""
        dialled, self._dialled = self._dialled, Dialled()
        return dialled

    def _drain(self) -> None:
        while outputs := self._agent.outputs():
            for output in outputs:
                match output:
                    case Send(data=data):
                        self._send(data)
                    case Answered(session=session, body=body):
                        self._answered(self._calls[session], body or b"")
                    case Ended(session=session):
                        self._dialled.ended.append(self._forget(session))
                    case Refused(session=session):
                        self._dialled.failed.append(self._forget(session))

    def _send(self, data: bytes) -> None:
        try:
            self.socket.send(data)
        except ConnectionRefusedError:  # of what was sent before
            self._unreachable()

    def _unreachable(self) -> None:
        self._agent.transport_failed(self._flow, time.monotonic(), "nobody is there")

    def _answered(self, call: int, body: bytes) -> None:
        if (media := _MEDIA.search(body)) is not None and call in self._placed:
            self._dialled.took_ms.append((time.monotonic() - self._placed.pop(call)) * 1000)
            self._dialled.answered.append((call, int(media[1])))

    def _forget(self, session: InviteSession) -> int:
        call = self._calls.pop(session)
        del self._sessions[call]
        return call
