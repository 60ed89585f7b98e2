"""Offer and answer for one audio stream (RFC 3264): codecs, key presses, keys of SRTP (RFC 4568).

make_offer(local) ─► peer ─► read_answer(local, offer, answer) ─► Negotiated
peer ─► make_answer(offer, local) ─► answer, Negotiated
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sipagent.errors import NotAcceptable
from sipagent.sdp import crypto, formats, peer
from sipagent.sdp.crypto import Crypto, Encryption, MediaKeys
from sipagent.sdp.description import Attribute, MediaDescription, Origin, SdpError, SessionDescription
from sipagent.sdp.direction import Direction
from sipagent.sdp.formats import Format

PTIME = 20
"""Milliseconds of audio in the packets that we send, and ask for."""

_PLAIN_PROFILES = ("RTP/AVP", "RTP/AVPF")
"""AVPF adds feedback that nobody must send (RFC 4585 section 3.1), so it is spoken by who speaks AVP."""
_SECURE_PROFILES = ("RTP/SAVP", "RTP/SAVPF")
_MUX = "rtcp-mux"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """What we are ready for. `version` grows by one with every description that differs (RFC 3264 section 8).

    `codecs` by their names in this house, best first; without `key_events` keys are pressed, and heard, as tones in the
    audio; `keys` to encrypt with, by suite, best first (`crypto.SUITES`).
    """

    host: str
    port: int
    codecs: tuple[str, ...] = ("pcmu", "pcma")
    session_id: int
    version: int
    key_events: bool = True
    direction: Direction = Direction.SENDRECV
    encryption: Encryption = Encryption.OFF
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiated:
    """What both sides agreed on, seen from us.

    We send `codec` (`pcmu`, `pcma`, `g722`, `opus`) as `payload_type`, the way `codec_parameters` asks for, and key
    presses as `event_payload_type` at the rate `event_clock`. The peer may use any of `receive_payload_types` (by
    number, the codec) and `receive_event_payload_types` (by number, the clock). `keys`: every packet is encrypted;
    None: none is. `held`: the peer does not want to hear us now. `remote_port` is 0 while the stream is off, and
    `remote_rtcp_port` also while the peer holds with the address 0.0.0.0: then no RTCP may leave either.
    """

    remote_host: str
    remote_port: int
    remote_rtcp_host: str
    remote_rtcp_port: int
    rtcp_mux: bool
    codec: str
    codec_parameters: Mapping[str, str]
    payload_type: int
    receive_payload_types: Mapping[int, str]
    event_payload_type: int | None
    event_clock: int
    receive_event_payload_types: Mapping[int, int]
    comfort_noise_payload_type: int | None
    keys: MediaKeys | None
    direction: Direction
    held: bool


def make_offer(local: LocalMedia, previous: bytes | None = None) -> bytes:
    """Describe what we are ready for.

    `previous` is the last description of ours in the same session: a further offer repeats its number of streams, those
    that are off included, its payload types (RFC 3264 section 8), its profile, and the suites that it had keys for.
    Raises SdpError when it is none.
    """
    if previous is None:
        return _session(local, (_offered_stream(local, None),)).serialise()
    before = SessionDescription.parse(previous)
    audio = [index for index, media in enumerate(before.media) if media.media == "audio"]
    ours = next((index for index in audio if before.media[index].port), audio[0])
    media = [
        _offered_stream(local, line) if index == ours else _refused(line) for index, line in enumerate(before.media)
    ]
    return _session(local, tuple(media)).serialise()


def make_answer(offer: bytes, local: LocalMedia) -> tuple[bytes, Negotiated]:
    """Answer an offer: its first audio stream that we can speak, an encrypted one before others; every other stream is
    refused with port 0.

    Codecs keep the offerer's order and payload types, as RFC 3264 section 6.1 asks for. A stream offered with port 0 is
    answered so, and nothing flows. Raises NotAcceptable (SIP 488) when nothing is left to speak, or the body is no SDP.
    """
    remote = _parse(offer)
    index = _chosen(remote, local)
    stream = remote.media[index]
    line = _crypto(stream, local)
    kept = formats.common(formats.formats_of(stream), local.codecs, key_events=local.key_events)
    negotiated = _negotiate(remote, stream, local, heard=kept, line=line, mux=stream.attribute(_MUX) is not None)
    ours = _refused(stream)
    if stream.port:
        lines = () if line is None else (Crypto(tag=line.tag, suite=line.suite, key=local.keys[line.suite]),)
        ours = _audio(local, kept, stream.protocol, negotiated.direction, lines=lines, mux=negotiated.rtcp_mux)
    media = tuple(ours if place == index else _refused(other) for place, other in enumerate(remote.media))
    return _session(local, media, time=remote.time).serialise(), negotiated


def read_answer(local: LocalMedia, offer: bytes, answer: bytes) -> Negotiated:
    """Read the answer to `offer`, which is ours. Raises NotAcceptable when it refuses our stream, or is no SDP.

    A peer that answers with numbers of its own is sent those, and still has to send with ours (RFC 3264 section 5.1).
    """
    remote = _parse(answer)
    stream = remote.media[_chosen(remote, local)]
    if not stream.port:
        raise NotAcceptable("the answer refuses the audio stream")
    asked = _asked(offer)
    answered = formats.formats_of(stream)
    wanted = {format.same for format in answered.values()}
    ours = {number: format for number, format in formats.formats_of(asked).items() if format.same in wanted}
    mux = asked.attribute(_MUX) is not None and stream.attribute(_MUX) is not None
    line = _crypto(stream, local) if asked.attribute("crypto") is not None else None
    return _negotiate(remote, stream, local, heard=answered | ours, line=line, mux=mux)


# ---- what the peer wrote


def _parse(body: bytes) -> SessionDescription:
    try:
        return SessionDescription.parse(body)
    except SdpError as error:
        raise NotAcceptable(str(error)) from error


def _chosen(remote: SessionDescription, local: LocalMedia) -> int:
    """The place of the stream to speak on: one that is on before one that is off, and encrypted before plain."""
    speakable = [index for index, media in enumerate(remote.media) if _is_speakable(media, local)]
    if not speakable:
        raise NotAcceptable(_why_not(remote, local))
    return min(speakable, key=lambda index: (not remote.media[index].port, _crypto(remote.media[index], local) is None))


def _asked(offer: bytes) -> MediaDescription:
    """The stream of an offer of ours; where all are off, none can be answered."""
    streams = (media for media in _parse(offer).media if media.media == "audio" and media.port)
    if (stream := next(streams, None)) is None:
        raise NotAcceptable("the answer turns on a stream that the offer had off")
    return stream


def _is_speakable(media: MediaDescription, local: LocalMedia) -> bool:
    if media.media != "audio" or not formats.codecs_in(formats.formats_of(media), local.codecs):
        return False
    if not media.port:
        return media.protocol in (*_PLAIN_PROFILES, *_SECURE_PROFILES)
    if media.protocol in _PLAIN_PROFILES:
        return local.encryption is not Encryption.REQUIRE or _crypto(media, local) is not None
    return media.protocol in _SECURE_PROFILES and _crypto(media, local) is not None


def _why_not(remote: SessionDescription, local: LocalMedia) -> str:
    profiles = {
        Encryption.OFF: "RTP/AVP, without encryption (srtp = off)",
        Encryption.OFFER: "RTP/AVP, or RTP/SAVP with a key in a=crypto",
        Encryption.REQUIRE: "RTP/SAVP with a key in a=crypto, and nothing in the clear (srtp = require)",
    }
    codecs = ", ".join(formats.CODECS[codec].name for codec in local.codecs)
    streams = ", ".join(f"{media.media} {media.protocol} {' '.join(media.formats)}" for media in remote.media)
    suites = ", ".join(crypto.suites_in(value for media in remote.media for value in media.values("crypto")))
    keys = f", with keys for {suites[:200]}" if suites else ""
    return f"we speak {codecs} in {profiles[local.encryption]}; the peer offers {streams[:200]!r}{keys}"


def _crypto(media: MediaDescription, local: LocalMedia) -> Crypto | None:
    """The peer's key that we go with; None where nothing will be encrypted."""
    return None if local.encryption is Encryption.OFF else crypto.chosen(media.values("crypto"), local.keys)


