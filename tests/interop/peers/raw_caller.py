"""A socket that speaks SIP one message at a time: for what neither a phone nor sipp can be made to say."""

import itertools
import re
import socket
import time
from types import TracebackType
from typing import Self

_SDP = (
    "v=0\r\no=raw 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 39000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class RawCaller:
    """One dialog's worth of requests from one UDP port to `target`. Every request is a new transaction."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        self._target = target
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, 0))
        self._host = host
        self._call_id = f"{time.monotonic_ns()}@{host}"
        self._number = itertools.count(1)

    def request(self, method: str, *, number: int = 0, to_tag: str = "", extra: str = "", body: str = "") -> bytes:
        """The bytes of a request; `number` is that of the INVITE for its ACK."""
        number = number or next(self._number)
        here = "{}:{}".format(*self._udp.getsockname())
        uri = "sip:agent@{}:{}".format(*self._target)
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{number}{self._call_id};rport\r\n"
            f"From: <sip:raw@{self._host}>;tag=raw\r\nTo: <{uri}>{f';tag={to_tag}' if to_tag else ''}\r\n"
            f"Call-ID: {self._call_id}\r\nCSeq: {number} {method}\r\nContact: <sip:raw@{here}>\r\nMax-Forwards: 70\r\n"
            f"{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def invite(self) -> bytes:
        """An INVITE with an offer of PCMU."""
        return self.request("INVITE", body=_SDP.format(host=self._host))

    def send(self, message: bytes) -> None:
        self._udp.sendto(message, self._target)

    def receive(self, timeout: float = 2.0) -> str:
        """The next message, or nothing when none comes in time."""
        self._udp.settimeout(timeout)
        try:
            return self._udp.recv(65536).decode()
        except OSError:
            return ""

    def ask(self, method: str, *, timeout: float = 2.0, extra: str = "") -> str:
        """Send one request, and take the first message back."""
        self.send(self.request(method, extra=extra))
        return self.receive(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()


def to_tag(response: str) -> str:
    """The tag that the far end gave itself."""
    found = re.search(r"\r\nTo:[^\r]*;tag=([^;\r]+)", response)
    return found[1] if found else ""
