"""OpenAI Realtime on loopback, with a receptionist for a model: `python -m sipagent.local.openai_server`.

ws://127.0.0.1:PORT/v1/realtime?model=…     any key but `bad`
"""

import asyncio
import json
import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse

from sipagent.audio import g711
from sipagent.local import loopback
from sipagent.local.faults import Plan, deliver
from sipagent.local.openai_response import Pace, Speaker
from sipagent.local.openai_service import EXPIRED, PCM_RATE, RealtimeSession
from sipagent.local.openai_session import MAX_AGE
from sipagent.local.receptionist import Script
from sipagent.local.recogniser_pool import RecogniserPool
from sipagent.local.voice import Voice

_PATH = "/v1/realtime"
_ID_CHARACTERS = string.ascii_letters + string.digits
BETA_OFF = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."


class OpenAIServer:
    """Sessions on connections. One voice and one pool of recognisers serve them all."""

    def __init__(self, *, pool: RecogniserPool, voice: Voice, script: Script, pace: Pace, max_age: float) -> None:
        self._pool, self._voice, self._script, self._pace, self._max_age = pool, voice, script, pace, max_age

    def door(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        """Refuse what the service refuses before the upgrade."""
        if urlsplit(request.path).path != _PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "Invalid URL: only /v1/realtime is here.\n")
        if not _key_of(request):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Missing bearer authentication in header.\n")
        return None

    async def handle(self, connection: ServerConnection, plan: Plan) -> None:
        """Serve one session, from its connection to its close."""
        assert connection.request is not None
        outbox: asyncio.Queue[str] = asyncio.Queue()
        if (refusal := _refusal(connection.request)) is not None:
            error, code, reason = refusal
            if error:
                await connection.send(json.dumps(error))
            return await connection.close(code, reason)
        session = self._open(_model_of(connection.request), outbox)
        expiry = asyncio.create_task(self._expire(session, connection, outbox))
        delivery = asyncio.create_task(deliver(connection, outbox, plan))
        try:
            session.start()
            async for frame in connection:
                session.receive(frame)
        except ConnectionClosed:
            pass
        finally:
            session.close()
            expiry.cancel()
            delivery.cancel()

    def _open(self, model: str, outbox: asyncio.Queue[str]) -> RealtimeSession:
        return RealtimeSession(
            model=model,
            send=lambda event: outbox.put_nowait(json.dumps(event)),
            new_id=new_id,
            recognise=self._pool.recognise,
            speaker=lambda output_format: SpokenFormat(self._voice, output_format),
            script=self._script,
            pace=self._pace,
            now=lambda: datetime.now().astimezone(),
        )

    async def _expire(self, session: RealtimeSession, connection: ServerConnection, outbox: asyncio.Queue[str]) -> None:
        await asyncio.sleep(self._max_age)
        session.expire()
        await outbox.join()
        await connection.close(1001, EXPIRED)


class SpokenFormat(Speaker):
    """espeak-ng's voice in an output format of OpenAI's."""

    def __init__(self, voice: Voice, output_format: Mapping[str, Any]) -> None:
        self._voice = voice
        self._encoding = output_format["type"].removeprefix("audio/")

    @property
    def bytes_per_second(self) -> int:
        """16-bit samples for PCM, bytes for G.711."""
        return PCM_RATE * 2 if self._encoding == "pcm" else g711.RATE

    def audio(self, text: str) -> bytes:
        """Speak the text."""
        speech = self._voice.speak(text)
        if self._encoding == "pcm":
            return speech.at(PCM_RATE).samples.astype("<i2").tobytes()
        return g711.encode(speech.at(g711.RATE).samples, self._encoding)


def new_id(kind: str) -> str:
    """A fresh id in the service's form: `item_` and 21 letters and digits."""
    return f"{kind}_" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(21))


def _refusal(request: Request) -> tuple[dict[str, Any] | None, int, str] | None:
    """What the service says after the upgrade to one it does not serve: an event, the close code and the reason."""
    if "OpenAI-Beta" in request.headers:
        error = {"type": "invalid_request_error", "code": "beta_api_shape_disabled", "message": BETA_OFF}
        event = {"type": "error", "event_id": new_id("event"), "error": {**error, "param": None, "event_id": None}}
        return event, 4000, "invalid_request_error.beta_api_shape_disabled"
    if _key_of(request) == "bad":
        return None, 3000, "invalid_request_error.invalid_api_key"
    if not _model_of(request):
        return None, 4000, "invalid_request_error.missing_model"
    return None


def _model_of(request: Request) -> str:
    return parse_qs(urlsplit(request.path).query).get("model", [""])[0]


def _key_of(request: Request) -> str:
    """The key, from the header, or from the subprotocol that browsers use."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    keys = [each.strip().removeprefix(_KEY_PROTOCOL) for each in offered if each.strip().startswith(_KEY_PROTOCOL)]
    return request.headers.get("Authorization", "").removeprefix("Bearer").strip() or next(iter(keys), "")


_KEY_PROTOCOL = "openai-insecure-api-key."


async def main() -> None:
    """Serve until our parent leaves."""
    options = loopback.arguments("OpenAI Realtime on loopback, with a receptionist for a model.")
    options.add_argument("--first-token-ms", type=int, default=20, help="a real model takes 200 to 500")
    options.add_argument("--max-age", type=float, default=MAX_AGE, help="seconds until a session expires")
    chosen = options.parse_args()
    async with RecogniserPool().running() as pool:
        server = OpenAIServer(
            pool=pool,
            voice=Voice(),
            script=Script.load(),
            pace=Pace(first_token=chosen.first_token_ms / 1000),
            max_age=chosen.max_age,
        )
        await loopback.serve_until_parent_leaves(server.handle, server.door, chosen)


if __name__ == "__main__":
    asyncio.run(main())
