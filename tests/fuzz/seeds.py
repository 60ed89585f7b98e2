"""Writes the seeds of the corpus: messages of our own, of every kind and in every state, for the fuzzer to change.

python -m tests.fuzz.seeds
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import starmap
from pathlib import Path

from sipagent.rtp.digits import DigitSender
from sipagent.rtp.packet import build
from sipagent.rtp.session import RtpSession
from sipagent.sdp.crypto import SUITES, Encryption
from sipagent.sdp.direction import Direction
from sipagent.sdp.formats import CODECS
from sipagent.sdp.offer_answer import LocalMedia, make_offer
from tests.fuzz.signalling import BETWEEN
from tests.rtp.hearing import hear
from tests.sip.bench import ANSWER, SDP, request

CORPUS = Path(__file__).parent / "corpus"
"""One directory for each target."""

_IN_DIALOG = "<sip:6001@127.0.0.1>;tag=tag1"
_FRAME = bytes(160)


def _wire(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


# ---- signalling


def _inside(method: str, cseq: int = 2, *headers: str, body: bytes = b"") -> bytes:
    """A request inside the call that Alice made."""
    return _wire(request(method, recipient=_IN_DIALOG, branch=f"z9hG4bK{cseq}", cseq=cseq, headers=headers, body=body))


def _response(code: int, method: str = "INVITE", *headers: str, body: bytes = b"", cseq: int = 32769) -> bytes:
    """A response to the first request that the agent sent: its ids are counted."""
    lines = [
        f"SIP/2.0 {code} Words",
        "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKbranch1;rport=5060;received=127.0.0.1",
        "From: <sip:6001@127.0.0.1>;tag=tag1",
        f"To: <sip:bob@127.0.0.2>{';tag=peer' if code > 100 else ''}",
        "Call-ID: callid1",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:bob@127.0.0.2:5060>",
        *headers,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _our_change(code: int, method: str = "INVITE") -> bytes:
    """A response to the first request that the agent sends inside Alice's call."""
    return _wire(
        f"SIP/2.0 {code} Words\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKbranch1;rport=5060;received=127.0.0.1\n"
        f"From: <sip:6001@127.0.0.1>;tag=tag1\nTo: <sip:alice@127.0.0.2>;tag=alice\nCall-ID: call-1\nCSeq: 1 {method}\n"
        f"Contact: <sip:alice@127.0.0.2>\nContent-Type: application/sdp\nContent-Length: {len(ANSWER)}\n\n"
    ) + (ANSWER)


_CHALLENGE = 'Digest realm="pbx", nonce="abc", algorithm=MD5, qop="auth"'
_SDP_BODY = "Content-Type: application/sdp"

