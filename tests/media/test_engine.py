"""Many legs on one tick: they do not feel each other, and every tick can be done again from its record."""

import gc
import pickle

from sipagent.media import (
    RTP,
    Departure,
    Leg,
    LegClosed,
    LegFailed,
    Media,
    MediaEvent,
    OpenLeg,
    Record,
    Speak,
    SpeechCleared,
    Tape,
    TickRecord,
    UplinkBlock,
)
from sipagent.media.commands import Command
from sipagent.media.downlink import Downlink
from sipagent.media.stream import Stream
from sipagent.media.uplink import Uplink
from sipagent.rtp.jitter_buffer import JitterBuffer
from sipagent.rtp.session import RtpSession
from tests.media.desk import Desk, Ear, Peer, frame, settings


def test_a_failure_ends_its_own_leg_and_no_other() -> None:
    desk, ear = Desk(), Ear()
    broken, sound = desk.open(1), desk.open(2)
    broken.speak(frame(0) * 50, listener=ear)
    sound.speak(b"".join(frame(n) for n in range(10)))
    desk.step(2)
    desk.submit(Speak(leg=1, audio=frame(1), encoding="no codec"))
    desk.step(3)
    ends = [e for e in desk.events if isinstance(e, LegFailed | SpeechCleared | LegClosed) and e.leg == 1]
    failure, cleared, closed = ends
    assert isinstance(failure, LegFailed)
    assert "no codec" in failure.traceback
    assert cleared == SpeechCleared(leg=1, speeches=1, sent_until=320, acknowledged_until=0)
    assert closed == LegClosed(leg=1, statistics=None)
    assert ear.reports == [(320, 0)]
    assert desk.media.failures == 1
    spoken = [d for d in desk.departures if d.leg == 2 and d.kind == RTP]
    assert [d.data[12:] for d in spoken] == [frame(n) for n in range(5)]


def test_twenty_legs_get_what_is_theirs() -> None:
    desk = Desk()
    peers = {number: Peer(ssrc=number) for number in range(1, 21)}
    for number in peers:
        desk.open(number, ssrc=1000 + number).speak(frame(number) * 30)
    for _ in range(30):
        for number, peer in peers.items():
            desk.arrive(peer.say(frame(50 + number)), leg=number)
        desk.step()
    for number in peers:
        sent = {d.data[12:] for d in desk.departures if d.leg == number and d.kind == RTP}
        heard = b"".join(b.audio for b in desk.happened(UplinkBlock) if b.leg == number)
        assert sent == {frame(number)}
        assert heard.endswith(frame(50 + number) * 20)


def test_commands_and_packets_for_a_leg_that_is_gone_do_nothing() -> None:
    desk, peer = Desk(), Peer()
    desk.open().close()
    desk.step()
    desk.submit(Speak(leg=1, audio=frame(0), encoding="pcmu"))
    desk.arrive(peer.say(frame(0)))
    desk.arrive(peer.say(frame(0)), leg=99)
    before = len(desk.events)
    assert desk.step(3) == []
    assert desk.events[before:] == []


def test_the_tape_holds_both_sides_as_they_were_on_the_wire() -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    leg.record()
    leg.speak(frame(90) * 60)
    for n in range(60):
        desk.arrive(peer.say(frame(n)))
        desk.step()
    leg.close()
    desk.step()
    tapes = desk.happened(Tape)
    assert [len(tape.sent) for tape in tapes] == [4000, 4000, 10 * 160 + 160]
    assert all(len(tape.sent) == len(tape.received) for tape in tapes)
    assert b"".join(tape.sent for tape in tapes)[: 60 * 160] == frame(90) * 60
    received = b"".join(tape.received for tape in tapes)
    assert received[: 60 * 160] == desk.uplink()[: 60 * 160]


def test_on_the_tape_a_gap_is_as_long_as_it_was() -> None:
    desk = Desk()
    leg = desk.open()
    leg.record()
    leg.speak(frame(90) * 10)
    desk.step(2)
    desk.step(missed=9)
    leg.close()
    desk.step()
    sent = b"".join(tape.sent for tape in desk.happened(Tape))
    assert sent[: 12 * 160] == frame(90) * 2 + b"\xff" * 7 * 160 + frame(90) * 3


