"""Clients that speak raw frames to the local servers. Every frame that comes is judged by the official SDK's types."""

import asyncio
import base64
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sipagent.audio import g711
from sipagent.local.clips import CALLER_VOICE
from sipagent.local.say import render
from sipagent.local.servers import LocalServers
from tests.providers.oracle import check_cartesia_server, check_openai_server

Frame = dict[str, Any]
Result = TypeVar("Result")

PATIENCE = 20.0
SILENCE = g711.SILENCE[g711.PCMU]
SECOND = g711.RATE


@dataclass(frozen=True, kw_only=True)
class Running:
    """Local servers in a loop of their own, that lasts over many tests."""

    runner: asyncio.Runner
    servers: LocalServers

    def run(self, test: Coroutine[Any, Any, Result]) -> Result:
        """Run a test's coroutine beside the servers."""
        return self.runner.run(test)


@contextlib.contextmanager
def running(servers: LocalServers) -> Iterator[Running]:
    """Have the servers run."""
    with asyncio.Runner() as runner:
        runner.run(servers.__aenter__())
        try:
            yield Running(runner=runner, servers=servers)
        finally:
            runner.run(servers.__aexit__(None, None, None))


class RealtimeClient:
    """A client of OpenAI Realtime: one connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> Frame:
        async with asyncio.timeout(PATIENCE):
            frame: Frame = json.loads(await self.connection.recv())
        check_openai_server(frame)
        return frame

    async def until(self, kind: str) -> list[Frame]:
        """The frames up to the next of this type, it included."""
        frames = [await self.receive()]
        while frames[-1]["type"] != kind:
            frames.append(await self.receive())
        return frames

    async def rest(self) -> list[Frame]:
        """The frames up to the close."""
        frames: list[Frame] = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(await self.receive())
        return frames

    async def configure(self, **session: Any) -> Frame:
        """Update the session: text output and PCMU, if nothing else is said; returns the session as it is then."""
        audio = {"input": {"format": {"type": "audio/pcmu"}}}
        settings = {"type": "realtime", "output_modalities": ["text"], "audio": audio, **session}
        await self.send("session.update", session=settings)
        session_now: Frame = (await self.until("session.updated"))[-1]["session"]
        return session_now

    async def hear(self, audio: bytes, pause: float = 0.0) -> None:
        """Let the server hear G.711, 40 ms a frame, as fast as it takes them, or with a pause after each."""
        for start in range(0, len(audio), 320):
            frame = base64.b64encode(audio[start : start + 320]).decode()
            await self.send("input_audio_buffer.append", audio=frame)
            await asyncio.sleep(pause)

    async def write(self, text: str) -> None:
        """Add a typed message of the user's."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.send("conversation.item.create", item=item)
        await self.until("conversation.item.done")

    async def ask(self, text: str) -> str:
        """Type a message, and return the answer's text."""
        await self.write(text)
        await self.send("response.create")
        return text_of(await self.until("rate_limits.updated"))


@contextlib.asynccontextmanager
async def realtime(
    servers: LocalServers, query: str = "?model=gpt-realtime-1.5", headers: dict[str, str] | None = None
) -> AsyncIterator[RealtimeClient]:
    """Connect to the local OpenAI, and take `session.created`."""
    url = servers.openai_url.replace("http", "ws", 1) + "/realtime" + query
    async with connect(url, additional_headers=headers or {"Authorization": "Bearer test"}) as connection:
        client = RealtimeClient(connection)
        if headers is None:
            assert (await client.receive())["type"] == "session.created"
        yield client


class SpeechClient:
    """A client of Cartesia's TTS socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def request(self, context_id: str, transcript: str, **fields: Any) -> None:
        request = {
            "context_id": context_id,
            "transcript": transcript,
            "model_id": "sonic-3",
            "voice": {"mode": "id", "id": "a0e99841-438c-4a64-b679-ae501e7d6091"},
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
            **fields,
        }
        await self.connection.send(json.dumps(request))

    async def cancel(self, context_id: str) -> None:
        await self.connection.send(json.dumps({"context_id": context_id, "cancel": True}))

    async def receive(self) -> Frame:
        async with asyncio.timeout(PATIENCE):
            frame: Frame = json.loads(await self.connection.recv())
        check_cartesia_server(frame)
        return frame

    async def until(self, kind: str) -> list[Frame]:
        """The frames up to the next of this type, it included."""
        frames = [await self.receive()]
        while frames[-1]["type"] != kind:
            frames.append(await self.receive())
        return frames


@contextlib.asynccontextmanager
async def speech(
    servers: LocalServers, version: str = "2026-03-01", query: str = "", key: str = "test"
) -> AsyncIterator[SpeechClient]:
    """Connect to the local Cartesia."""
    url = servers.cartesia_url.replace("http", "ws", 1) + "/tts/websocket" + query
    headers = {"X-API-Key": key, "Cartesia-Version": version}
    async with connect(url, additional_headers=headers) as connection:
        yield SpeechClient(connection)


@functools.cache
def said(text: str, voice: str = CALLER_VOICE) -> bytes:
    """A sentence in mu-law, in the synthetic voice."""
    return g711.encode(render(text, voice=voice), g711.PCMU)


def turn(text: str, voice: str = CALLER_VOICE) -> bytes:
    """A sentence as a caller says it: half a second before, and more than a second after."""
    return SILENCE * (SECOND // 2) + said(text, voice) + SILENCE * (SECOND * 5 // 4)


def kinds(frames: list[Frame]) -> list[str]:
    """The types of frames, repeated ones once."""
    names = [frame["type"] for frame in frames]
    return [name for before, name in zip(["", *names], names, strict=False) if name != before]


def text_of(frames: list[Frame]) -> str:
    """The answer in the frames of a response."""
    return "".join(frame["text"] for frame in frames if frame["type"] == "response.output_text.done")


def audio_of(frames: list[Frame]) -> bytes:
    """The sound in the chunks of a context."""
    return b"".join(base64.b64decode(frame["data"]) for frame in frames if frame["type"] == "chunk")
