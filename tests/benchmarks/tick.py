"""What one tick of the media plane costs for one leg that speaks and is spoken to, without sockets and providers.

Legs are moved as the media thread moves them: those in a convoy by row, all others one by one, and each hears every
second time. What came is laid out before the clock runs: in a phone the kernel has done it.

python -m tests.benchmarks.tick [--json]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sipagent.audio.encoding import duration, encode, rate
from sipagent.media import RTCP, RTP, Arrival, Departure, HostPort, Media, OpenLeg, SetMedia, Speak, StreamSettings
from sipagent.media.commands import Bridge
from sipagent.media.convoy import Convoy, Fetched
from sipagent.media.convoy.fetched import Packed
from sipagent.rtp.srtp import SrtpKeys
from sipagent.testing.voice import vowel

BARS = {
    "PCMU, 100 legs in a convoy": 8.0,
    "PCMU, 300 legs in a convoy": 7.0,
    "PCMU, 100 echoes in a convoy": 6.0,
    "PCMU, 300 echoes in a convoy": 6.0,
    "PCMU, 100 legs one by one": 30.0,
}
"""Microseconds of processor time for a leg and tick, at most, on a machine that others use too."""

_SECONDS = 7
_TICKS_A_SECOND = 50
_WARM = 2
"""Seconds before the first that counts."""
_ABOARD = 0.95
"""Of the legs of a row, in each of its ticks, so many are in a convoy; a report that comes takes one ashore."""
_STRIDE = 2
_WORD = 2400
"""Units of speech from one mark to the next."""
_HOST = "192.0.2.1"
_HERE, _THERE = bytes(range(30)), bytes(range(30, 60))
"""Master keys and salts, ours and the peer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the legs of a row are, and how they are moved."""

    media: Mapping[str, Any] = field(default_factory=lambda: {"codec": "pcmu", "payload_type": 0})
    legs: int = 100
    in_convoy: bool = False
    speaks: bool = True
    echoes: bool = False
    """Its legs send what they hear, and say nothing."""
    encrypted: bool = False


KINDS: Mapping[str, Kind] = {
    "PCMU, 100 legs in a convoy": Kind(in_convoy=True),
    "PCMU, 300 legs in a convoy": Kind(in_convoy=True, legs=300),
    "PCMU, 100 echoes in a convoy": Kind(in_convoy=True, echoes=True),
    "PCMU, 300 echoes in a convoy": Kind(in_convoy=True, echoes=True, legs=300),
    "PCMU, 100 legs one by one": Kind(),
    "PCMU, 300 legs one by one": Kind(legs=300),
    "PCMU, nobody speaks, in a convoy": Kind(in_convoy=True, speaks=False),
    "PCMU by SRTP": Kind(encrypted=True),
    "G.722": Kind(media={"codec": "g722", "payload_type": 9}),
    "Opus": Kind(media={"codec": "opus", "payload_type": 111}),
}


class Ashore(Exception):
    """The legs of a row were not where the row says."""


class Side:
    """A media plane with its legs. Two of them are each other's peers."""

    def __init__(self, kind: Kind, keys: SrtpKeys, *, echoes: bool = False) -> None:
        self.media = Media(convoys=kind.in_convoy, by_row=True)
        self.costs: list[float] = []
        """Processor time of each tick, in microseconds for a leg."""
        self.aboard: list[float] = []
        """The part of the legs that was in a convoy, as each tick began."""
        self._legs = kind.legs
        self._seats: dict[Convoy, dict[int, tuple[int, HostPort]]] = {}
        for leg in range(kind.legs):
            settings = StreamSettings(
                remote_host=_HOST,
                remote_port=10000 + 2 * leg,
                remote_rtcp_host=_HOST,
                remote_rtcp_port=10001 + 2 * leg,
                receive_payload_types={kind.media["payload_type"]: kind.media["codec"]},
                event_payload_type=101,
                receive_event_payload_types={101: 8000},
                keys=keys if kind.encrypted else None,
                **kind.media,
            )
            opened = OpenLeg(leg=leg, ssrc=7919 * leg, sequence=1, timestamp=0, cname="bench", stride=_STRIDE)
            self.media.submit(opened)
            self.media.submit(SetMedia(leg=leg, settings=settings))
            if echoes:
                self.media.submit(Bridge(leg=leg, other=leg))
            elif kind.speaks:
                self.media.submit(_speech(leg, settings.encoding))

    def send(self, tick: int) -> list[Departure]:
        """Begin a tick; returns what leaves of the legs that no convoy moves."""
        self.aboard.append(self.media.aboard / self._legs)
        begun = time.thread_time_ns()
        departures = self.media.send(tick, tick / _TICKS_A_SECOND)
        self._took(begun)
        return departures

    def receive(self, tick: int, came: Sequence[Arrival]) -> list[Arrival]:
        """Hear what is due in the tick of what has come; returns the rest, which is to wait."""
        alone = set(self.media.due(tick))
        fetched = {convoy: self._fetched(convoy, came) for convoy in self.media.convoys(0) if convoy.is_due(tick)}
        rowed = {leg for convoy in fetched for leg in self._row_of(convoy)}
        read = [one for one in came if one.leg in alone or one.kind == RTCP]
        begun = time.thread_time_ns()
        self.media.receive(tick, tick / _TICKS_A_SECOND, read, fetched=fetched)
        self._took(begun)
        self.media.drain()
        return [one for one in came if one.kind == RTP and one.leg not in alone | rowed]

    def cost(self) -> float:
        """Microseconds for a leg and tick, in the lower quartile of seconds: what others took away is not the tick's.

        Not of ticks: some things are done in every second, some once in a second.
        """
        ticks = [sum(self.costs[at : at + 2]) for at in range(0, len(self.costs), 2)]
        seconds = [
            statistics.fmean(ticks[at : at + _TICKS_A_SECOND])
            for at in range(_WARM * _TICKS_A_SECOND, len(ticks), _TICKS_A_SECOND)
        ]
        return statistics.quantiles(seconds, n=4)[0]

    def _took(self, begun: int) -> None:
        self.costs.append((time.thread_time_ns() - begun) / self._legs / 1000)

    def _fetched(self, convoy: Convoy, came: Sequence[Arrival]) -> Fetched:
        """Lay out what has come for the rows of a convoy."""
        row_of = self._row_of(convoy)
        arrivals: dict[int, list[Arrival]] = {}
        for one in came:
            if one.kind == RTP and one.leg in row_of:
                arrivals.setdefault(row_of[one.leg], []).append(one)
        peers = [peer for _, (_, peer) in sorted(self._seats[convoy].items())]
        return Packed(len(convoy.aboard), arrivals, peers)

    def _row_of(self, convoy: Convoy) -> dict[int, int]:
        """The rows of the legs that are aboard."""
        seats = self._seats.setdefault(convoy, {})
        seats.update(convoy.seats)
        convoy.seats.clear()
        aboard = convoy.aboard
        return {leg: row for row, (leg, _) in seats.items() if aboard[row]}


