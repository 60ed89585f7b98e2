"""The official clients drive the local servers, end to end: their types are the judge of ours.

tests/local judges every single frame by the same types.
"""

import asyncio
import base64
import json
from collections.abc import Iterator

import pytest
from cartesia import AsyncCartesia
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeErrorEvent, ResponseDoneEvent, ResponseTextDoneEvent, SessionUpdatedEvent

from sipagent.local.servers import LocalServers
from tests.local.wire import SILENCE, Running, running, turn

VOICE = "a0e99841-438c-4a64-b679-ae501e7d6091"


@pytest.fixture(scope="module")
def local() -> Iterator[Running]:
    """Both servers."""
    with running(LocalServers()) as servers:
        yield servers


def test_openais_client_talks_by_voice_and_gets_text(local: Running) -> None:
    async def call() -> tuple[str, str | None, str]:
        client = AsyncOpenAI(api_key="local", base_url=local.servers.openai_url)
        text, status, heard = "", None, ""
        async with client.realtime.connect(model="gpt-realtime-1.5") as connection:
            await connection.session.update(
                session={
                    "type": "realtime",
                    "instructions": "You are a receptionist.",
                    "output_modalities": ["text"],
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcmu"},
                            "transcription": {"model": "gpt-4o-mini-transcribe"},
                            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
                        }
                    },
                }
            )
            audio = turn("What are your opening hours?")
            for start in range(0, len(audio), 320):
                await connection.input_audio_buffer.append(audio=base64.b64encode(audio[start : start + 320]).decode())
            async for event in connection:
                if event.type == "response.output_text.done":
                    assert isinstance(event, ResponseTextDoneEvent)
                    text = event.text
                elif event.type == "conversation.item.input_audio_transcription.completed":
                    heard = event.transcript
                elif event.type == "response.done":
                    assert isinstance(event, ResponseDoneEvent)
                    status = event.response.status
                elif event.type == "rate_limits.updated":
                    break
        return text, status, heard

    text, status, heard = local.run(asyncio.wait_for(call(), 30))
    assert "nine in the morning" in text
    assert status == "completed"
    assert heard == "what are your opening hours"


def test_openais_client_is_told_what_ga_refuses(local: Running) -> None:
    async def call() -> tuple[RealtimeErrorEvent, SessionUpdatedEvent]:
        client = AsyncOpenAI(api_key="local", base_url=local.servers.openai_url)
        async with client.realtime.connect(model="gpt-realtime-1.5") as connection:
            await connection.recv()
            beta = {"type": "session.update", "event_id": "e1", "session": {"type": "realtime", "turn_detection": None}}
            await connection.send_raw(json.dumps(beta))
            refused = await connection.recv()
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            accepted = await connection.recv()
            assert isinstance(refused, RealtimeErrorEvent)
            assert isinstance(accepted, SessionUpdatedEvent)
            return refused, accepted

    refused, accepted = local.run(asyncio.wait_for(call(), 30))
    assert (refused.error.code, refused.error.param) == ("unknown_parameter", "session.turn_detection")
    assert refused.error.event_id == "e1"
    assert accepted.session.type == "realtime"


def test_cartesias_client_streams_a_context(local: Running) -> None:
    async def call() -> tuple[list[str], bytes, list[str]]:
        client = AsyncCartesia(
            api_key="local",
            base_url=local.servers.cartesia_url,
            websocket_base_url=local.servers.cartesia_url.replace("http", "ws", 1),
        )
        kinds: list[str] = []
        audio = b""
        words: list[str] = []
        async with client.tts.websocket_connect() as connection:
            context = connection.context(
                model_id="sonic-3",
                voice=VOICE,
                output_format={"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
                language="en",
                add_timestamps=True,
                max_buffer_delay_ms=0,
            )
            await context.push("Hello! ")
            await context.push("How can I help today?")
            await context.no_more_inputs()
            async for response in context.receive():
                kinds.append(response.type)
                if response.type == "chunk" and response.audio:
                    audio += response.audio
                elif response.type == "timestamps" and response.word_timestamps:
                    words += response.word_timestamps.words
        return kinds, audio, words

    kinds, audio, words = local.run(asyncio.wait_for(call(), 30))
    assert kinds[-1] == "done"
    assert kinds.count("done") == 1
    assert words == ["Hello!", "How", "can", "I", "help", "today?"]
    assert len(audio) > 8000
    assert audio.count(SILENCE) < len(audio) / 2
