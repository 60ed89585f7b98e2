"""The media of a replay: from the captured ticks the engine makes the same packets and events, byte for byte."""

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from sipagent.capture.bundle import Bundle, Capture, header_record
from sipagent.capture.replay.media import PlayedPlane
from sipagent.capture.writer import BundleWriter
from sipagent.media import (
    Arrival,
    Command,
    Leg,
    Media,
    MediaEvent,
    OpenLeg,
    StreamSettings,
    TickRecord,
    UplinkBlock,
)
from sipagent.rtp import packet

PEER = ("192.0.2.1", 30000)
SETTINGS = StreamSettings(
    remote_host=PEER[0],
    remote_port=PEER[1],
    remote_rtcp_host=PEER[0],
    remote_rtcp_port=PEER[1] + 1,
    codec="pcmu",
    payload_type=0,
    receive_payload_types={0: "pcmu"},
)
LEG = {"host": "192.0.2.9", "port": 40000}
DRAWN = {"ssrc": 0x1234, "sequence": 65530, "timestamp": 4_294_967_000}


def converse(leg: Leg, tick: int) -> None:
    """What a phone might ask for, tick by tick."""
    match tick:
        case 2:
            leg.set_media(SETTINGS)
        case 5:
            leg.speak(bytes(range(256)) * 10, marks=((800, "word"),))
        case 9:
            leg.drop_speech()
            leg.speak(b"\x55" * 1000)
        case 70:
            leg.close()


def caller(tick: int, chance: random.Random) -> list[Arrival]:
    """A caller with jitter and loss."""
    if tick < 3 or chance.random() < 0.1:
        return []
    datagram = packet.build(0, tick, tick * 160, 99, chance.randbytes(160))
    return [Arrival(3, "rtp", PEER, datagram, 10.0 + tick * 0.02 + chance.random() * 0.015)]


def live_call(path: Path) -> list[MediaEvent]:
    """Have a call, and capture it; return its events."""
    writer = BundleWriter(Bundle(path), header_record("abc", 10.0, epoch=0.0, configuration={}))
    writer.note("leg", LEG, 10.0)
    media, chance, events = Media(), random.Random(1), list[MediaEvent]()
    submitted: deque[Command] = deque(
        [OpenLeg(leg=3, **DRAWN, cname="agent", wall_offset=1.7e9, rtp_timeout=60.0, uplink_ms=60, trace=True)]
    )
    leg = Leg(3, submitted.append, host="192.0.2.9", port=40000, on_event=events.append)
    for tick in range(1, 76):
        converse(leg, tick)
        arrivals = caller(tick, chance)
        media.tick(tick, 10.0 + tick * 0.02, [submitted.popleft() for _ in range(len(submitted))], arrivals)
        for event in media.drain():
            leg.deliver(event)
            if isinstance(event, TickRecord):
                writer.tick(event, event.now)
    writer.close()
    return events


def replayed_call(capture: Capture, behave: Callable[[Leg, int], None]) -> tuple[list[MediaEvent], str]:
    """Run the ticks of a capture, with a phone that behaves so; return the events and the complaint."""
    plane, events = PlayedPlane(capture), list[MediaEvent]()
    leg = plane.open_leg(host="192.0.2.9", **DRAWN, cname="agent", trace=True, on_event=events.append)
    assert (leg.host, leg.port) == ("192.0.2.9", 40000)
    for record in capture.records:
        if record.kind == "tick":
            behave(leg, record.data["tick"])
            plane.tick(record.data)
    return events, plane.complaint


def test_a_captured_call_gives_the_same_packets_and_events_again(tmp_path: Path) -> None:
    events = live_call(tmp_path / "call")
    assert sum(isinstance(event, UplinkBlock) for event in events) > 15
    assert replayed_call(Capture.load(Bundle(tmp_path / "call")), converse) == (events, "")


def test_a_replay_can_be_recorded_though_the_call_was_not(tmp_path: Path) -> None:
    live_call(tmp_path / "call")
    capture = Capture.load(Bundle(tmp_path / "call"))
    plane = PlayedPlane(capture, record=True)
    leg = plane.open_leg(host="192.0.2.9", **DRAWN, cname="agent", trace=True, on_event=lambda event: None)
    for record in capture.records:
        if record.kind == "tick":
            converse(leg, record.data["tick"])
            plane.tick(record.data)
    sent = b"".join(tape.sent for tape in plane.tapes)
    assert plane.complaint == ""
    assert bytes(range(160)) in sent
    assert sum(len(tape.received) for tape in plane.tapes) == len(sent)


def test_commands_that_the_phone_no_longer_gives_are_told_with_their_tick(tmp_path: Path) -> None:
    def taciturn(leg: Leg, tick: int) -> None:
        if tick != 9:
            converse(leg, tick)

    events = live_call(tmp_path / "call")
    replayed, complaint = replayed_call(Capture.load(Bundle(tmp_path / "call")), taciturn)
    assert complaint == "tick 9 took 2 commands; now the phone has given 0"
    assert replayed != events
