"""The RTP of a replay: the real engine, ticked as the journal says, on the packets of the capture."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sipagent.capture.bundle import Capture
from sipagent.errors import NoPortFree
from sipagent.media import Arrival, Command, Leg, Media, MediaEvent, MediaLate, OpenLeg, Record, SetMedia, Tape


class PlayedPlane:
    """A media plane without thread and sockets: it ticks when the journal says, on what the journal says.

    A journal is of one call, and so of one leg. Its packets are plain, whatever was on the wire: a capture holds no
    keys. With `record` the plane leaves both sides' audio in `tapes`.
    """

    def __init__(self, capture: Capture, *, record: bool = False) -> None:
        self.tapes: list[Tape] = []
        self.complaint = ""
        """The first tick for which the phone had not asked for as much as it had then."""
        self._capture = capture
        self._record = record
        self._place = next((record.data for record in capture.records if record.kind == "leg"), None)
        self._first = next((record.data for record in capture.records if "opened" in record.data), None)
        self._media = Media()
        self._leg: Leg | None = None
        self._submitted: deque[Command] = deque()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """As `MediaPlane.start`; the journal ticks."""

    def open_leg(
        self,
        *,
        host: str,
        ssrc: int,
        sequence: int,
        timestamp: int,
        cname: str,
        trace: bool,
        on_event: Callable[[MediaEvent], None],
    ) -> Leg:
        """As `MediaPlane.open_leg`, on the captured port."""
        if self._place is None or self._leg is not None:
            raise NoPortFree("the journal has no further leg")
        opening = OpenLeg(
            leg=self._first["leg"] if self._first else 0,
            ssrc=ssrc,
            sequence=sequence,
            timestamp=timestamp,
            cname=cname,
            trace=trace,
            **self._opened(),
        )
        self._leg = Leg(opening.leg, self._submit, host=host, port=self._place["port"], on_event=on_event)
        self._submitted.append(opening)
        return self._leg

    def _opened(self) -> dict[str, Any]:
        """What the driver put into the leg. A journal from before blocks grew in silence is replayed as it was."""
        opened = self._first["opened"] if self._first else {}
        return {"quiet_uplink_ms": opened["uplink_ms"], **opened} if opened else {}

    def _submit(self, command: Command) -> None:
        match command:
            case Record():  # the engine does not count it: the call may not have been recorded then
                return
            case SetMedia(settings=settings):
                command = replace(command, settings=replace(settings, keys=None))
        self._submitted.append(command)

    def tick(self, data: Mapping[str, Any]) -> None:
        """Run the tick that the journal holds, with as many commands as it took then, and deliver its events."""
        self._media.tick(data["tick"], data["now"], self._commands(data), self._arrivals(data))
        for event in self._media.drain():
            if isinstance(event, Tape):
                self.tapes.append(event)
            elif self._leg is not None and not isinstance(event, MediaLate):
                self._leg.deliver(event)

    def close(self) -> None:
        """As `MediaPlane.close`."""

    def _commands(self, data: Mapping[str, Any]) -> list[Command]:
        due = min(data["commands"], len(self._submitted))
        if due < data["commands"] and not self.complaint:
            self.complaint = f"tick {data['tick']} took {data['commands']} commands; now the phone has given {due}"
        commands = [self._submitted.popleft() for _ in range(due)]
        if self._record:
            commands += [Record(leg=command.leg) for command in commands if isinstance(command, OpenLeg)]
        return commands

    def _arrivals(self, data: Mapping[str, Any]) -> list[Arrival]:
        arrivals = []
        for index, (kind, time) in enumerate(data["arrivals"], data["pcap"]):
            datagram = self._capture.datagrams[index]
            source = (datagram.source.host, datagram.source.port)
            arrivals.append(Arrival(data["leg"], kind, source, datagram.data, time))
        return arrivals
