"""The way to a Realtime session: a socket, the session set up on it, and what waits until it is.

connecting ─► session.created ─► session.update ─► session.updated: everything that waited goes out
                                                 └► error: refused
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from sipagent.agent.interfaces import Close, FrameSocket
from sipagent.errors import ProviderError
from sipagent.providers.connection import Connection, Leaving, Readiness
from sipagent.providers.openai_session import Keys, format_of, merge
from sipagent.providers.openai_uplink import Uplink, append_frame

PROBE_PATIENCE = 2.0
"""Seconds that a server has to show that it still lives."""
SETUP_PATIENCE = 5.0
"""Seconds that it has for `session.created` on an open socket, and for each answer until the session is set up."""

SETUP = "setup"
PROBE = "probe"
"""Event ids of our own updates; an `error` names the event that it is about."""


class LinkReports(Protocol):
    """Who is told what comes over a link, and how it ends."""

    def take_frame(self, frame: Mapping[str, Any]) -> None:
        """The server sent a frame."""

    def lost(self, how: Close | ProviderError) -> None:
        """The link is gone; another may be opened."""


class RealtimeLink:
    """One session after the other, each with the same `session` object, which `declare` changes.

    `send` works at any time: frames wait for the session. Audio that no turn was made of goes to the next session too.
    """

    def __init__(self, session: Keys, encoding: str, reports: LinkReports) -> None:
        self.session = session
        self._encoding = encoding
        self._reports = reports
        self._connection: Connection | None = None
        self._is_set_up = False
        self._waiting: list[str] = []
        self._uplink = Uplink(encoding)
        self._probe: asyncio.TimerHandle | None = None
        self._readiness = Readiness("OpenAIRealtime")
        self._leaving = Leaving()

    def begin(self) -> None:
        """A session is about to be opened: `ready` is about that one from now on, whoever waited for the last too."""
        self._readiness.begin()

    def open(self, socket: FrameSocket, url: str, headers: Mapping[str, str]) -> None:
        """Open the session on a new socket, in the background."""
        self._connection = Connection(
            "openai", socket, url, headers, opened=self._opened, receive=self._receive, ended=self._ended
        )

    async def ready(self) -> None:
        """Return once the session is set up. Raises the ProviderError given to `fail` otherwise."""
        await self._readiness.wait()

    def fail(self, error: ProviderError) -> None:
        """The session cannot be used."""
        self.leave()
        self._readiness.fail(error)

    def leave(self) -> None:
        """Let the socket close in the background; nothing more is heard of it."""
        self._is_set_up = False
        self._stop_probe()
        if self._connection is not None:
            self._leaving.leave(self._connection)
            self._connection = None

    async def close(self) -> None:
        """Close the socket, and wait for the end of all that were left."""
        self.leave()
        await self._leaving.over()

    # ---- what goes out

    def send(self, type: str, **fields: Any) -> None:
        """Send a client event now, or as soon as the session is set up."""
        self._put(json.dumps({"type": type, **fields}, ensure_ascii=False))

    def wait_with(self, frames: Iterable[Mapping[str, Any]]) -> None:
        """Let these wait for the session, and nothing that waited before."""
        self._waiting = [json.dumps(frame, ensure_ascii=False) for frame in frames]

    def declare(self, keys: Keys) -> None:
        """Change the session, this one and those to come."""
        merge(self.session, keys)
        if self._is_set_up:
            self.send("session.update", session={"type": "realtime", **keys})

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Pass audio on as it is; another encoding than before is declared first."""
        if self._connection is None:
            return
        if encoding != self._encoding:
            self._encoding = encoding
            self._uplink.change(encoding)
            self.declare({"audio": {"input": format_of(encoding)}})
        self._uplink.take(audio)
        if self._is_set_up:
            self._connection.send(append_frame(audio))
            if self._uplink.is_suspicious(asyncio.get_running_loop().time(), voiced=voiced):
                self._ask_for_life()

    def speech_started(self) -> None:
        """The server heard the caller begin to speak."""
        self._uplink.speech_started()

    def take_turn(self) -> bytes:
        """The server has made a turn of the audio that was sent; return it."""
        return self._uplink.take_turn()

    def _put(self, frame: str) -> None:
        if self._is_set_up and self._connection is not None:
            self._connection.send(frame)
        else:
            self._waiting.append(frame)

    def _ask_for_life(self) -> None:
        """Update nothing: a server that lives always answers."""
        if self._probe is None:
            self.send("session.update", event_id=PROBE, session={"type": "realtime"})
            self._expect_a_frame(PROBE_PATIENCE)

    def _expect_a_frame(self, patience: float) -> None:
        self._probe = asyncio.get_running_loop().call_later(patience, self._is_deaf)

    def _is_deaf(self) -> None:
        self._probe = None
        self.leave()
        self._reports.lost(ProviderError("openai", "it does not answer"))

    def _stop_probe(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None

    # ---- what comes in

    def _opened(self) -> None:
        """An open socket is no session: an update before `session.created` may be ignored."""
        self._expect_a_frame(SETUP_PATIENCE)

    def _receive(self, frame: Mapping[str, Any]) -> None:
        if self._is_set_up:
            self._uplink.answered()
        self._stop_probe()
        kind = frame.get("type")
        if kind == "session.created" and self._connection is not None:
            setup = {"type": "session.update", "event_id": SETUP, "session": self.session}
            self._connection.send(json.dumps(setup, ensure_ascii=False))
            self._expect_a_frame(SETUP_PATIENCE)
        self._reports.take_frame(frame)
        if kind == "session.updated" and not self._is_set_up:
            self._set_up()

    def _set_up(self) -> None:
        """Everything that waited goes out, the conversation before the audio."""
        self._is_set_up = True
        waiting, self._waiting = self._waiting, []
        for frame in waiting:
            self._put(frame)
        for audio in self._uplink.again():
            self._put(append_frame(audio))
        self._readiness.stand()

    def _ended(self, how: Close | ProviderError) -> None:
        self._connection = None
        self._is_set_up = False
        self._stop_probe()
        self._reports.lost(how)