SIGNALLING: Mapping[str, tuple[bytes, ...]] = {
    "options": (b"-", _wire(request("OPTIONS"))),
    "invite": (b"-", _wire(request("INVITE", body=SDP))),
    "invite-without-offer": (b"-", _wire(request("INVITE"))),
    "invite-by-route": (
        b"-",
        _wire(
            request(
                "INVITE",
                headers=(
                    "Record-Route: <sip:127.0.0.3;lr>, <sip:127.0.0.4;lr>",
                    "Via: SIP/2.0/TCP 127.0.0.5;branch=z9hG4bKfar",
                    "Supported: timer, 100rel, replaces",
                    "Session-Expires: 1800;refresher=uac",
                    "Min-SE: 90",
                ),
                body=SDP,
            )
        ),
    ),
    "ringing-reliably": (
        b"r",
        _wire(request("INVITE", call_id="call-2", branch="z9hG4bKsecond", headers=("Require: 100rel",), body=SDP)),
        _inside("PRACK", 2, "RAck: 1073741824 1 INVITE").replace(b"call-1", b"call-2").replace(b"tag1", b"tag2"),
    ),
    "invite-too-brief": (b"-", _wire(request("INVITE", headers=("Supported: timer", "Session-Expires: 60"), body=SDP))),
    "message": (b"-", _wire(request("MESSAGE", headers=("Content-Type: text/plain",), body=b"Hello"))),
    "invite-replaces": (
        b"t",
        _wire(
            request(
                "INVITE",
                call_id="call-2",
                branch="z9hG4bKsecond",
                headers=("Replaces: call-1;to-tag=tag1;from-tag=alice",),
                body=SDP,
            )
        ),
    ),
    "compact": (
        b"-",
        _wire(
            "INVITE sip:6001@127.0.0.1 SIP/2.0\nv: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKcompact\nf: <sip:a@127.0.0.2>"
            ";tag=a\nt: <sip:6001@127.0.0.1>\ni: compact\nCSeq: 1 INVITE\nm: <sip:a@127.0.0.2>\nl: 0\n\n"
        ),
    ),
    "ringing-cancel": (b"r", _wire(request("CANCEL"))),
    "ringing-again": (b"r", _wire(request("INVITE", body=SDP))),
    "talking-bye": (b"t", _inside("BYE")),
    "talking-hold-bye": (b"t", _inside("INVITE", 2, body=SDP + b"a=sendonly\r\n"), _inside("ACK"), _inside("BYE", 3)),
    "talking-update": (b"t", _inside("UPDATE", 2, _SDP_BODY, body=SDP)),
    "talking-info": (
        b"t",
        _inside("INFO", 2, "Content-Type: application/dtmf-relay", body=b"Signal=5\r\nDuration=160\r\n"),
    ),
    "talking-refer": (b"t", _inside("REFER", 2, "Refer-To: <sip:carol@127.0.0.3>", "Referred-By: <sip:a@127.0.0.2>")),
    "talking-notify": (b"t", _inside("NOTIFY", 2, "Event: refer", "Subscription-State: terminated;reason=noresource")),
    "calling-ringing-answered": (
        b"c",
        _response(100),
        _response(180),
        _response(200, "INVITE", _SDP_BODY, body=ANSWER),
    ),
    "calling-early": (
        b"c",
        _response(183, "INVITE", "Require: 100rel", "RSeq: 7", _SDP_BODY, body=ANSWER),
        _response(200, "PRACK", cseq=32770).replace(b"branch1", b"branch2"),
        _response(200, "INVITE", "Session-Expires: 90;refresher=uac"),
    ),
    "calling-too-brief": (b"c", _response(422, "INVITE", "Min-SE: 900")),
    "anew-accepted": (b"n", _our_change(200)),
    "anew-collided": (b"n", _our_change(491)),
    "anew-and-theirs": (b"n", _inside("INVITE", 2, body=SDP), _inside("UPDATE", 3, _SDP_BODY, body=SDP)),
    "key-refused": (b"k", _our_change(415, "INFO")),
    "calling-refused": (b"c", _response(486)),
    "calling-challenged": (b"c", _response(407, "INVITE", f"Proxy-Authenticate: {_CHALLENGE}")),
    "calling-moved": (b"c", _response(302, "INVITE", "Contact: <sip:carol@127.0.0.3>;q=0.5")),
    "calling-later": (b"c", _response(503, "INVITE", "Retry-After: 5")),
    "offered": (b"o", _response(200, "INVITE", _SDP_BODY, body=SDP)),
    "forked": (b"c", _response(200, body=ANSWER), _response(200).replace(b"tag=peer", b"tag=other")),
    "registered": (b"g", _response(200, "REGISTER", "Expires: 300")),
    "registration-challenged": (b"g", _response(401, "REGISTER", f"WWW-Authenticate: {_CHALLENGE}")),
    "registration-too-brief": (b"g", _response(423, "REGISTER", "Min-Expires: 600")),
    "transferred": (b"x", _response(202, "REFER", cseq=32770).replace(b"branch1", b"branch3")),
}


# ---- session descriptions