def _negotiate(
    remote: SessionDescription,
    stream: MediaDescription,
    local: LocalMedia,
    *,
    heard: Mapping[int, Format],
    line: Crypto | None,
    mux: bool,
) -> Negotiated:
    """Join what the peer wrote with what we want. `heard`: what each number that may come from it means."""
    if stream.port and line is None and local.encryption is Encryption.REQUIRE:
        raise NotAcceptable(_why_not(remote, local))
    host = peer.host(remote, stream)
    theirs = formats.formats_of(stream)
    payload_type, codec = next(iter(formats.codecs_in(theirs, local.codecs).items()))
    event_payload_type, event_clock = formats.events_for(codec, theirs if local.key_events else {})
    direction = peer.direction(remote, stream, host)
    rtcp_host, rtcp_port = peer.rtcp(stream, host, mux=mux)
    return Negotiated(
        remote_host=host,
        remote_port=stream.port,
        remote_rtcp_host=rtcp_host,
        remote_rtcp_port=rtcp_port,
        rtcp_mux=mux,
        codec=codec,
        codec_parameters=formats.parameters_of(stream, payload_type),
        payload_type=payload_type,
        receive_payload_types=formats.codecs_in(heard, local.codecs),
        event_payload_type=event_payload_type,
        event_clock=event_clock,
        receive_event_payload_types=formats.events_in(heard),
        comfort_noise_payload_type=formats.comfort_noise_in(theirs),
        keys=_keys(line, local),
        direction=direction.reversed.limited_to(local.direction),
        held=not direction.receives,
    )


