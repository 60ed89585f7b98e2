"""Offer and answer for one audio stream (RFC 3264): PCMU, PCMA and telephone events.

make_offer(local) ─► peer ─► read_answer(local, answer) ─► Negotiated
peer ─► make_answer(offer, local) ─► answer, Negotiated
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from sipagent.errors import NotAcceptable
from sipagent.sdp.description import Attribute, MediaDescription, Origin, SdpError, SessionDescription

PTIME = 20
"""Milliseconds of audio in the packets that we send, and ask for."""

_STATIC_TYPES = {"PCMU": 0, "PCMA": 8}
"""Payload types that need no rtpmap (RFC 3551 section 6)."""
_STATIC_NAMES = {number: f"{name}/8000" for name, number in _STATIC_TYPES.items()}
_EVENT = "TELEPHONE-EVENT"
_EVENT_TYPE = 101
_EVENTS = "0-16"
"""Keys and hook flash (RFC 4733 section 3.2)."""
_PLAIN_PROFILES = ("RTP/AVP", "RTP/AVPF")
"""AVPF adds feedback that nobody must send (RFC 4585 section 3.1), so it is spoken by who speaks AVP."""


class Direction(Enum):
    """Which way audio flows, seen from whoever wrote the attribute (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> "Direction":
        """The direction of somebody who sends and receives, or not."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> "Direction":
        """The same flow, seen from the other side."""
        return Direction.of(sends=self.receives, receives=self.sends)

    @property
    def on_hold(self) -> "Direction":
        """What to offer so that the other side stops to speak (RFC 3264 section 8.4)."""
        return Direction.of(sends=self.sends, receives=False)

    def limited_to(self, other: "Direction") -> "Direction":
        """What both allow."""
        return Direction.of(sends=self.sends and other.sends, receives=self.receives and other.receives)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """What we are ready for. `version` grows by one with every description that differs (RFC 3264 section 8)."""

    host: str
    port: int
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    session_id: int
    version: int
    direction: Direction = Direction.SENDRECV


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiated:
    """What both sides agreed on, seen from us.

    `encoding` is `pcmu` or `pcma`. `payload_type` and `event_payload_type` are what we send; the peer may use any of
    `receive_payload_types` (by number, the encoding) and `receive_event_payload_types`. `ptime` is what the peer asked
    for, in milliseconds. `held`: the peer does not want to hear us now. `remote_port` is 0 while the stream is off, and
    `remote_rtcp_port` also while the peer holds with the address 0.0.0.0: then no RTCP may leave either.
    """

    remote_host: str
    remote_port: int
    remote_rtcp_host: str
    remote_rtcp_port: int
    encoding: str
    payload_type: int
    receive_payload_types: Mapping[int, str]
    event_payload_type: int | None
    receive_event_payload_types: frozenset[int]
    direction: Direction
    ptime: int
    held: bool


def make_offer(local: LocalMedia, previous: bytes | None = None) -> bytes:
    """Describe what we are ready for.

    `previous` is the last description of ours in the same session: a further offer repeats its number of streams, those
    that are off included, and its payload types (RFC 3264 section 8). Raises SdpError when it is none.
    """
    if previous is None:
        return _session(local, (_audio(local, _formats(local.codecs)),)).serialise()
    before = SessionDescription.parse(previous)
    audio = [index for index, media in enumerate(before.media) if media.media == "audio"]
    ours = next((index for index in audio if before.media[index].port), audio[0])
    event_types = _types_of(before.media[ours], _EVENT)
    formats = _formats(local.codecs, event_types[0] if event_types else _EVENT_TYPE)
    media = [_audio(local, formats) if index == ours else _refused(line) for index, line in enumerate(before.media)]
    return _session(local, tuple(media)).serialise()


def make_answer(offer: bytes, local: LocalMedia) -> tuple[bytes, Negotiated]:
    """Answer an offer: its first audio stream that we can speak; every other stream is refused with port 0.

    Codecs keep the offerer's order and payload types, as RFC 3264 section 6.1 asks for. A stream offered with port 0 is
    answered so, and nothing flows. Raises NotAcceptable (SIP 488) when nothing is left to speak, or the body is no SDP.
    """
    remote = _parse(offer)
    index = _chosen(remote, local)
    stream = remote.media[index]
    negotiated = _negotiate(remote, stream, local)
    formats = _common_formats(stream, local)
    ours = (
        _audio(local, formats, protocol=stream.protocol, direction=negotiated.direction)
        if stream.port
        else _refused(stream)
    )
    media = tuple(ours if place == index else _refused(other) for place, other in enumerate(remote.media))
    return _session(local, media, time=remote.time).serialise(), negotiated


def read_answer(local: LocalMedia, answer: bytes) -> Negotiated:
    """Read the answer to an offer of ours. Raises NotAcceptable when it refuses our stream, or is no SDP."""
    remote = _parse(answer)
    stream = remote.media[_chosen(remote, local)]
    if not stream.port:
        raise NotAcceptable("the answer refuses the audio stream")
    negotiated = _negotiate(remote, stream, local)
    if negotiated.event_payload_type is None or _EVENT_TYPE in _format_names(stream):
        return negotiated
    # A peer that answers with a number of its own still has to send with ours (RFC 3264 section 5.1).
    return replace(negotiated, receive_event_payload_types=negotiated.receive_event_payload_types | {_EVENT_TYPE})


# ---- what the peer wrote


def _parse(body: bytes) -> SessionDescription:
    try:
        return SessionDescription.parse(body)
    except SdpError as error:
        raise NotAcceptable(str(error)) from error


def _chosen(remote: SessionDescription, local: LocalMedia) -> int:
    """The place of the stream to speak on: the first that is on, else the first that is off for now."""
    speakable = [index for index, media in enumerate(remote.media) if _is_speakable(media, local)]
    if not speakable:
        offered = ", ".join(f"{media.media} {media.protocol} {' '.join(media.formats)}" for media in remote.media)
        raise NotAcceptable(f"we speak {', '.join(local.codecs)} in RTP/AVP; the peer offers {offered[:200]!r}")
    return next((index for index in speakable if remote.media[index].port), speakable[0])


def _is_speakable(media: MediaDescription, local: LocalMedia) -> bool:
    return media.media == "audio" and media.protocol in _PLAIN_PROFILES and bool(_common_codecs(media, local))


def _negotiate(remote: SessionDescription, stream: MediaDescription, local: LocalMedia) -> Negotiated:
    host = _host(remote, stream)
    payload_type, encoding = next(iter(_common_codecs(stream, local).items()))
    event_types = _types_of(stream, _EVENT)
    peer = _direction_of_peer(remote, stream, host)
    rtcp_host, rtcp_port = _rtcp(stream, host)
    return Negotiated(
        remote_host=host,
        remote_port=stream.port,
        remote_rtcp_host=rtcp_host,
        remote_rtcp_port=rtcp_port,
        encoding=encoding,
        payload_type=payload_type,
        receive_payload_types=_common_codecs(stream, local),
        event_payload_type=event_types[0] if event_types else None,
        receive_event_payload_types=frozenset(event_types),
        direction=peer.reversed.limited_to(local.direction),
        ptime=_ptime(stream),
        held=not peer.receives,
    )


def _common_codecs(media: MediaDescription, local: LocalMedia) -> dict[int, str]:
    """The codecs that both have, by the peer's payload type and in the peer's order."""
    ours = {f"{codec}/8000" for codec in local.codecs}
    return {number: name.partition("/")[0].lower() for number, name in _format_names(media).items() if name in ours}


def _common_formats(media: MediaDescription, local: LocalMedia) -> dict[int, str]:
    """The formats of our answer: common codecs, then telephone events, under the peer's payload types."""
    names = _format_names(media)
    events = _types_of(media, _EVENT)[:1]
    return {number: names[number] for number in [*_common_codecs(media, local), *events]}


def _types_of(media: MediaDescription, name: str) -> list[int]:
    """The payload types of a format of this name at 8000 Hz."""
    return [number for number, full_name in _format_names(media).items() if full_name == f"{name}/8000"]


def _format_names(media: MediaDescription) -> dict[int, str]:
    """`NAME/RATE` of each payload type, from its rtpmap or from RFC 3551; formats of neither kind are left out."""
    mapped = {}
    for value in media.values("rtpmap"):
        number, _, name = value.partition(" ")
        # One channel is what an audio format has unless it says otherwise (RFC 8866 section 6.6).
        mapped[number] = name.strip().upper().removesuffix("/1")
    types = [text for text in media.formats if text.isascii() and text.isdecimal() and len(text) <= 3]
    names = {int(text): mapped.get(text, _STATIC_NAMES.get(int(text), "")) for text in types}
    return {number: name for number, name in names.items() if name and number < 128}


def _host(remote: SessionDescription, stream: MediaDescription) -> str:
    host = remote.host_of(stream)
    if host is None:
        raise NotAcceptable("the description has no c= line")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise NotAcceptable(f"c= names {host!r}, which is no IP address") from None
    if address.is_multicast:
        raise NotAcceptable(f"c= names the multicast group {host}; we speak with one peer")
    return host


def _direction_of_peer(remote: SessionDescription, stream: MediaDescription, host: str) -> Direction:
    """The peer's direction. The address 0.0.0.0 is the old way not to receive (RFC 3264 section 8.4)."""
    if not stream.port:
        return Direction.INACTIVE
    names = [attribute.name for attribute in (*stream.attributes, *remote.attributes)]
    stated = next((Direction(name) for name in names if name in {item.value for item in Direction}), Direction.SENDRECV)
    receives = stated.receives and not ipaddress.ip_address(host).is_unspecified
    return Direction.of(sends=stated.sends, receives=receives)


def _rtcp(stream: MediaDescription, host: str) -> tuple[str, int]:
    """Where the peer receives RTCP: the next port, or what `a=rtcp` says (RFC 3605); port 0 where it receives none."""
    if not stream.port or ipaddress.ip_address(host).is_unspecified:
        return host, 0
    fields = (stream.attribute("rtcp") or "").split()
    if not fields or not (fields[0].isascii() and fields[0].isdecimal() and 0 < int(fields[0]) < 65536):
        return host, stream.port + 1
    try:
        return str(ipaddress.ip_address(fields[3])), int(fields[0])
    except (IndexError, ValueError):
        return host, int(fields[0])


def _ptime(stream: MediaDescription) -> int:
    value = stream.attribute("ptime") or ""
    return int(value) if value.isascii() and value.isdecimal() and 10 <= int(value) <= 200 else PTIME


# ---- what we write


def _session(local: LocalMedia, media: tuple[MediaDescription, ...], time: str = "0 0") -> SessionDescription:
    origin = Origin(session_id=str(local.session_id), version=str(local.version), host=local.host)
    return SessionDescription(origin=origin, host=local.host, time=time, media=media)


def _formats(codecs: tuple[str, ...], event_type: int = _EVENT_TYPE) -> dict[int, str]:
    formats = {_STATIC_TYPES[codec]: f"{codec}/8000" for codec in codecs}
    return {**formats, event_type: f"{_EVENT}/8000"}


def _audio(
    local: LocalMedia,
    formats: Mapping[int, str],
    *,
    protocol: str = "RTP/AVP",
    direction: Direction | None = None,
) -> MediaDescription:
    attributes = []
    for number, name in formats.items():
        is_event = name == f"{_EVENT}/8000"
        attributes.append(Attribute("rtpmap", f"{number} {name.lower() if is_event else name}"))
        if is_event:
            attributes.append(Attribute("fmtp", f"{number} {_EVENTS}"))
    attributes += [Attribute("ptime", str(PTIME)), Attribute((direction or local.direction).value)]
    return MediaDescription(
        media="audio",
        port=local.port,
        protocol=protocol,
        formats=tuple(map(str, formats)),
        attributes=tuple(attributes),
    )


def _refused(media: MediaDescription) -> MediaDescription:
    """The same stream with port 0 (RFC 3264 section 6); one without formats, which is wrong, gets one."""
    return MediaDescription(media=media.media, port=0, protocol=media.protocol, formats=media.formats or ("0",))
