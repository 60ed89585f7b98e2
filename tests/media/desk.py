"""A desk to try the media engine at: legs on it, a clock that the test moves, and a peer at the far end."""

from typing import Any, NamedTuple

from sipagent.media import (
    RTCP,
    RTP,
    Arrival,
    Command,
    Departure,
    HostPort,
    Leg,
    Media,
    MediaEvent,
    MediaLate,
    OpenLeg,
    StreamSettings,
    UplinkBlock,
)
from sipagent.rtp import packet
from sipagent.rtp.packet import RtpPacket

PEER = ("192.0.2.1", 7000)
PEER_RTCP = ("192.0.2.1", 7001)
TICK = 0.02


PAYLOAD_TYPES = {0: "pcmu", 8: "pcma", 9: "g722", 111: "opus"}


def settings(codec: str = "pcmu", **changes: Any) -> StreamSettings:
    """What a plain answer settles."""
    plain: dict[str, Any] = {
        "remote_host": PEER[0],
        "remote_port": PEER[1],
        "remote_rtcp_host": PEER_RTCP[0],
        "remote_rtcp_port": PEER_RTCP[1],
        "codec": codec,
        "payload_type": {codec: number for number, codec in PAYLOAD_TYPES.items()}[codec],
        "receive_payload_types": PAYLOAD_TYPES,
        "event_payload_type": 101,
        "receive_event_payload_types": {101: 8000},
    }
    return StreamSettings(**plain | changes)


class Sent(NamedTuple):
    """One RTP packet that left."""

    tick: int
    destination: HostPort
    packet: RtpPacket


class Peer:
    """The far end's telephone: numbers its packets."""

    def __init__(self, *, ssrc: int = 0xCA11E4, sequence: int = 100, timestamp: int = 5000) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        self.timestamp = timestamp

    def say(self, payload: bytes, *, payload_type: int = 0, marker: bool = False, ticks: int | None = None) -> bytes:
        """Make the next packet, of any length; it lasts `ticks` of its clock, else a byte each."""
        datagram = packet.build(payload_type, self.sequence % 65536, self.timestamp % 2**32, self.ssrc, payload, marker)
        self.sequence += 1
        self.timestamp += len(payload) if ticks is None else ticks
        return datagram

    def skip(self, samples: int) -> None:
        """Say nothing for so long."""
        self.timestamp += samples


class Desk:
    """The engine, ticked by hand. Everything that happened is kept in `sent`, `reports` and `events`."""

    def __init__(self) -> None:
        self.media = Media()
        self.now = 1000.0
        self.tick = self.first_tick = 0
        self.sent: list[Sent] = []
        self.reports: list[Departure] = []
        self.departures: list[Departure] = []
        self.events: list[MediaEvent] = []
        self.delivered: list[MediaEvent] = []
        self.late: list[MediaLate] = []
        self.legs: dict[int, Leg] = {}
        self.submitted: list[Command] = []
        self._commands: list[Command] = []
        self._arrivals: list[Arrival] = []

    def open(self, number: int = 1, media: StreamSettings | None = None, **opening: Any) -> Leg:
        """Open a leg, and settle its media unless `media` is to come later (None with `settled=False`)."""
        settled = opening.pop("settled", True)
        values: dict[str, Any] = {"ssrc": 0x5EED, "sequence": 1, "timestamp": 0, "cname": "desk"} | opening
        leg = Leg(number, self._commands.append, host="198.51.100.7", port=40000, on_event=self.delivered.append)
        self._commands.append(OpenLeg(leg=number, **values))
        self.legs[number] = leg
        if settled:
            leg.set_media(media or settings())
        return leg

    def submit(self, command: Command) -> None:
        """Give a command without a handle."""
        self._commands.append(command)

    def arrive(
        self, data: bytes, *, leg: int = 1, kind: str = RTP, source: HostPort | None = None, ago: float = 0.01
    ) -> None:
        """Let a datagram come before the next tick."""
        address = source or (PEER if kind == RTP else PEER_RTCP)
        self._arrivals.append(Arrival(leg, kind, address, data, self.now - ago))

    def step(self, ticks: int = 1, *, missed: int = 0) -> list[Sent]:
        """Tick so often, the first time after `missed` ticks; returns the RTP that left."""
        already = len(self.sent)
        for _ in range(ticks):
            self.tick += 1 + missed
            self.now += missed * TICK
            self.first_tick = self.first_tick or self.tick
            self._tick()
            self.now += TICK
            missed = 0
        return self.sent[already:]

    def happened(self, kind: type[Any]) -> list[Any]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def uplink(self) -> bytes:
        """All the audio that came out so far."""
        return b"".join(event.audio for event in self.happened(UplinkBlock))

    def _tick(self) -> None:
        commands, self._commands[:] = list(self._commands), []
        arrivals, self._arrivals = self._arrivals, []
        self.submitted += commands
        for departure in self.media.tick(self.tick, self.now, commands, arrivals):
            self._depart(departure)
        for event in self.media.drain():
            self.events.append(event)
            if isinstance(event, MediaLate):
                self.late.append(event)
            else:
                self.legs[event.leg].deliver(event)

    def _depart(self, departure: Departure) -> None:
        self.departures.append(departure)
        if departure.kind == RTCP:
            self.reports.append(departure)
        else:
            parsed = packet.parse(departure.data)
            assert parsed is not None
            self.sent.append(Sent(self.tick, departure.destination, parsed))


class Ear:
    """A listener that writes down what it hears of its speech."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, int]] = []
        self.reports: list[tuple[int, int]] = []

    def mark_passed(self, name: str, position: int) -> None:
        self.passed.append((name, position))

    def cleared(self, report: Any) -> None:
        self.reports.append((report.sent_until, report.acknowledged_until))


def frame(number: int) -> bytes:
    """20 ms of speech that can be told from any other."""
    return bytes([0x10 + number % 100]) * 160