def test_a_tape_is_of_one_law() -> None:
    desk = Desk()
    leg = desk.open()
    leg.record()
    desk.step(10)
    leg.set_media(settings("pcma"))
    desk.step(10)
    leg.close()
    desk.step()
    assert [(tape.encoding, len(tape.sent)) for tape in desk.happened(Tape)] == [("pcmu", 1600), ("pcma", 1760)]


def eventful_call() -> Desk:
    """A call in which everything happens: late ticks, losses, a clear, keys, hold, another codec, an end."""
    desk, peer = Desk(), Peer()
    leg = desk.open(trace=True, sequence=65000, wall_offset=1.7e9)
    leg.record()
    leg.speak(b"".join(frame(n) for n in range(80)), marks=[(n * 800, f"word {n}") for n in range(16)])
    for n in range(400):
        if n % 7:
            desk.arrive(peer.say(frame(n)), ago=0.001 * (n % 19))
        if n == 30:
            leg.drop_speech()
            leg.speak(frame(3) * 40, marks=[(6400, "end")])
        if n == 60:
            leg.send_digit("7")
        if n == 100:
            leg.set_media(settings(sends=False, receives=False))
        if n == 140:
            leg.set_media(settings("pcma"))
        desk.step(missed=6 if n == 50 else 0)
    leg.close()
    desk.step()
    return desk


class Repeat:
    """The same phone again: its commands are served as its records say; it is recorded from the first."""

    def __init__(self, commands: list[Command]) -> None:
        self._commands: list[Command] = [command for command in commands if not isinstance(command, Record)]
        self.media = Media()

    def run(self, record: TickRecord) -> tuple[list[Departure], list[MediaEvent]]:
        due, self._commands = self._commands[: record.commands], self._commands[record.commands :]
        due += [Record(leg=command.leg) for command in due if isinstance(command, OpenLeg)]
        departures = self.media.tick(record.tick, record.now, due, record.arrivals)
        return departures, self.media.drain()


def test_every_tick_can_be_done_again_from_its_record() -> None:
    first = eventful_call()
    records = first.happened(TickRecord)
    assert first.events[0] == records[0]
    repeat = Repeat(first.submitted)
    departures: list[Departure] = []
    events: list[MediaEvent] = []
    for record in records:
        left, happened = repeat.run(record)
        assert tuple(left) == record.departures
        departures += left
        events += happened
    assert departures == first.departures
    assert events == first.events


def test_a_record_comes_before_all_that_its_tick_caused() -> None:
    desk = eventful_call()
    by_tick: list[list[MediaEvent]] = []
    for event in desk.events:
        if isinstance(event, TickRecord):
            by_tick.append([])
        by_tick[-1].append(event)
    assert [tick[0].tick for tick in by_tick if isinstance(tick[0], TickRecord)] == sorted(
        record.tick for record in desk.happened(TickRecord)
    )
    assert len(by_tick) == 401


def test_legs_that_have_ended_or_failed_are_gone_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        eventful_call()
        desk = Desk()
        desk.open(media=settings(event_payload_type=None)).send_digit("5")
        desk.step(3)
        desk.submit(Speak(leg=1, audio=frame(1), encoding="no codec"))
        desk.step()
        assert desk.media.failures == 1
        parts = (Stream, Downlink, Uplink, RtpSession, JitterBuffer)
        assert [each for each in gc.get_objects() if isinstance(each, parts)] == []
    finally:
        gc.enable()


def test_a_leg_that_is_not_traced_leaves_no_records() -> None:
    desk = Desk()
    desk.open()
    desk.step(10)
    assert desk.happened(TickRecord) == []


def test_commands_are_plain_values() -> None:
    commands: list[Command] = []
    leg = Leg(1, commands.append, host="198.51.100.7", port=4, on_event=lambda event: None)
    leg.set_media(settings())
    leg.speak(frame(0), marks=[(0, "a")])
    leg.drop_speech()
    leg.send_digit("1")
    leg.record()
    leg.close()
    commands.append(OpenLeg(leg=1, ssrc=1, sequence=1, timestamp=1, cname="c"))
    assert pickle.loads(pickle.dumps(commands)) == commands