def _keys(line: Crypto | None, local: LocalMedia) -> MediaKeys | None:
    if line is None:
        return None
    return MediaKeys(suite=line.suite, sending=local.keys[line.suite], receiving=line.key, mki_length=line.mki_length)


# ---- what we write


def _session(local: LocalMedia, media: tuple[MediaDescription, ...], time: str = "0 0") -> SessionDescription:
    origin = Origin(session_id=str(local.session_id), version=str(local.version), host=local.host)
    return SessionDescription(origin=origin, host=local.host, time=time, media=media)


def _offered_stream(local: LocalMedia, before: MediaDescription | None) -> MediaDescription:
    """Our stream in an offer. `before` is what it was; a stream that was off is described as if for the first time."""
    known = formats.formats_of(before) if before is not None else {}
    kept = formats.offered(local.codecs, known, key_events=local.key_events)
    if before is None or not before.port:
        profile = _SECURE_PROFILES[0] if local.encryption is Encryption.REQUIRE else _PLAIN_PROFILES[0]
        lines = () if local.encryption is Encryption.OFF else crypto.lines_of(local.keys)
        return _audio(local, kept, profile, lines=lines)
    mux = before.attribute(_MUX) is not None
    return _audio(local, kept, before.protocol, lines=_repeated(before, local), mux=mux)


def _repeated(stream: MediaDescription, local: LocalMedia) -> tuple[Crypto, ...]:
    """The crypto lines that a stream of ours had, with the keys of now."""
    lines = filter(None, map(Crypto.parse, stream.values("crypto")))
    return tuple(
        Crypto(tag=line.tag, suite=line.suite, key=local.keys[line.suite]) for line in lines if line.suite in local.keys
    )


def _audio(
    local: LocalMedia,
    kept: Mapping[int, Format],
    protocol: str,
    direction: Direction | None = None,
    *,
    lines: tuple[Crypto, ...] = (),
    mux: bool = False,
) -> MediaDescription:
    attributes = formats.attributes_of(kept)
    attributes += [Attribute("crypto", line.serialise()) for line in lines]
    attributes += [Attribute(_MUX)] if mux else []
    attributes += [Attribute("ptime", str(PTIME)), Attribute((direction or local.direction).value)]
    return MediaDescription(
        media="audio",
        port=local.port,
        protocol=protocol,
        formats=tuple(map(str, kept)),
        attributes=tuple(attributes),
    )


def _refused(media: MediaDescription) -> MediaDescription:
    """The same stream with port 0 (RFC 3264 section 6); one without formats, which is wrong, gets one."""
    return MediaDescription(media=media.media, port=0, protocol=media.protocol, formats=media.formats or ("0",))
