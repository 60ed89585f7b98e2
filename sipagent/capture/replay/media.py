"""The RTP of a replay: the real engine, ticked as the journal says, on the packets of the capture."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from sipagent.capture.bundle import Capture
from sipagent.errors import NoPortFree
from sipagent.media import Arrival, Command, Leg, Media, MediaEvent, MediaLate, OpenLeg, Record, Tape


class PlayedPlane:
    """A media plane without thread and sockets: it ticks when the journal says, on what the journal says."""

    capacity = 1

    def __init__(self, capture: Capture, *, record: bool = False) -> None:
        self._capture = capture
        self._record = record
        self._opened = deque(record.data for record in capture.records if record.kind == "leg")
        self._media = Media()
        self._legs: dict[int, Leg] = {}
        self._submitted: deque[Command] = deque()
        self.tapes: list[Tape] = []
        """Both sides' audio, with `record`."""
        self.complaint = ""
        """The first tick for which the phone had not asked what it asked for then."""

    @property
    def host(self) -> str:
        """The captured RTP address."""
        return str(self._opened[0]["host"]) if self._opened else "0.0.0.0"

    def open_leg(
        self,
        *,
        host: str,
        ssrc: int,
        sequence: int,
        timestamp: int,
        cname: str,
        trace: bool,
        record: bool,
        on_event: Callable[[MediaEvent], None],
    ) -> Leg:
        """As `MediaPlane.open_leg`, on the captured port."""
        if not self._opened:
            raise NoPortFree("the journal holds no more legs")
        past = self._opened.popleft()
        opening = OpenLeg(
            leg=past["leg"],
            ssrc=ssrc,
            sequence=sequence,
            timestamp=timestamp,
            cname=cname,
            wall_offset=past["wall_offset"],
            rtp_timeout=past["rtp_timeout"],
            uplink_ms=past["uplink_ms"],
            trace=trace,
        )
        leg = Leg(opening.leg, self._submitted.append, host=past["host"], port=past["port"], on_event=on_event)
        self._legs[opening.leg] = leg
        self._submitted.append(opening)
        return leg

    def tick(self, data: Mapping[str, Any]) -> None:
        """Run the tick that the journal holds, with as many commands as it took then, and deliver its events."""
        due = min(data["commands"], len(self._submitted))
        if due < data["commands"] and not self.complaint:
            self.complaint = f"tick {data['tick']} took {data['commands']} commands; now the phone has given {due}"
        commands = [self._submitted.popleft() for _ in range(due)]
        if self._record:
            commands += [Record(leg=command.leg) for command in commands if isinstance(command, OpenLeg)]
        self._media.tick(data["tick"], data["now"], commands, self._arrivals(data))
        for event in self._media.drain():
            if isinstance(event, Tape):
                self.tapes.append(event)
            elif not isinstance(event, MediaLate):
                self._legs[event.leg].deliver(event)

    def close(self) -> None:
        """As `MediaPlane.close`."""

    def _arrivals(self, data: Mapping[str, Any]) -> list[Arrival]:
        arrivals = []
        for index, (kind, time) in enumerate(data["arrivals"], data["pcap"]):
            datagram = self._capture.datagrams[index]
            source = (datagram.source.host, datagram.source.port)
            arrivals.append(Arrival(data["leg"], kind, source, datagram.data, time))
        return arrivals
