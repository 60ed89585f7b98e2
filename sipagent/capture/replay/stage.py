"""The world of a replay: ids, datagrams, provider frames and media ticks come from the journal, nothing from outside.

    journal ─► Stage.script() ─► VirtualLoop.play ─► the phone, which cannot tell
                   │
                   ├─ id     ─► what `ids` draws, in the order of each kind
                   ├─ sip    ─► the endpoint's receiver
                   ├─ open, refused, frame, close ─► the providers' sockets
                   ├─ stopped ─► the phone is put away, as it was then
                   ├─ tool   ─► the result of a tool, which is not run
                   └─ tick   ─► Media.tick with the same commands and arrivals, and its events to the leg

What the phone sends or records goes nowhere: its tap keeps what is compared.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from sipagent.capture.bundle import Capture
from sipagent.capture.journal import Record
from sipagent.capture.replay.ids import PlayedIds
from sipagent.capture.replay.media import PlayedPlane
from sipagent.capture.replay.provider import PlayedProviders
from sipagent.capture.replay.signalling import PlayedEndpoint
from sipagent.capture.replay.tools import PlayedTools
from sipagent.media import Tape
from sipagent.recorder import Recorder
from sipagent.world import World


class Stage:
    """Plays the journal of one capture to a phone that was built on its `world`."""

    def __init__(self, capture: Capture, *, record: bool = False) -> None:
        self._capture = capture
        self._ids = PlayedIds(capture)
        self._endpoint = PlayedEndpoint(capture)
        self._plane = PlayedPlane(capture, record=record)
        self._providers = PlayedProviders()
        self._tools = PlayedTools()
        self.stop: Callable[[], None] = lambda: None
        """Called where the phone was put away in the middle of the call."""
        self.over = asyncio.Event()
        """The whole journal has been played."""

    @property
    def world(self) -> World:
        """What the phone takes for the machine it runs on."""
        return World(
            ids=self._ids,
            open_endpoint=self._endpoint.open,
            resolve=self._endpoint.resolve,
            media=self._plane,
            open_socket=self._providers.open_socket,
            run_tool=self._tools.run,
            make_recorder=_record_nowhere,
        )

    @property
    def tapes(self) -> list[Tape]:
        """Both sides' audio, with `record`."""
        return self._plane.tapes

    @property
    def complaint(self) -> str:
        """Where the phone asked its media for less than it did then; empty if nowhere."""
        return self._plane.complaint

    def script(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """Return the journal as steps in time, and at the end a last one that sets `over`."""
        time = self._capture.header.time
        for record in self._capture.records:
            time = record.time
            if (step := self._step(record)) is not None:
                yield time, step
        yield time, self._finish

    def _step(self, record: Record) -> Callable[[], None] | None:
        """Return what a record does when it is played; None for what is there for people to read."""
        data = record.data
        match record.kind:
            case "sip":
                datagram = self._capture.datagrams[data["pcap"]]
                return lambda: self._endpoint.play(datagram, data)
            case "open" | "refused" | "frame" | "close":
                return lambda: self._providers.play(record.kind, data)
            case "stopped":
                return lambda: self.stop()
            case "tool":
                return lambda: self._tools.play(data)
            case "tick":
                return lambda: self._plane.tick(data)
            case _:
                return None

    def _finish(self) -> None:
        self._providers.finish()
        self.over.set()


def _record_nowhere(path: Path, *, stereo: bool, hd_audio: bool) -> Recorder:
    """A replay does what was done, and leaves the recording of that call alone."""
    return Recorder(Path(os.devnull), stereo=stereo, hd_audio=hd_audio)
