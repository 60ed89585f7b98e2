"""What happens on a call, as values: the same dozen for every provider, and the provider's own frames beside them.

An event says *what*; the stream that carries it says when and on which call (`Stamped`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The common type of everything that `call.events()` and `on()` deliver."""


# ---- the conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """The recogniser heard the caller begin to speak."""

    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(Event):
    """The recogniser heard the caller stop."""

    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSaid(Event):
    """What the caller said, as recognised. May come late: after, inside or before the answer to it."""

    text: str
    item_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(Event):
    """A piece of the model's answer, as it streams."""

    text: str
    response_id: str = ""
    item_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDone(Event):
    """A whole text part of the model's answer. Never comes out for an interrupted response."""

    text: str
    response_id: str = ""
    item_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone(Event):
    """Everything of one answer of the model has come. `status`: `completed`, `cancelled`, `incomplete` or `failed`."""

    response_id: str
    status: str = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(Event):
    """The model asks for a tool. `arguments` is the parsed JSON object."""

    name: str
    arguments: Mapping[str, Any]
    tool_call_id: str
    response_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSaid(Event):
    """One turn of the agent is over: what it meant to say, and what the caller really got."""

    heard_text: str
    generated_text: str
    interrupted: bool = False


# ---- the telephone


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitReceived(Event):
    """One key press of the caller, once, whichever way it came: `rfc4733`, `inband` (as tones), or `info`."""

    digit: str
    method: str = "rfc4733"
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStarted(Event):
    """The first audio of a stream begins to play."""

    source: str
    tag: str = ""
    encoding: str = ""
    custom_parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaEnded(Event):
    """A stream had nothing left to play for a second, or was stopped. `duration` is the time it played, in seconds."""

    source: str
    tag: str = ""
    duration: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged(Event):
    """The call was put on hold (`held`) or taken back: by the far end (`by="caller"`), or by `hold` and `resume`."""

    held: bool
    by: str = "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Event):
    """A text (SIP MESSAGE) from the far end of a call, or from somebody who has none with us. `sender` is a URI."""

    sender: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgressed(Event):
    """A call of ours is not answered yet: it rings (180), or as the words say. `media`: there is something to hear."""

    code: int
    reason: str
    media: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressHeard(Event):
    """What the line told without words, to a call that listens for it (`Call.listen_for_progress`).

    `sign`: `ringback`, `busy` or `music`, told once while it goes on; `beep`, told each time, as soon as it is over.
    """

    sign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferProgress(Event):
    """How far the caller has got on the way to `target`, a name of [transfer].

    `state`: `started`, `accepted` (the far end puts the caller through), `ringing`, and at last `answered` or `failed`;
    then the caller talks to the agent again. `code` and `reason` are those of SIP, 0 where nobody gave one.
    """

    target: str
    state: str
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMoved(Event):
    """The call goes on with another far end: the old one sent us there, or let the new one take its place."""

    far_end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(Event):
    """The call was not established, or broke. `outcome` says why in the words of `errors.Outcome`: `busy`, …"""

    code: int
    reason: str
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(Event):
    """The call is over. `by` is `caller` (`callee` of a call that we placed), `us` or `network`."""

    reason: str = ""
    by: str = "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMeasured(Event):
    """How a call sounded, and what the network did to it: told to those who watch the phone, when the media are over.

    `score` is how we heard the far end, `remote_score` how it heard us: mean opinions from 1 to 4.4 by the E-model
    (ITU-T G.107), as if all codecs were G.711. `loss` is the part of the packets that could not be played, `lost` and
    `late` the reasons; `unauthentic` packets were not encrypted with the far end's key. `jitter_ms` is RFC 3550's,
    `delay_ms` what our jitter buffer held at the end. What begins with `remote` and the round trip are known by the far
    end's reports: None where it sent none, as `score` is where nothing came. Frames of ours that left late, right
    behind another, were bunched; those that did not leave at all were skipped.
    """

    score: float | None = None
    packets_received: int = 0
    loss: float = 0.0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    foreign: int = 0
    unauthentic: int = 0
    concealed_ms: int = 0
    jitter_ms: float = 0.0
    delay_ms: float = 0.0
    remote_score: float | None = None
    packets_sent: int = 0
    remote_loss: float | None = None
    remote_jitter_ms: float | None = None
    round_trip_ms: float | None = None
    frames_bunched: int = 0
    frames_skipped: int = 0


# ---- the providers


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent(Event):
    """One frame of a provider under its name on the wire, known to us or not."""

    provider: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderClosed(Event):
    """The provider's socket is closed. `clean` is true after a closing handshake (RFC 6455 section 7.1.4)."""

    provider: str
    code: int
    reason: str = ""
    clean: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFailed(Event):
    """The provider cannot be used: a wrong key, a refused upgrade, silence past its deadline.

    `reason` is a sentence for the operator; it begins with the provider's name.
    """

    provider: str
    reason: str
    status: int | None = None


# ---- the phone (no call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Event):
    """The registrar accepted our Contact for `expires` seconds."""

    account: str
    registrar: str
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFailed(Event):
    """The registrar refused, or did not answer; we try again in `retry_after` seconds."""

    account: str
    registrar: str
    code: int
    reason: str
    hint: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReceived(Event):
    """An INVITE that we accept to handle. `line` is the account or trunk that it came by, if by any."""

    caller: str
    called: str
    display_name: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Event):
    """200 OK has left (or come): the call stands.

    `codec` is what we send; `encryption` the suite of SRTP (RFC 4568), empty where speech is in the clear.
    """

    codec: str
    encryption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerRefused(Event):
    """Somebody rang who may not. `cure` is the line of sip.conf that would let them in."""

    source: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something an operator should read: a cause and a cure in one sentence."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """An event with its time (seconds on the phone's clock) and its call (empty for the phone's own)."""

    time: float
    call_id: str
    event: Event
