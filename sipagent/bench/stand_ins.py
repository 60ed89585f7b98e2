"""The stand-ins' process: OpenAI and Cartesia on one port, over TLS or plain; told what to do line by line.

python -m sipagent.bench.stand_ins [--certificate FILE]        says {"port": …} first

    {"do": "take"}                          what was counted since
    {"do": "barge_in", "seconds": 2.0}      every caller speaks once within this time
"""

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import uvloop

from sipagent.bench.board import Board
from sipagent.bench.realtime import RealtimeSession
from sipagent.bench.speech import SpeechSession
from sipagent.bench.websocket import CLOSE, PING, PONG, TEXT, ClientFrames, frame, read_upgrade

HOST = "127.0.0.1"
_HEAD_ENDS = b"\r\n\r\n"
_BEGIN = 0.2
"""Seconds before the first caller barges in."""


class StandIns:
    """All sessions of both providers, and what they counted."""

    def __init__(self) -> None:
        self.board = Board()
        self.sessions: set[RealtimeSession] = set()

    def obey(self, command: Mapping[str, Any]) -> object:
        """Do what a line says; return what is to be answered."""
        match command["do"]:
            case "take":
                return self.board.take()
            case "barge_in":
                return self._barge_in(command["seconds"])
            case unknown:
                raise ValueError(f"nobody can {unknown} here")

    def _barge_in(self, seconds: float) -> int:
        """Let every caller speak once, one after the other; the first when whoever asks for it has begun to listen."""
        loop = asyncio.get_running_loop()
        speaking = [session for session in self.sessions if session.call]
        for place, session in enumerate(speaking):
            loop.call_later(_BEGIN + place * seconds / len(speaking), session.barge_in)
        return len(speaking)


class Socket(asyncio.Protocol):
    """One connection of a client: the upgrade, then frames."""

    def __init__(self, stand_ins: StandIns) -> None:
        self._stand_ins = stand_ins
        self._head = b""
        self._frames = ClientFrames()
        self._session: RealtimeSession | SpeechSession | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._session is None:
            self._head += data
            if _HEAD_ENDS in self._head:
                self._upgrade()
            return
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self._session.receive(payload)
            elif opcode == PING:
                self._transport.write(frame(payload, PONG))
            elif opcode == CLOSE:
                self._transport.write(frame(payload[:2], CLOSE))
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._session is not None:
            self._session.close()
        if isinstance(self._session, RealtimeSession):
            self._stand_ins.sessions.discard(self._session)

    def _upgrade(self) -> None:
        upgrade = read_upgrade(self._head)
        if upgrade is None:
            self._transport.abort()
            return
        self._transport.write(upgrade.response)
        board, write = self._stand_ins.board, self._transport.write
        if upgrade.path.startswith("/v1/realtime"):
            self._session = session = RealtimeSession(board, write)
            self._stand_ins.sessions.add(session)
        else:
            self._session = SpeechSession(board, write)
        self._session.open()


async def serve(context: ssl.SSLContext | None) -> None:
    """Serve until the standard input ends."""
    stand_ins, loop = StandIns(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Socket(stand_ins), HOST, 0, ssl=context, backlog=1024)
    say({"port": server.sockets[0].getsockname()[1]})
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer)
    async for line in lines:
        say(stand_ins.obey(json.loads(line)))


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--certificate", type=Path)
    certificate = arguments.parse_args().certificate
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    uvloop.run(serve(context))


if __name__ == "__main__":
    main()
