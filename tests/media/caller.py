"""A caller's telephone and the network in front of it: mostly a packet every 20 ms, and whatever else is wanted."""

import random
import struct
from collections.abc import Iterable
from functools import cache
from math import inf
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from sipagent.audio import g711, tones
from sipagent.media import RTP, Arrival, HostPort
from sipagent.rtp import packet, rtcp
from sipagent.rtp.rtcp import ReceiverReport, ReportBlock, SenderReport, SourceDescription
from sipagent.testing.voice import vowel
from tests.media.desk import TICK

_NUMBERS = {"pcmu": 0, "pcma": 8}
_STRANGER = ("203.0.113.66", 6666)
_EVENT = struct.Struct("!BBH")
_PRESSED = 5
"""The key that is pressed, whenever one is."""


class Mishap(NamedTuple):
    """What happens to a caller, or in the network, at a tick. What there is, is in `Caller`: a method each."""

    tick: int
    what: str
    value: Any = None


@cache
def sound(encoding: str) -> bytes:
    """Return eight seconds: speech that fades, keys as tones, what is as loud as a voice may be, hiss, and nothing."""
    chance = np.random.default_rng(1)
    speech = vowel(120, 3 * g711.RATE).astype(float) * np.linspace(1.0, 0.01, 3 * g711.RATE)
    keys = np.concatenate([np.r_[tones.dtmf(key, 800).astype(float), np.zeros(800)] for key in "1234#"])
    around = chance.normal(0, 32768 * 10 ** (-45 / 20), g711.RATE) * np.repeat(chance.uniform(0.8, 1.2, 50), 160)
    hiss = chance.normal(0, 32768 * 10 ** (-60 / 20), 2 * g711.RATE)
    samples = np.concatenate((speech, keys, around, hiss, np.zeros(g711.RATE)))
    return g711.encode(np.round(samples).astype(np.int16), encoding)


