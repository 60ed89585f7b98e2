"""Half-cascade as a scenario: OpenAI Realtime hears and thinks in text, Cartesia speaks.

For those who come from VoxEngine: `call.answer`, `sendMediaTo`, `responseCreate`, `clearBuffer` and the rest have
their names in snake case. Two differences: `turn_detection` stands where OpenAI's GA API wants it, and audio formats
are never given, as they follow the call's codec.
"""

import logging

from sipagent import (
    CartesiaTTS,
    InboundCall,
    OpenAIRealtime,
    ProviderEvent,
    SpeechStarted,
    TextDone,
    run,
)

SYSTEM_PROMPT = """
You are Voxi, a helpful phone assistant.
Keep responses short and telephony-friendly.
Reply in English.
"""
CARTESIA_MODEL_ID = "sonic-2"
CARTESIA_VOICE_ID = "a0e99841-438c-4a64-b679-ae501e7d6091"

log = logging.getLogger("half_cascade")


async def half_cascade(incoming: InboundCall) -> None:
    """Answer, greet, and speak what the model writes; stop when the caller interrupts."""
    async with (
        OpenAIRealtime(
            model="gpt-realtime-1.5",
            instructions=SYSTEM_PROMPT,
            session={"turn_detection": {"type": "server_vad", "interrupt_response": True}},
        ) as ai,
        CartesiaTTS(voice=CARTESIA_VOICE_ID, model=CARTESIA_MODEL_ID, language="en") as tts,
    ):
        call = await incoming.answer()
        # call.record("call.wav", stereo=True)
        call.send_media_to(ai)
        tts.send_media_to(call)
        ai.create_response(instructions="Hello! How can I help today?")
        async for event in call.events(ai, tts):
            match event:
                case TextDone(text=text):
                    log.info("===AGENT_TEXT=== %s", text)
                    tts.say(text)
                case SpeechStarted():
                    log.info("===BARGE-IN===")
                    tts.clear()
                case ProviderEvent(provider=provider, type=kind):
                    log.debug("===%s.%s===", provider, kind)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    run(half_cascade)
