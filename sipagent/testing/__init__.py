"""What users test their agents with: virtual time, a network in memory, scripted providers, a caller, a replay.

from sipagent.testing import Rehearsal, ScriptedOpenAI, replay, run

def test_the_call_of_last_friday():
    replay("calls/20261120-104455-a84b4c76e667.pcap", agent=agent)
"""

from sipagent.testing.captures import replay
from sipagent.testing.clock import run
from sipagent.testing.network import Network
from sipagent.testing.phone import Caller, Rehearsal
from sipagent.testing.providers import Failure, Fault, ScriptedCartesia, ScriptedOpenAI, Silence, ToolUse

__all__ = [
    "Caller",
    "Failure",
    "Fault",
    "Network",
    "Rehearsal",
    "ScriptedCartesia",
    "ScriptedOpenAI",
    "Silence",
    "ToolUse",
    "replay",
    "run",
]
