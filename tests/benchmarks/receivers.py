"""Ways to hear a stream of G.711 whose packets come as a network brings them, each from outside: packets in, sound out.

- `echo`: ours, the media engine with the echo pipeline on it, on virtual time;
- `aiortc`: its jitter buffer as its receiver sets it up, and a player that takes what it hands out;
- `zero_fill`: a fixed delay, and silence where nothing is.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from sipagent.audio import g711
from sipagent.media import RTP, Arrival, Command, Leg, Media, OpenLeg, UplinkBlock
from sipagent.rtp import packet
from tests.media.desk import PEER, settings

TICK = 0.02
PHASE = 0.013
"""Seconds by which our ticks come after the peer's: nobody's clocks agree."""
_FIXED_DELAY = 0.06


class Coming(NamedTuple):
    """One packet of 20 ms as it arrives, in seconds; `number` is its place in the speech."""

    at: float
    number: int


class Heard(NamedTuple):
    """Two recordings as G.711, out of the jitter buffer and as a caller hears it, and when they begin, in seconds."""

    played: bytes
    echoed: bytes
    begins: float


def echo(coming: Sequence[Coming], frames: Sequence[bytes], ticks: int) -> Heard:
    """Our media engine. Each block that the loop is given goes back as speech."""
    media, commands, waiting = Media(), deque[Command](), deque(coming)
    leg = Leg(1, commands.append, host="198.51.100.7", port=40000, on_event=lambda event: None)
    commands.append(OpenLeg(leg=1, ssrc=0x5EED, sequence=1, timestamp=0, cname="echo", rtp_timeout=0.0))
    leg.set_media(settings())
    played, echoed = bytearray(), bytearray()
    for tick in range(ticks):
        now = tick * TICK + PHASE
        arrivals = []
        while waiting and waiting[0].at <= now:
            at, number = waiting.popleft()
            arrivals.append(Arrival(1, RTP, PEER, _datagram(number, frames[number]), at))
        todo = list(commands)
        commands.clear()
        for departure in media.tick(tick, now, todo, arrivals):
            parsed = packet.parse(departure.data) if departure.kind == RTP else None
            echoed += parsed.payload if parsed is not None else b""
        for event in media.drain():
            if isinstance(event, UplinkBlock):
                played += event.audio
                leg.speak(event.audio)
            leg.deliver(event)
    return Heard(bytes(played), bytes(echoed), PHASE)


def aiortc(coming: Sequence[Coming], frames: Sequence[bytes], ticks: int) -> Heard:
    """aiortc's jitter buffer (16 packets, 4 held back). A hole is silence, unless its time has passed already."""
    from aiortc.jitterbuffer import JitterBuffer
    from aiortc.rtp import RtpPacket

    buffer, waiting, queue = JitterBuffer(capacity=16, prefetch=4), deque(coming), deque[bytes]()
    played, expected, dry = bytearray(), -1, 0
    for tick in range(ticks):
        now = tick * TICK + PHASE
        while waiting and waiting[0].at <= now:
            number = waiting.popleft().number
            arrived = RtpPacket(payload_type=0, sequence_number=number % 65536, timestamp=number * 160, ssrc=7)
            arrived._data = frames[number]
            _, frame = buffer.add(arrived)
            if frame is not None:
                hole = frame.timestamp // 160 - expected if expected >= 0 else 0
                queue.extend([g711.SILENCE["pcmu"] * 160] * (hole - dry))
                queue.append(frame.data)
                expected, dry = frame.timestamp // 160 + 1, 0
        dry += not queue
        played += queue.popleft() if queue else g711.SILENCE["pcmu"] * 160
    return Heard(bytes(played), bytes(played), PHASE)


def zero_fill(coming: Sequence[Coming], frames: Sequence[bytes], ticks: int) -> Heard:
    """60 ms after the first packet, and from then on by the clock; what has not come by its time is silence."""
    waiting, held, played = deque(coming), dict[int, bytes](), bytearray()
    for tick in range(ticks):
        now = tick * TICK + PHASE
        while waiting and waiting[0].at <= now:
            number = waiting.popleft().number
            held[number] = frames[number]
        due = int((now - coming[0].at - _FIXED_DELAY) / TICK // 1)
        played += held.pop(due, g711.SILENCE["pcmu"] * 160)
    return Heard(bytes(played), bytes(played), PHASE)


def _datagram(number: int, payload: bytes) -> bytes:
    return packet.build(0, number % 65536, number * 160 % 2**32, 0xCA11E4, payload, number == 0)