def _speech(leg: int, encoding: str) -> Speak:
    """As much as a row lasts, in words, each leg's in a voice of its own."""
    audio = encode(vowel(90 + leg % 100, _SECONDS * rate(encoding)), encoding)
    words = range(7 * leg % _WORD, duration(audio, encoding), _WORD)
    return Speak(leg=leg, audio=audio, encoding=encoding, marks=tuple((at, "word") for at in words))


def cost(kind: Kind) -> float:
    """Microseconds for a leg and tick of a row. Raises Ashore where they would be those of another one."""
    suite = "AES_CM_128_HMAC_SHA1_80"
    here = Side(kind, SrtpKeys(suite=suite, sending=_HERE, receiving=_THERE), echoes=kind.echoes)
    far = Kind(media=kind.media, legs=kind.legs, speaks=kind.speaks, encrypted=kind.encrypted)
    there = Side(far, SrtpKeys(suite=suite, sending=_THERE, receiving=_HERE))
    coming: list[Arrival] = []
    for tick in range(_SECONDS * _TICKS_A_SECOND):
        here.send(tick)
        coming = here.receive(tick, coming)
        sent = there.send(tick)
        there.receive(tick, [])
        came = (tick + 0.4) / _TICKS_A_SECOND
        coming += [Arrival(one.leg, one.kind, (_HOST, 10000 + 2 * one.leg), one.data, came) for one in sent]
    aboard = here.aboard[_WARM * _TICKS_A_SECOND :]
    if kind.in_convoy and min(aboard) < _ABOARD:
        raise Ashore(f"only {min(aboard):.0%} of the legs were in a convoy")
    return here.cost()


def told(microseconds: float) -> str:
    return f"{microseconds:.1f} µs ({microseconds * _TICKS_A_SECOND:.0f} a call-second)"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    figures: dict[str, str] = {}
    has_failed = False
    for name, kind in KINDS.items():
        try:
            microseconds = cost(kind)
        except Ashore as error:
            figures[name], has_failed = str(error), True
            continue
        figures[name] = told(microseconds)
        has_failed |= microseconds > BARS.get(name, microseconds)
    if options.json:
        print(json.dumps({f"{name}, for a leg and tick": value for name, value in figures.items()}))
        return 0
    for name, value in figures.items():
        print(f"{value:>32}  {name}" + (f"  (bar: {BARS[name]:g} µs)" if name in BARS else ""))
    return 4 if has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
