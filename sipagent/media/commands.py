"""What the loop asks of the media engine. Applied in order at the start of a tick; values that a journal can hold.

A leg is named by a number that its plane gives it. A command for a leg that is gone does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sipagent.rtp.srtp import SrtpKeys

_STRAIGHT_THROUGH = ("pcmu", "pcma")
"""Codecs that providers take as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """What offer and answer settled, seen from our side. Audio goes out 20 ms a packet, whatever the peer prefers.

    `codec` (`pcmu`, `pcma`, `g722`, `opus`) and `payload_type` are what we send, `codec_parameters` what the peer asks
    of it by `a=fmtp`; `receive_payload_types` says what each number that may come means. `event_clock` is the rate of
    the key presses that we send, `receive_event_payload_types` says that of each number that may come. With `rtcp_mux`
    reports go to and from the RTP port (RFC 5761). `sends` and `receives` are our direction (RFC 3264 section 5.1).
    """

    remote_host: str
    remote_port: int
    remote_rtcp_host: str
    remote_rtcp_port: int
    rtcp_mux: bool = False
    codec: str
    codec_parameters: Mapping[str, str] = field(default_factory=dict)
    payload_type: int
    receive_payload_types: Mapping[int, str]
    event_payload_type: int | None = None
    event_clock: int = 8000
    receive_event_payload_types: Mapping[int, int] = field(default_factory=dict)
    comfort_noise_payload_type: int | None = None
    """What goes out once a second in our pauses (RFC 3389), in place of a packet every 20 ms; None: nothing does."""
    keys: SrtpKeys | None = None
    """What RTP and RTCP are encrypted with, both ways; None: nothing is."""
    sends: bool = True
    receives: bool = True
    held: bool = False
    """The peer keeps us on hold, and may send nothing though we would hear it."""

    @property
    def encoding(self) -> str:
        """What the leg takes and gives: G.711 as it is on the wire, anything else as `pcm`."""
        return self.codec if self.codec in _STRAIGHT_THROUGH else "pcm"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLeg:
    """Begin a leg. `ssrc`, `sequence` and `timestamp` are random (RFC 3550 section 5.1).

    `phase` says in which part of every 20 ms the leg is moved. With `stride` 2 what it hears is played in every second
    tick, two frames at a time, unless somebody would notice. `wall_offset` is what to add to the engine's clock to
    get seconds since 1970; `rtp_timeout` is in seconds, 0 for never. `uplink_ms`, 20 to 100 in steps of 20, is how much
    audio comes in one `UplinkBlock` while the caller may be talking, `quiet_uplink_ms` how much does in their silence.
    With `trace` every tick of the leg leaves a `TickRecord`.
    """

    leg: int
    ssrc: int
    sequence: int
    timestamp: int
    cname: str
    phase: int = 0
    stride: int = 1
    wall_offset: float = 0.0
    rtp_timeout: float = 60.0
    uplink_ms: int = 40
    quiet_uplink_ms: int = 100
    trace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMedia:
    """Send and receive so from now on. Nothing leaves before the first of these."""

    leg: int
    settings: StreamSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Queue speech: `audio` in `encoding`, `marks` as (offset in units of 1/8000 s, name)."""

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
    """Leave `Tape` events from now on; with `masked` they hold silence, as long as what was said meanwhile."""

    leg: int
    masked: bool = False


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