def stretch(encoding: str, start: int, units: int) -> bytes:
    """Return so much of the eight seconds, which go round and round."""
    whole = sound(encoding)
    start %= len(whole)
    return (whole[start:] + whole * (units // len(whole) + 1))[:units]


class Caller:
    """Makes everything that comes to one leg. The same mishaps bring the same datagrams at the same times.

    `address` is where its RTP comes from, its reports from the port after it. Its first packet is sent at `begins`.
    """

    def __init__(
        self,
        leg: int,
        address: HostPort,
        *,
        begins: float,
        first_tick: int,
        codec: str = "pcmu",
        ssrc: int = 0xCA11E4,
        sequence: int = 100,
        timestamp: int = 5000,
        heard_ssrc: int = 0,
        heard_sequence: int = 0,
        seed: int = 0,
        mishaps: Iterable[Mishap] = (),
    ) -> None:
        self._leg = leg
        self._address = address
        self._time = begins
        self._tick = first_tick
        self._codec = codec
        self._ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp
        self._heard_ssrc = heard_ssrc
        self._heard_sequence = heard_sequence
        self._chance = random.Random(seed)
        self._mishaps = sorted(mishaps, key=lambda mishap: mishap.tick)
        self._coming: list[tuple[float, Arrival]] = []
        self._sent = 0
        self._last_report = 0

        self._spoken = seed * 1600 % 64000
        self._gathered = 0
        self._size = 160
        self._period = TICK
        self._lag = 0.003
        self._jitter = 0.0002
        self._late = 0.0
        self._held_until = 0.0
        self._lost = 0
        self._quiet = 0
        self._pressing = self._duration = self._pressed_at = 0
        self._ends = True
        self._strange, self._stray_source = 0, _STRANGER
        self._again: float | None = None
        self._unstamped = False
        self._marker = False
        self._type: int | None = None
        self._cut: int | None = None
        self._form = ""

    def until(self, moment: float) -> list[Arrival]:
        """Return what has come by then and was not returned before, in the order in which it came."""
        while self._time <= moment:
            self._frame()
            self._time += self._period
            self._tick += 1
        come = sorted((one for one in self._coming if one[0] <= moment), key=itemgetter(0))
        self._coming = [one for one in self._coming if one[0] > moment]
        return [arrival for _, arrival in come]

    def take_report(self, datagram: bytes) -> None:
        """Take what the leg reports, to be able to answer it."""
        for report in rtcp.parse_compound(datagram) or ():
            if isinstance(report, SenderReport):
                self._last_report = report.middle

    def _frame(self) -> None:
        """Let 20 ms pass."""
        while self._mishaps and self._mishaps[0].tick <= self._tick:
            mishap = self._mishaps.pop(0)
            happen = getattr(self, mishap.what)
            happen(mishap.value) if mishap.value is not None else happen()
        if self._strange and self._tick % 3 == 0:
            self._strange -= 1
            stray = packet.build(0, self._tick // 3 % 65536, 160 * self._tick, 0xBAD, b"\x10" * 160)
            self._come(stray, source=self._stray_source)
        if self._quiet:
            self._quiet -= 1
            self._timestamp += 160
            self._spoken += 160
        elif self._pressing:
            self._press_on()
        else:
            self._speak()

    def _speak(self) -> None:
        self._gathered += 160
        while self._gathered >= self._size:
            self._gathered -= self._size
            payload = stretch(self._codec, self._spoken, self._size)
            self._spoken += self._size
            if self._cut is not None:
                payload, self._cut = (payload * (self._cut // len(payload) + 1))[: self._cut], None
            number = _NUMBERS[self._codec] if self._type is None else self._type
            self._type = None
            self._number(number, payload, self._timestamp)
            self._timestamp += self._size

    def _press_on(self) -> None:
        self._pressing -= 1
        self._duration += 160
        end = self._pressing < 3 and self._ends
        self._number(101, _EVENT.pack(_PRESSED, 0x8A if end else 0x0A, min(self._duration, 0xFFFF)), self._pressed_at)
        self._timestamp += 160

    def _number(self, payload_type: int, payload: bytes, timestamp: int) -> None:
        """Send the packet that is next, as the mishaps want it."""
        marker, self._marker = self._marker, False
        datagram = packet.build(
            payload_type, self._sequence % 65536, timestamp % 2**32, self._ssrc, payload, marker=marker
        )
        self._sequence += 1
        self._sent += 1
        if self._lost:
            self._lost -= 1
            return
        self._come(self._formed(datagram), late=self._late)
        self._late = 0.0
        if self._again is not None:
            self._come(datagram, late=self._again)
            self._again = None

    def _formed(self, datagram: bytes) -> bytes:
        """Say the same in the longer forms that a packet may have (RFC 3550 section 5.1)."""
        form, self._form = self._form, ""
        rest = datagram[1:12]
        match form:
            case "mixed":
                return b"\x81" + rest + b"mix1" + datagram[12:]
            case "extended":
                return b"\x90" + rest + b"\xbe\xde\x00\x01abcd" + datagram[12:]
            case "padded":
                return b"\xa0" + rest + datagram[12:] + b"\x00\x00\x00\x04"
            case "cut off":
                return datagram[:11]
            case "of another version":
                return b"\x40" + datagram[1:]
        return datagram

    def _come(self, data: bytes, *, kind: str = RTP, source: HostPort | None = None, late: float = 0.0) -> None:
        time = max(self._time + self._lag + self._jitter * self._chance.random() + late, self._held_until)
        address = source or (self._address if kind == RTP else (self._address[0], self._address[1] + 1))
        stamp, self._unstamped = inf if self._unstamped else time, False
        self._coming.append((time, Arrival(self._leg, kind, address, data, stamp)))

    # ---- mishaps of the network

    def lose(self, packets: int) -> None:
        """The next packets are lost."""
        self._lost = packets

    def double(self, late: float) -> None:
        """The next packet comes twice, the second time so late."""
        self._again = late

    def overtake(self, late: float) -> None:
        """The next packet is so late, and those behind it are not."""
        self._late = late

    def stall(self, frames: int) -> None:
        """For so long nothing comes; then all of it does."""
        self._held_until = self._time + frames * TICK

    def jitter(self, seconds: float) -> None:
        """Packets take up to so much longer from now on."""
        self._jitter = seconds

    def lag(self, seconds: float) -> None:
        """The way takes so long from now on."""
        self._lag = seconds

    def move(self, port: int) -> None:
        """Packets come from another port of the same host."""
        self._address = self._address[0], port

    def strangers(self, packets: int) -> None:
        """Somebody else's packets come between the caller's."""
        self._strange, self._stray_source = packets, _STRANGER

    def beside(self, packets: int) -> None:
        """Another stream comes from where the caller's does."""
        self._strange, self._stray_source = packets, self._address

    def unstamp(self) -> None:
        """Of what comes next nobody says when it came, and it is taken to have come when it is read."""
        self._unstamped = True

    def junk(self, what: tuple[str, bytes]) -> None:
        """This comes too, to the RTP or RTCP port."""
        kind, data = what
        self._come(data, kind=kind)

    # ---- mishaps of the telephone

    def drift(self, period: float) -> None:
        """Twenty milliseconds of its clock take so long from now on."""
        self._period = period

    def restart(self, ssrc: int) -> None:
        """The stream is another one from now on, with numbers of its own."""
        self._ssrc, self._sequence, self._timestamp = ssrc, ssrc * 7919 % 65536, ssrc * 104729

    def rename(self, ssrc: int) -> None:
        """The stream says that it is another one from now on, and its numbers go on."""
        self._ssrc = ssrc

    def renumber(self, ahead: int) -> None:
        """Sequence numbers jump."""
        self._sequence += ahead

    def leap(self, samples: int) -> None:
        """Timestamps jump."""
        self._timestamp += samples

    def mark(self) -> None:
        """The next packet is marked."""
        self._marker = True

    def misname(self, payload_type: int) -> None:
        """The next packet has another payload type."""
        self._type = payload_type

    def form(self, form: str) -> None:
        """The next packet has a header of another form."""
        self._form = form

    def law(self, codec: str) -> None:
        """It is the other law of G.711 from now on."""
        self._codec = codec

    def size(self, samples: int) -> None:
        """Packets have so many samples from now on."""
        self._size, self._gathered = samples, 0

    def cut(self, samples: int) -> None:
        """The next packet has so many samples, whatever its successor's timestamp says."""
        self._cut = samples

    def pause(self, frames: int) -> None:
        """For so long nothing is sent."""
        self._quiet = frames

    def comfort(self, frames: int) -> None:
        """A packet of comfort noise stands for a pause of so many frames."""
        self._number(packet.COMFORT_NOISE, bytes((50 + frames % 20,)), self._timestamp)
        self._quiet = frames

    def press(self, frames: int) -> None:
        """A key is down, and the sound pauses."""
        self._pressing, self._duration, self._pressed_at, self._marker = frames, 0, self._timestamp, True
        self._ends = True

    def hold(self, frames: int) -> None:
        """A key is down, and of its end nothing comes."""
        self.press(frames)
        self._ends = False

    def say(self, sample: int) -> None:
        """Go on with another part of the eight seconds."""
        self._spoken = sample

    def report(self, what: tuple[str, int]) -> None:
        """Report, as having heard all but so many of the leg's packets; to the RTP or RTCP port."""
        kind, behind = what
        block = ReportBlock(
            ssrc=self._heard_ssrc,
            fraction_lost=behind % 256,
            cumulative_lost=behind,
            highest_sequence=(self._heard_sequence + self._tick - behind) % 65536 + 65536,
            jitter=17,
            last_report=self._last_report,
            delay=6553,
        )
        own: SenderReport | ReceiverReport = ReceiverReport(ssrc=self._ssrc, blocks=(block,))
        if behind % 2:
            own = SenderReport(
                ssrc=self._ssrc,
                ntp_time=rtcp.ntp_time(1e9 + self._time),
                rtp_timestamp=self._timestamp,
                packet_count=self._sent,
                octet_count=self._sent * 160,
                blocks=(block,),
            )
        self._come(rtcp.serialise([own, SourceDescription(cnames=((self._ssrc, "caller"),))]), kind=kind)
