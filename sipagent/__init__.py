"""sipagent: a telephone with an AI agent inside.

from sipagent import Agent, run

run(Agent("You are Voxi, a helpful phone assistant.", greeting="Hello! How can I help today?"))
"""

from sipagent.agent.agent import Agent
from sipagent.agent.tools import tool
from sipagent.call import Call, InboundCall, OutboundCall, connect_media
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
