"""Media: everything between the sockets and the agent, as a plain object that is moved by calls of `tick`.

    loop ─ Leg ─ commands ─► Media ─ departures ─► sockets
    loop ◄─ Leg ◄─ events ── Media ◄─ arrivals ─── sockets

The driver round it (`net.media_thread`, `testing.media`, a replay) has the clock and the sockets.
"""

from sipagent.media.commands import (
    Bridge,
    Clear,
    CloseLeg,
    Command,
    OpenLeg,
    Record,
    SendDigit,
    SetMedia,
    Speak,
    StreamSettings,
)
from sipagent.media.engine import Media
from sipagent.media.events import (
    RTCP,
    RTP,
    Arrival,
    Departure,
    DigitHeard,
    Drained,
    HostPort,
    Latched,
    LegClosed,
    LegFailed,
    LegStatistics,
    MarkPassed,
    MediaEvent,
    MediaLate,
    RtpTimeout,
    SpeechCleared,
    Tape,
    TickRecord,
    Unauthentic,
    UplinkBlock,
)
from sipagent.media.leg import Leg, SpeechListener
from sipagent.rtp.srtp import SrtpKeys

__all__ = [
    "RTCP",
    "RTP",
    "Arrival",
    "Bridge",
    "Clear",
    "CloseLeg",
    "Command",
    "Departure",
    "DigitHeard",
    "Drained",
    "HostPort",
    "Latched",
    "Leg",
    "LegClosed",
    "LegFailed",
    "LegStatistics",
    "MarkPassed",
    "Media",
    "MediaEvent",
    "MediaLate",
    "OpenLeg",
    "Record",
    "RtpTimeout",
    "SendDigit",
    "SetMedia",
    "Speak",
    "SpeechCleared",
    "SpeechListener",
    "SrtpKeys",
    "StreamSettings",
    "Tape",
    "TickRecord",
    "Unauthentic",
    "UplinkBlock",
]
