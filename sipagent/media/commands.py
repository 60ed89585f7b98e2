"""What the loop asks of the media engine. Applied in order at the start of a tick; values that a journal can hold.

A leg is named by a number that its plane gives it. A command for a leg that is gone does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """What offer and answer settled, seen from our side. Audio goes out 20 ms a packet, whatever the peer prefers.

    `encoding` and `payload_type` are what we send; `receive_payload_types` says what each number that may come means
    (`pcmu` or `pcma`). `sends` and `receives` are our direction (RFC 3264 section 5.1).
    """

    remote_host: str
    remote_port: int
    remote_rtcp_host: str
    remote_rtcp_port: int
    encoding: str
    payload_type: int
    receive_payload_types: Mapping[int, str]
    event_payload_type: int | None = None
    receive_event_payload_types: frozenset[int] = field(default_factory=frozenset)
    sends: bool = True
    receives: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLeg:
    """Begin a leg. `ssrc`, `sequence` and `timestamp` are random (RFC 3550 section 5.1).

    `wall_offset` is what to add to the engine's clock to get seconds since 1970; `rtp_timeout` is in seconds, 0
    for never; `uplink_ms`, 20 to 100 in steps of 20, is how much audio comes in one `UplinkBlock`. With `trace` every
    tick of the leg leaves a `TickRecord`.
    """

    leg: int
    ssrc: int
    sequence: int
    timestamp: int
    cname: str
    wall_offset: float = 0.0
    rtp_timeout: float = 60.0
    uplink_ms: int = 40
    trace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMedia:
    """Send and receive so from now on. Nothing leaves before the first of these."""

    leg: int
    settings: StreamSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Queue speech: `audio` in `encoding`, `marks` as (offset in samples, name)."""

    leg: int
    audio: bytes
    encoding: str
    marks: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Drop the speech that waits; answered by `SpeechCleared`."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigit:
    """Press one key, after the speech queued so far."""

    leg: int
    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Leave `Tape` events from now on."""

    leg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """Send what the peer of `leg` says to the peer of `other`, in place of comfort noise; None: no longer.

    While it does, `leg` leaves no `UplinkBlock`. Key presses are not passed on.
    """

    leg: int
    other: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLeg:
    """Say BYE by RTCP and end the leg; answered by `LegClosed`, the last event of the leg."""

    leg: int


Command = OpenLeg | SetMedia | Speak | Clear | SendDigit | Record | Bridge | CloseLeg
