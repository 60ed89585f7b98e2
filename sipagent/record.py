"""The record of a call: who rang, what was said by whom, how long each answer took. One JSON object."""

from dataclasses import asdict, dataclass, field

from sipagent.events import (
    AgentSaid,
    CallAnswered,
    CallerSaid,
    CallMeasured,
    CallReceived,
    DigitReceived,
    Disconnected,
    MediaStarted,
    ProviderFailed,
    SpeechEnded,
    Stamped,
)


@dataclass(slots=True, kw_only=True)
class Turn:
    """One thing said. `at` is seconds from the INVITE; `heard` is what of the agent's text was sent to the caller.

    `latency_ms`: from the recogniser's word that the caller had stopped to the first audio of the answer.
    """

    who: str
    text: str
    at: float
    heard: str = ""
    interrupted: bool = False
    latency_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """Built from the events of one call; complete once `Disconnected` and `CallMeasured` were among them."""

    call_id: str
    engine: str = ""
    """`cloud`, or `local` for the keyless demo's engines."""
    caller: str = ""
    called: str = ""
    codec: str = ""
    encryption: str = ""
    answered_ms: int | None = None
    duration: float | None = None
    ended_by: str = ""
    reason: str = ""
    digits: str = ""
    media: dict[str, object] = field(default_factory=dict)
    """How the call sounded, as `CallMeasured` has it."""
    turns: list[Turn] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _began: float = 0.0
    _caller_stopped: float | None = None
    _latency_ms: int | None = None

    def take(self, stamped: Stamped) -> None:
        """Take one event of the call into account."""
        at = stamped.time - self._began
        match stamped.event:
            case CallReceived(caller=caller, called=called):
                self._began, self.caller, self.called = stamped.time, caller, called
            case CallAnswered(codec=codec, encryption=encryption):
                self.codec, self.encryption = codec, encryption
                self.answered_ms = self.answered_ms if self.answered_ms is not None else round(at * 1000)
            case SpeechEnded():
                self._caller_stopped = stamped.time
            case MediaStarted() if self._caller_stopped is not None:
                self._latency_ms = round((stamped.time - self._caller_stopped) * 1000)
                self._caller_stopped = None
            case CallerSaid(text=text):
                self.turns.append(Turn(who="caller", text=text, at=round(at, 3)))
            case AgentSaid(generated_text=text, heard_text=heard, interrupted=interrupted):
                turn = Turn(who="agent", text=text, at=round(at, 3), heard=heard, interrupted=interrupted)
                turn.latency_ms, self._latency_ms = self._latency_ms, None
                self.turns.append(turn)
            case DigitReceived(digit=digit):
                self.digits += digit
            case ProviderFailed(reason=reason):
                self.failures.append(reason)
            case Disconnected(by=by, reason=reason):
                self.duration, self.ended_by, self.reason = round(at, 3), by, reason
            case CallMeasured() as measured:
                self.media = asdict(measured)

    @property
    def is_complete(self) -> bool:
        """The call is over, and its media are."""
        return self.duration is not None and bool(self.media)

    def as_json(self) -> dict[str, object]:
        """Return the public fields, for `json.dumps`."""
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}
