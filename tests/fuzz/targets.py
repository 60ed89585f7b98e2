"""What the fuzzer throws bytes at: each target takes any bytes, and raises for a promise that is not kept.

A promise is more than not to crash: what leaves is well-formed, what was read can be written and read again, and
however a stream is cut, the same messages come out of it.
"""

from collections.abc import Callable, Iterator, Mapping

from sipagent.errors import NotAcceptable
from sipagent.rtp.digits import DigitReceiver
from sipagent.rtp.jitter_buffer import JitterBuffer
from sipagent.rtp.packet import is_rtcp
from sipagent.rtp.rtcp import parse_compound
from sipagent.rtp.session import RtpSession
from sipagent.sdp.crypto import SUITES, Encryption
from sipagent.sdp.description import SdpError, SessionDescription
from sipagent.sdp.formats import CODECS
from sipagent.sdp.offer_answer import LocalMedia, make_answer, make_offer, read_answer
from sipagent.sip.framing import PING, Framing
from sipagent.sip.message import parse
from tests.fuzz.signalling import signalling
from tests.rtp.hearing import hear

_LOCAL = LocalMedia(
    host="192.0.2.10",
    port=40000,
    codecs=tuple(CODECS),
    session_id=1,
    version=1,
    encryption=Encryption.OFFER,
    keys={suite: bytes(length) for suite, length in SUITES.items()},
)
_TICK = 0.02


def sdp(data: bytes) -> None:
    """A session description: read, written, read again; answered as an offer, and taken as an answer."""
    try:
        description = SessionDescription.parse(data)
    except SdpError:
        return
    assert SessionDescription.parse(description.serialise()) == description
    try:
        answer, _ = make_answer(data, _LOCAL)
    except NotAcceptable:
        pass
    else:
        answered = SessionDescription.parse(answer).media
        assert [media.media for media in answered] == [media.media for media in description.media]
        make_offer(_LOCAL, answer)
    try:
        negotiated = read_answer(_LOCAL, make_offer(_LOCAL), data)
    except NotAcceptable:
        return
    assert 0 < negotiated.remote_port < 65536
    assert negotiated.payload_type in range(128)


def framing(data: bytes) -> None:
    """A stream, whole and cut after each byte that the first one tells: the same messages, and the same end."""
    if not data:
        return
    whole, cut = Framing(), Framing()
    stream, step = data[1:], 1 + data[0] % 64
    messages = whole.receive(stream)
    pieces = (stream[at : at + step] for at in range(0, len(stream), step))
    assert [message for piece in pieces for message in cut.receive(piece)] == messages
    assert cut.broken == whole.broken
    assert sum(len(message) for message in messages if message != PING) <= len(stream)
    for message in messages:
        parse(message)


def media(data: bytes) -> None:
    """Datagrams of RTP and RTCP, each behind a byte with its length: as a leg hears them, tick by tick."""
    session = RtpSession(ssrc=1, sequence=1, timestamp=1, cname="us", now=0.0)
    buffer, digits = JitterBuffer(), DigitReceiver()
    now = 0.0
    for datagram in _datagrams(data):
        now += _TICK
        if is_rtcp(datagram):
            session.receive_rtcp(datagram, now)
        elif (packet := hear(session, datagram, now, {0, 8, 101})) is not None:
            if packet.payload_type == 101:
                digits.receive(packet, now)
            else:
                buffer.add(packet.sequence, packet.timestamp, packet.payload, now, packet.marker)
        digits.handle_timer(now)
        buffer.pop(now)
    assert parse_compound(session.report(now, now)) is not None
    assert parse_compound(session.bye(now, now)) is not None
    assert session.statistics().packets_received >= 0


def _datagrams(data: bytes) -> Iterator[bytes]:
    while data:
        length = data[0]
        yield data[1 : 1 + length]
        data = data[1 + length :]


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "framing": framing,
    "media": media,
    "sdp": sdp,
    "signalling": signalling,
}
