"""sipagent: a telephone with an AI agent inside.

    from sipagent import Agent, run

    run(Agent("You are Voxi, a helpful phone assistant.", greeting="Hello! How can I help today?"))

The rarer events are in `sipagent.events`. Names are imported when they are first used: the local engines' processes
need a small part of the house only.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipagent.agent.agent import Agent
    from sipagent.agent.tools import tool
    from sipagent.call import Call, connect_media
    from sipagent.config import Account, secret
    from sipagent.events import (
        AgentSaid,
        CallerSaid,
        DigitReceived,
        Disconnected,
        Event,
        ProviderClosed,
        ProviderEvent,
        ProviderFailed,
        SpeechEnded,
        SpeechStarted,
        TextDelta,
        TextDone,
        ToolCall,
    )
    from sipagent.phone import Softphone
    from sipagent.providers.cartesia_tts import CartesiaTTS
    from sipagent.providers.openai_realtime import OpenAIRealtime
    from sipagent.ringing import InboundCall, OutboundCall
    from sipagent.service import run

__all__ = [
    "Account",
    "Agent",
    "AgentSaid",
    "Call",
    "CallerSaid",
    "CartesiaTTS",
    "DigitReceived",
    "Disconnected",
    "Event",
    "InboundCall",
    "OpenAIRealtime",
    "OutboundCall",
    "ProviderClosed",
    "ProviderEvent",
    "ProviderFailed",
    "Softphone",
    "SpeechEnded",
    "SpeechStarted",
    "TextDelta",
    "TextDone",
    "ToolCall",
    "connect_media",
    "run",
    "secret",
    "tool",
]

_HOMES = {
    "agent.agent": ["Agent"],
    "agent.tools": ["tool"],
    "call": ["Call", "connect_media"],
    "config": ["Account", "secret"],
    "phone": ["Softphone"],
    "providers.cartesia_tts": ["CartesiaTTS"],
    "providers.openai_realtime": ["OpenAIRealtime"],
    "ringing": ["InboundCall", "OutboundCall"],
    "service": ["run"],
}
"""Where each name lives; what is not here is an event."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'sipagent' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "events")
    found: object = getattr(import_module(f"sipagent.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
