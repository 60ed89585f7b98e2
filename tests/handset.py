"""A telephone at 127.0.0.2, in plain SIP and RTP. It knows nothing of our calls: it sees what any telephone would."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import TypeVar

from sipagent.audio import g711, level, tones
from sipagent.rtp import packet
from sipagent.rtp.packet import RtpPacket
from sipagent.rtp.srtp import Srtp
from sipagent.sip.message import Request, Response, parse
from sipagent.testing.network import HostPort, Network
from tests.sip.bench import answer, request

PHONE, HANDSET = "127.0.0.1", "127.0.0.2"
SIP_PORT, RTP_PORT = 5060, 4000
TICK = 0.02
QUIET = -55.0
"""dBFS below which there is no speech."""
TONE = g711.encode(tones.sine(400.0, 4000), g711.PCMU)

T = TypeVar("T")


def sdp(
    *, version: int = 1, direction: str = "", port: int = RTP_PORT, formats: str = "0 101", host: str = HANDSET
) -> bytes:
    """What the handset can do: PCMU and key presses, unless `formats` says otherwise."""
    lines = ["v=0", f"o=- 7 {version} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP {formats}", "a=rtpmap:101 telephone-event/8000"]
    return "\r\n".join([*lines, *([f"a={direction}"] if direction else []), ""]).encode()


@dataclass(frozen=True, slots=True)
class Heard:
    """One RTP packet that came to the handset, and when."""

    time: float
    packet: RtpPacket


class Handset:
    """A telephone at 127.0.0.2. It acknowledges what must be acknowledged, and answers BYE and CANCEL, by itself."""

    def __init__(self, network: Network, *, host: str = HANDSET, call_id: str = "call-1", tag: str = "alice") -> None:
        self.responses: list[Response] = []
        """All that were answers to our requests, repetitions included."""
        self.requests: list[Request] = []
        self.heard: list[Heard] = []
        self.hung_up_at: float | None = None
        self.answer_in_ack: bytes | None = None
        """The SDP of the ACK: of a delayed offer."""
        self.acknowledges = True
        self.cipher: Srtp | None = None
        """What it encrypts with, and decrypts what it hears."""
        self._host = host
        self._call_id = call_id
        self._local_tag = tag
        self._network = network
        self._sip = network.bind(host, SIP_PORT, self._receive)
        self._rtp = network.bind(host, RTP_PORT, self._hear)
        self._branches = count(1)
        self._cseq = 0
        self._sequence = 100
        self._happened = asyncio.Event()

    # ---- calling

    def ring(self, offer: bytes | None = None, *, delayed: bool = False) -> None:
        """Send INVITE."""
        self._send_request("INVITE", body=b"" if delayed else offer or sdp())

    async def calls(self, offer: bytes | None = None, *, delayed: bool = False) -> int:
        """Ring, and wait for the final response; return its code."""
        self.ring(offer, delayed=delayed)
        return await self.final()

    async def final(self, method: str = "INVITE") -> int:
        """Wait for a final response to our latest request of a method."""
        return await self._wait(lambda: next((code for code in self.codes(method, self._cseq) if code >= 200), None))

    def cancel(self) -> None:
        """Take the INVITE back."""
        self._send_request("CANCEL", branch=self._branch(next(self._branches) - 1), cseq=self._cseq)

    async def hangs_up(self) -> None:
        """Send BYE, and wait for its answer."""
        self._send_request("BYE")
        assert await self.final("BYE") == 200

    async def offers_again(self, offer: bytes | None) -> int:
        """Send a re-INVITE; return the code of its answer."""
        self._send_request("INVITE", body=offer or b"")
        return await self.final()

    async def says_by(self, method: str, kind: str, body: bytes) -> int:
        """Send INFO or MESSAGE; return the code of its answer."""
        self._send_request(method, headers=(f"Content-Type: {kind}",), body=body)
        return await self.final(method)

    def tells(self, status: str, *, state: str = "active;expires=60") -> None:
        """Send NOTIFY: how the REFER of the phone goes."""
        headers = ("Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag;version=2.0")
        self._send_request("NOTIFY", headers=headers, body=f"SIP/2.0 {status}".encode())

    def refers(self, target: str, *headers: str) -> None:
        """Send REFER: the phone shall call somebody else."""
        self._send_request("REFER", headers=(f"Refer-To: <{target}>", *headers))

    def takes_the_place_of(self, other: "Handset", offer: bytes) -> None:
        """Send an INVITE with Replaces: we want the call that the other handset has."""
        replaces = f"Replaces: {other._call_id};to-tag={other._tag};from-tag={other._local_tag}"
        self._send_request("INVITE", headers=(replaces,), body=offer)

    # ---- called

    async def rings(self) -> Request:
        """Wait for an INVITE."""
        return await self.is_asked("INVITE")

    async def is_asked_again(self, method: str, times: int) -> Request:
        """Wait for the request of a method that is the `times`th."""
        return await self._wait(lambda: found[times - 1] if len(found := self.of(method)) >= times else None)

    def answers(self, code: int, invite: Request, body: bytes = b"", *, headers: tuple[str, ...] = ()) -> None:
        """Answer a request of the phone."""
        kind = ("Content-Type: application/sdp",) if body else ()
        self._send(answer(invite, code, headers=(*headers, *kind), body=body))

    def leaves(self) -> None:
        """Send BYE in a call that the phone placed."""
        invite = self.of("INVITE")[0]
        contact = str(invite.contact.uri)
        text = request(
            "BYE",
            uri=contact,
            branch="z9hG4bKleaves",
            sender=f"{invite.headers.get('to')};tag=peer",
            recipient=invite.headers.get("from") or "",
            call_id=invite.call_id,
        )
        self._send(text)

    def take(self, message: Request) -> None:
        """Do more with a request than any handset does: for registrars."""

    # ---- what came

    def codes(self, method: str = "INVITE", cseq: int | None = None) -> list[int]:
        """The codes of the responses to requests of a method."""
        responses = [response for response in self.responses if response.cseq.method == method]
        return [response.code for response in responses if cseq is None or response.cseq.number == cseq]

    def of(self, method: str) -> list[Request]:
        """The requests of a method that came."""
        return [message for message in self.requests if message.method == method]

    @property
    def body(self) -> str:
        """The SDP of the latest 200."""
        return next(
            message.body for message in reversed(self.responses) if message.code == 200 and message.body
        ).decode()

    def bodies(self, start: str) -> list[str]:
        """The lines that begin so in the SDP of our 200s, each description once."""
        texts = dict.fromkeys(message.body.decode() for message in self.responses if message.code == 200)
        return [line for text in texts for line in text.splitlines() if line.startswith(start)]

    async def is_asked(self, method: str) -> Request:
        """Wait for a request of a method."""
        return await self._wait(lambda: next(iter(self.of(method)), None))

    async def is_hung_up_on(self) -> Request:
        """Wait for BYE."""
        return await self._wait(lambda: next(iter(self.of("BYE")), None))

    def heard_between(self, begin: float, end: float) -> list[RtpPacket]:
        """The packets that came in a span of time."""
        return [heard.packet for heard in self.heard if begin <= heard.time < end]

    # ---- speaking

    async def says(self, audio: bytes = TONE, *, payload_type: int = 0, to: HostPort | None = None) -> None:
        """Send audio in packets of 20 ms, and return when it is over."""
        payloads = [audio[at : at + 160] for at in range(0, len(audio), 160)]
        await self.sends(payloads, payload_type=payload_type, to=to or self._audio_of_phone())

    async def sends(self, payloads: Sequence[bytes], *, payload_type: int, to: HostPort, clock: int = 8000) -> None:
        """Send a packet of 20 ms of each payload, of a codec whose RTP clock has this rate."""
        for payload in payloads:
            self._sequence += 1
            datagram = packet.build(payload_type, self._sequence, self._sequence * (clock // 50), 77, payload)
            self._rtp.send(self.cipher.protect(datagram) if self.cipher else datagram, to)
            await asyncio.sleep(TICK)

    async def presses(self, digit: str) -> None:
        """Press a key (RFC 4733), for 60 ms; the end is sent three times."""
        event, timestamp = "0123456789*#".index(digit), (self._sequence + 1) * 160
        for number, duration in enumerate((160, 320, 480, 480, 480)):
            payload = bytes([event, 0x8A if number >= 2 else 0x0A]) + duration.to_bytes(2, "big")
            self._sequence += 1
            self._rtp.send(
                packet.build(101, self._sequence, timestamp, 77, payload, marker=number == 0), self._audio_of_phone()
            )
            await asyncio.sleep(TICK)

    def _audio_of_phone(self) -> HostPort:
        return PHONE, _audio_port(self.body)

    @property
    def offered_to(self) -> HostPort:
        """Where the phone that called us hears."""
        return PHONE, _audio_port(self.of("INVITE")[0].body.decode())

    # ---- the wire

    def _send_request(
        self,
        method: str,
        *,
        body: bytes = b"",
        branch: str = "",
        cseq: int | None = None,
        headers: tuple[str, ...] = (),
    ) -> None:
        if cseq is None and method != "ACK":
            self._cseq += 1
        tag = f";tag={self._tag}" if self._tag and method != "CANCEL" else ""
        text = request(
            method,
            via=f"Via: SIP/2.0/UDP {self._host}:{SIP_PORT};rport;branch={branch or self._branch(next(self._branches))}",
            sender=f'"Alice" <sip:alice@{self._host}>;tag={self._local_tag}',
            recipient=f"<sip:agent@{PHONE}>{tag}",
            call_id=self._call_id,
            cseq=self._cseq if cseq is None else cseq,
            headers=headers,
            body=body,
        )
        self._send(text.replace("alice@127.0.0.2:5060", f"alice@{self._host}:5060"))

    def _branch(self, number: int) -> str:
        return f"z9hG4bK{self._call_id}-{self._local_tag}-{number}"

    def _send(self, text: str) -> None:
        self._sip.send(text.encode(), (PHONE, SIP_PORT))

    @property
    def _tag(self) -> str:
        """The phone's, in a call that stands."""
        return next((message.to.tag or "" for message in self.responses if message.code == 200 and message.body), "")

    def _receive(self, data: bytes, source: HostPort) -> None:
        message = parse(data)
        assert message is not None
        if isinstance(message, Response):
            self._take_response(message)
        else:
            self._take_request(message)
        self._happened.set()

    def _take_response(self, response: Response) -> None:
        self.responses.append(response)
        if response.cseq.method == "INVITE" and response.code >= 200 and self.acknowledges:
            if response.code < 300:
                body = self.answer_in_ack or b""
                self._send_request("ACK", body=body, cseq=response.cseq.number)
            else:
                branch = response.via.parameters.get("branch") or ""
                self._send_request("ACK", branch=branch, cseq=response.cseq.number)

    def _take_request(self, message: Request) -> None:
        self.requests.append(message)
        self.take(message)
        if message.method in ("BYE", "CANCEL"):
            self.answers(200, message)
        if message.method == "BYE" and self.hung_up_at is None:
            self.hung_up_at = asyncio.get_running_loop().time()
        if message.method == "CANCEL":
            self.answers(487, self.of("INVITE")[0])

    def _hear(self, data: bytes, source: HostPort) -> None:
        received = packet.parse(self.cipher.open(data) or b"" if self.cipher else data)
        assert received is not None
        self.heard.append(Heard(asyncio.get_running_loop().time(), received))

    async def _wait(self, found: Callable[[], T | None]) -> T:
        async with asyncio.timeout(60):
            while (value := found()) is None:
                self._happened.clear()
                await self._happened.wait()
        return value


