"""Scripted providers in memory: they speak the wire protocols of OpenAI Realtime and Cartesia TTS, on virtual time.

    openai = ScriptedOpenAI("It left this morning.", ToolUse("hang_up"))
    ...
    openai.caller_says("Where is my parcel?")            speech_started, speech_stopped, … the next answer streams

Nothing is understood: answers come in the order given. What they are sent is kept in `received`, and `faults` has one
`Fault` for each connection in turn.
"""

from sipagent.testing.scripted_cartesia import ScriptedCartesia
from sipagent.testing.scripted_openai import Failure, ScriptedOpenAI, Silence, ToolUse
from sipagent.testing.socket import Fault, ScriptedSocket

__all__ = ["Failure", "Fault", "ScriptedCartesia", "ScriptedOpenAI", "ScriptedSocket", "Silence", "ToolUse"]
