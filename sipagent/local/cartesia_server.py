"""Cartesia's TTS WebSocket on loopback, with espeak-ng for a voice: `python -m sipagent.local.cartesia_server`.

ws://127.0.0.1:PORT/tts/websocket     any key but `bad`, and a Cartesia-Version
"""

import asyncio
import json
import re
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sipagent.local import loopback
from sipagent.local.cartesia_service import Pace, SpeechSocket
from sipagent.local.faults import Plan, deliver, find
from sipagent.local.voice import Voice

IDLE_TIMEOUT = 300.0
"""Seconds without a frame of the client, after which the service closes."""
_PATH = "/tts/websocket"


class CartesiaServer:
    """Sockets of clients. One voice serves them all."""

    def __init__(self, *, voice: Voice, pace: Pace, max_contexts: int, idle_timeout: float) -> None:
        self._voice, self._pace, self._max_contexts, self._idle_timeout = voice, pace, max_contexts, idle_timeout

    def door(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what the service refuses before the upgrade."""
        if urlsplit(request.path).path != _PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "only /tts/websocket is here\n")
        if _key_of(request) in ("", "bad"):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "unauthorized: invalid API key\n")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", _version_of(request)):
            return connection.respond(HTTPStatus.BAD_REQUEST, "missing Cartesia-Version, such as 2026-03-01\n")
        return None

    async def handle(self, connection: ServerConnection, plan: Plan) -> None:
        """Serve one connection until the client closes it, or has been silent for too long."""
        assert connection.request is not None
        outbox: asyncio.Queue[str] = asyncio.Queue()
        late = find(plan, "late")
        socket = SpeechSocket(
            voice=self._voice,
            send=lambda frame: outbox.put_nowait(json.dumps(frame)),
            version=_version_of(connection.request),
            pace=self._pace,
            max_contexts=self._max_contexts,
            late_chunks=late.number(0, 3) if late else 0,
        )
        delivery = asyncio.create_task(deliver(connection, outbox, plan))
        try:
            while True:
                socket.receive(await asyncio.wait_for(connection.recv(), self._idle_timeout))
        except TimeoutError:
            await connection.close(1000, "connection idle timeout")
        except ConnectionClosed:
            pass
        finally:
            socket.close()
            delivery.cancel()


def _key_of(request: Request) -> str:
    header = request.headers.get("X-API-Key") or request.headers.get("Authorization", "").removeprefix("Bearer")
    return header.strip() or _query(request, "access_token") or _query(request, "api_key")


def _version_of(request: Request) -> str:
    return request.headers.get("Cartesia-Version", "") or _query(request, "cartesia_version")


def _query(request: Request, name: str) -> str:
    return parse_qs(urlsplit(request.path).query).get(name, [""])[0]


async def main() -> None:
    """Serve until our parent leaves."""
    options = loopback.arguments("Cartesia's TTS WebSocket on loopback, with espeak-ng for a voice.")
    options.add_argument("--first-chunk-ms", type=int, default=10, help="the service takes 60 to 200")
    options.add_argument("--max-contexts", type=int, default=0, help="active at once on a connection; 0 is no limit")
    options.add_argument("--idle-timeout", type=float, default=IDLE_TIMEOUT, help="seconds until an idle socket closes")
    chosen = options.parse_args()
    server = CartesiaServer(
        voice=Voice(),
        pace=Pace(first_chunk=chosen.first_chunk_ms / 1000),
        max_contexts=chosen.max_contexts,
        idle_timeout=chosen.idle_timeout,
    )
    await loopback.serve_until_parent_leaves(server.handle, server.door, chosen)


if __name__ == "__main__":
    asyncio.run(main())