def _sdp() -> Iterator[tuple[str, bytes]]:
    for direction in Direction:
        local = LocalMedia(host="192.0.2.1", port=4000, session_id=7, version=1, direction=direction)
        yield direction.value, make_offer(local)
    keys = {suite: bytes(range(length)) for suite, length in SUITES.items()}
    wide = LocalMedia(host="192.0.2.1", port=4000, codecs=tuple(CODECS), session_id=7, version=1, keys=keys)
    for encryption in Encryption:
        yield f"wide-{encryption.value}", make_offer(replace(wide, encryption=encryption))
    yield (
        "keys",
        SDP
        + (
            b"a=rtcp-mux\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short\r\n"
            b"a=crypto:9 AES_CM_128_HMAC_SHA1_32 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^20|1:4 WSH=64\r\n"
        ),
    )
    yield "ipv6", SDP.replace(b"IP4 127.0.0.2", b"IP6 2001:db8::1")
    yield "held", SDP.replace(b"c=IN IP4 127.0.0.2", b"c=IN IP4 0.0.0.0")
    yield "off", SDP.replace(b"audio 4000", b"audio 0")
    yield (
        "many",
        SDP
        + b"a=rtcp:4005 IN IP4 127.0.0.9\r\na=ptime:30\r\nm=video 5000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
        + b"m=audio 6000/2 RTP/SAVP 8 96\r\nc=IN IP4 127.0.0.3/127\r\n"
        + b"a=rtpmap:96 telephone-event/8000\r\na=inactive\r\n",
    )


# ---- streams


def _framing() -> Iterator[tuple[str, bytes]]:
    options, invite = _wire(request("OPTIONS")), _wire(request("INVITE", body=SDP))
    yield "two", b"\x07" + options + invite
    yield "pings", b"\x00\r\n\r\n" + options + b"\r\n\r\n\r\n"
    yield "folded-length", b"\x03" + options.replace(b"Content-Length: 0", b"l:\r\n 0") + options
    yield "bare-line-feeds", b"\x01" + options.replace(b"\r\n", b"\n") + options
    yield "no-length", b"\x05" + options.replace(b"Content-Length: 0\r\n", b"")
    yield "bad-length", b"\x02" + options.replace(b"Length: 0", b"Length: 9999999999") + options
    yield "not-sip", b"\x04GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


# ---- media


def _media() -> Iterator[tuple[str, bytes]]:
    speech = [build(0, number, number * 160, 9, _FRAME, marker=number == 65533) for number in range(65533, 65536)]
    speech += [build(8, number, number * 160 + 2**24, 9, _FRAME) for number in range(3)]
    yield "speech", _counted(*speech)
    yield "disorder", _counted(speech[1], speech[0], speech[1], speech[5])
    peer = RtpSession(ssrc=9, sequence=1, timestamp=1, cname="peer", now=0.0)
    digit = DigitSender("5", duration_ms=60)
    yield "digit", _counted(*iter(lambda: digit.send(peer) or b"", b""))
    us = RtpSession(ssrc=1, sequence=1, timestamp=1, cname="us", now=0.0)
    hear(peer, us.send(_FRAME, 0, 160), 0.5, {0})
    yield "reports", _counted(peer.report(1.0, 1.0), peer.bye(2.0, 2.0))
    extended = b"\xb1\x00" + speech[0][2:12] + bytes(4) + b"\xbe\xde\x00\x01" + bytes(4) + _FRAME[:20] + b"\x04"
    yield "csrc-extension-padding", _counted(extended)


def _counted(*datagrams: bytes) -> bytes:
    return b"".join(bytes([len(datagram)]) + datagram for datagram in datagrams)


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and bytes of every seed."""
    for name, (state, *messages) in SIGNALLING.items():
        yield "signalling", name, state + BETWEEN.join(messages)
    yield from starmap(lambda name, data: ("sdp", name, data), _sdp())
    yield from starmap(lambda name, data: ("framing", name, data), _framing())
    yield from starmap(lambda name, data: ("media", name, data), _media())


if __name__ == "__main__":
    for target, name, data in seeds():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        (CORPUS / target / name).write_bytes(data)