class Registrar(Handset):
    """A handset that is a registrar too: it takes whoever comes, or says `refusal`."""

    refusal = 0
    silent = False

    def take(self, request: Request) -> None:
        if request.method != "REGISTER" or self.silent:
            return
        if self.refusal:
            self.answers(self.refusal, request)
        else:
            contact = request.headers.get("contact")
            expires = request.headers.get("expires")
            self.answers(200, request, headers=(f"Contact: {contact};expires={expires}",))


def voiced(handset: Handset) -> list[Heard]:
    """The packets with more in them than comfort noise."""
    laws = {0: g711.PCMU, 8: g711.PCMA}
    return [
        heard
        for heard in handset.heard
        if heard.packet.payload_type in laws
        and level.level(heard.packet.payload, laws[heard.packet.payload_type]) > QUIET
    ]


def silences(handset: Handset, *, since: float = 0.0) -> list[float]:
    """Seconds between the packets that one can hear, up to the end of the call."""
    assert handset.hung_up_at is not None
    times = [since, *(heard.time for heard in voiced(handset) if heard.time >= since), handset.hung_up_at]
    return [later - earlier for earlier, later in pairwise(times)]


def _audio_port(description: str) -> int:
    line = next(line for line in description.splitlines() if line.startswith("m=audio"))
    return int(line.split()[1])
