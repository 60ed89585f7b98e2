"""Whose turn it is, as a table: what happens in the call against what the agent does about it.

    LISTENING ── the caller stops ─► THINKING ── first audio ─► SPEAKING ── all heard ─► LISTENING
        ▲                               │ fails                    │ fails
        └──────── the caller starts ────┴──────────► RETRYING ◄────┘
                                                        ├ first audio ─► RESUMED (as SPEAKING, the last attempt)
                                                        └ fails again ─► ENDING ─► OVER

RESTORING is LISTENING while the mind's socket is being replaced.
"""

from enum import Enum


class TurnState(Enum):
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    RETRYING = "retrying"
    RESUMED = "resumed"
    RESTORING = "restoring"
    ENDING = "ending"
    OVER = "over"


class TurnInput(Enum):
    CALLER_STARTED = "caller started"
    CALLER_STOPPED = "caller stopped"
    ASKED = "asked"
    """An answer was asked for: a greeting, a digit, a tool's result."""
    VOICED = "voiced"
    """Audio of the agent leaves."""
    SPOKEN = "spoken"
    """Nothing is left to say, and nothing is expected."""
    MIND_FAILED = "mind failed"
    """An expected answer will not come."""
    MIND_LOST = "mind lost"
    """The mind failed while nothing was expected of it."""
    VOICE_FAILED = "voice failed"
    RESTORED = "restored"
    BROKEN = "broken"
    """Failed so that another attempt is of no use."""
    FAREWELL = "farewell"
    EXPIRED = "expired"
    """The end took too long."""
    GONE = "gone"


class TurnAction(Enum):
    NOTHING = "nothing"
    STOP = "stop"
    """Be silent at once; what was not heard is forgotten."""
    REASK = "reask"
    """Ask for the answer again, over a fresh socket."""
    RESAY = "resay"
    """Say what was not heard again, over a fresh socket."""
    RESTORE = "restore"
    APOLOGISE = "apologise"
    TAKE_LEAVE = "take leave"
    HANG_UP = "hang up"
    CLOSE = "close"


_S, _I, _A = TurnState, TurnInput, TurnAction

_FIRST_FAILURES = {
    _I.MIND_FAILED: (_S.RETRYING, _A.REASK),
    _I.MIND_LOST: (_S.RESTORING, _A.RESTORE),
    _I.VOICE_FAILED: (_S.RETRYING, _A.RESAY),
}
_LAST_FAILURES = {
    _I.MIND_FAILED: (_S.ENDING, _A.APOLOGISE),
    _I.MIND_LOST: (_S.ENDING, _A.APOLOGISE),
    _I.VOICE_FAILED: (_S.ENDING, _A.APOLOGISE),
}
_ALWAYS = {
    _I.BROKEN: (_S.ENDING, _A.APOLOGISE),
    _I.FAREWELL: (_S.ENDING, _A.TAKE_LEAVE),
    _I.GONE: (_S.OVER, _A.CLOSE),
    _I.CALLER_STARTED: (_S.LISTENING, _A.STOP),
}

_BY_STATE = {
    _S.LISTENING: {
        **_ALWAYS,
        _I.CALLER_STOPPED: (_S.THINKING, _A.NOTHING),
        _I.ASKED: (_S.THINKING, _A.NOTHING),
        _I.VOICED: (_S.SPEAKING, _A.NOTHING),
        _I.MIND_FAILED: (_S.RETRYING, _A.REASK),
        _I.MIND_LOST: (_S.RESTORING, _A.RESTORE),
    },
    _S.THINKING: {
        **_ALWAYS,
        **_FIRST_FAILURES,
        _I.VOICED: (_S.SPEAKING, _A.NOTHING),
        _I.SPOKEN: (_S.LISTENING, _A.NOTHING),
    },
    _S.SPEAKING: {**_ALWAYS, **_FIRST_FAILURES, _I.SPOKEN: (_S.LISTENING, _A.NOTHING)},
    _S.RETRYING: {
        **_ALWAYS,
        **_LAST_FAILURES,
        _I.VOICED: (_S.RESUMED, _A.NOTHING),
        _I.SPOKEN: (_S.LISTENING, _A.NOTHING),
    },
    _S.RESUMED: {**_ALWAYS, **_LAST_FAILURES, _I.SPOKEN: (_S.LISTENING, _A.NOTHING)},
    _S.RESTORING: {
        **_ALWAYS,
        **_LAST_FAILURES,
        _I.CALLER_STOPPED: (_S.THINKING, _A.NOTHING),
        _I.ASKED: (_S.THINKING, _A.NOTHING),
        _I.RESTORED: (_S.LISTENING, _A.NOTHING),
    },
    _S.ENDING: {
        _I.SPOKEN: (_S.OVER, _A.HANG_UP),
        _I.VOICE_FAILED: (_S.OVER, _A.HANG_UP),
        _I.EXPIRED: (_S.OVER, _A.HANG_UP),
        _I.GONE: (_S.OVER, _A.CLOSE),
    },
    _S.OVER: {},
}

TABLE = {(state, what): step for state, row in _BY_STATE.items() for what, step in row.items()}
"""Every pair that does something. Any other leaves the state as it is."""


class Turn:
    """The machine: takes inputs, keeps the state, says what to do."""

    def __init__(self) -> None:
        self.state = TurnState.LISTENING

    def receive(self, what: TurnInput) -> TurnAction:
        """Take one input; return the action for it."""
        self.state, action = TABLE.get((self.state, what), (self.state, TurnAction.NOTHING))
        return action
