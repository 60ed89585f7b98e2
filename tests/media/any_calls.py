"""Calls as they come: mostly ordinary, each now and then disturbed by its network, its telephone or its agent."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from sipagent.media import (
    RTCP,
    RTP,
    Bridge,
    Clear,
    CloseLeg,
    Command,
    Record,
    SendDigit,
    SetMedia,
    Speak,
    SrtpKeys,
)
from tests.media.caller import Mishap, stretch
from tests.media.fleet import Fleet, Line

_KEYS = SrtpKeys(suite="AES_CM_128_HMAC_SHA1_80", sending=b"\x01" * 30, receiving=b"\x02" * 30)
_NO_EVENTS: dict[str, Any] = {"event_payload_type": None, "receive_event_payload_types": {}}

MISHAPS: dict[str, tuple[Any, ...]] = {
    "lose": (1, 1, 1, 2, 3, 8, 40),
    "double": (0.0, 0.004, 0.03, 0.3),
    "overtake": (0.008, 0.015, 0.03, 0.06, 0.25),
    "stall": (1, 2, 4, 12, 40),
    "jitter": (0.0, 0.0002, 0.004, 0.008, 0.02, 0.03, 0.06),
    "lag": (0.0, 0.001, 0.003, 0.012, 0.019, 0.04, 0.11),
    "move": (7000, 7002, 31000),
    "strangers": (1, 5),
    "beside": (1, 5),
    "unstamp": (None,),
    "junk": (
        (RTP, b""),
        (RTP, b"\x80"),
        (RTP, b"hello, is anybody there?"),
        (RTP, b"\x80\xc8\x00\x06nonsense"),
        (RTCP, b"\x80\xc9\x00\x01\x00\x00\x00\x07"),
        (RTCP, b"\x81\xcb\x00\x01\x00\x00\x00\x07"),
        (RTCP, b"nonsense"),
    ),
    "drift": (0.02, 0.020004, 0.01999, 0.0201),
    "restart": (1, 2, 0xCA11E4),
    "rename": (7,),
    "renumber": (5, 200, 2999, 3001, 30000, -1, -150),
    "leap": (80, 160, 800, 7999, 8161, 100000, -80, -160, 2**31),
    "mark": (None,),
    "misname": (9, 8, 0, 3, 72, 111, 127),
    "form": ("mixed", "extended", "padded", "cut off", "of another version"),
    "law": ("pcmu", "pcma"),
    "size": (160, 80, 240, 320, 161),
    "cut": (0, 1, 100, 159, 161, 320, 8001),
    "pause": (1, 2, 5, 30, 120),
    "comfort": (1, 4, 60),
    "press": (3, 8, 20),
    "hold": (2, 8),
    "report": ((RTP, 0), (RTP, 1), (RTCP, 2), (RTCP, 3), (RTCP, 101)),
    "say": (0, 16000, 24000, 32000, 40000, 56000),
}
"""What may happen, and with which values."""
_PLAIN = {"jitter": 0.0002, "lag": 0.003, "drift": 0.02, "size": 160, "move": 7000, "law": "pcmu"}
"""What is no longer a mishap."""
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"sends": False},
    {"receives": False},
    {"sends": False, "receives": False},
    {"held": True},
    {"codec": "pcmu"},
    {"codec": "pcma"},
    {"codec": "g722"},
    {"remote_port": 31000},
    {"remote_port": 0},
    {"remote_host": "192.0.2.200"},
    {"rtcp_mux": True},
    {"comfort_noise_payload_type": 13},
    {"payload_type": 96},
    {"receive_payload_types": {8: "pcma"}},
    {"receive_payload_types": {0: "pcma", 8: "pcmu"}},
    {"event_payload_type": 96, "receive_event_payload_types": {96: 8000}},
    _NO_EVENTS,
    {"keys": _KEYS},
)
"""What may be agreed anew, in place of what was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What is played: to two fleets alike."""

    lines: tuple[Line, ...]
    ticks: int
    phases: int
    missed: dict[int, int]
    unpunctual: float
    shared: bool

    def play(self, *, convoys: bool, by_row: bool = False) -> Fleet:
        """Play it from the beginning until everybody has hung up."""
        fleet = Fleet(
            self.lines,
            convoys=convoys,
            by_row=by_row,
            phases=self.phases,
            missed=self.missed,
            unpunctual=self.unpunctual,
            shared=self.shared,
        )
        fleet.run(self.ticks)
        fleet.end()
        return fleet


def draw(chance: Random, *, legs: int, ticks: int) -> Calls:
    """Draw so many calls. What a generator chooses first is what is plain."""
    phases = chance.choice([1, 1, 2])
    numbers = range(1, legs + 1)
    late = chance.choice([0, 0, 1, 3])
    return Calls(
        lines=tuple(_line(chance, leg, numbers, ticks, phases) for leg in numbers),
        ticks=ticks,
        phases=phases,
        missed={chance.randrange(ticks): chance.choice([1, 1, 2, 3, 8]) for _ in range(late)},
        unpunctual=chance.choice([0.0, 0.001, 0.009]),
        shared=chance.choice([False, False, True]),
    )


def _line(chance: Random, leg: int, legs: range, ticks: int, phases: int) -> Line:
    law = chance.choice(["pcmu", "pcma"])
    line = Line(
        leg=leg,
        phase=chance.randrange(phases),
        stride=chance.choice([2, 2, 1]),
        begins=chance.choice([0, 0, 0, chance.randrange(60)]),
        codec=law,
        speaks=chance.choice([law] * 9 + ["pcma"]),
        opening={
            "ssrc": chance.getrandbits(32),
            "sequence": chance.choice([1, 65500, 65300]),
            "timestamp": chance.choice([0, 2**32 - 9000, 2**32 - 40000]),
            "rtp_timeout": chance.choice([60.0, 60.0, 0.0, 0.7]),
            "uplink_ms": chance.choice([40, 40, 40, 40, 20, 60, 80, 100]),
            "trace": chance.choice([False] * 19 + [True]),
        },
        calling={
            "sequence": chance.choice([100, 65480, 65300]),
            "timestamp": chance.choice([5000, 2**32 - 9000, 2**32 - 40000]),
        },
        settled_after=chance.choice([0, 0, 0, 0.5, 3]),
        natted=chance.choice([False] * 9 + [True]),
        offset=chance.choice([0.0, 0.001, 0.008, 0.0165, 0.0199]),
    )
    reporting = range(line.begins, line.begins + ticks, chance.choice([ticks, 100, 190]))
    mishaps = [Mishap(tick, "report", (RTCP, chance.choice([2, 3]))) for tick in reporting]
    if chance.choice([False, False, False, True]):  # what was held back once is, for a while, and bears a lot
        mishaps += [Mishap(line.begins, "jitter", 0.1), Mishap(line.begins + 60, "jitter", 0.0002)]
    port = chance.choice([RTCP, RTCP, RTP])
    mishaps += [mishap for tick in _moments(chance, line, ticks) for mishap in _mishaps(chance, tick)]
    asked = [one for tick in _moments(chance, line, ticks) for one in _asked(chance, tick, line, legs)]
    if chance.choice([False] * 5 + [True]):
        end = line.begins + chance.randrange(ticks)
        mishaps.append(Mishap(end, "pause", 1000))
        asked.append((end + chance.choice([-20, 1, 2, 3, 40]), CloseLeg(leg=leg)))
    to_one_port = [one._replace(value=(port, one.value[1])) if one.what == "report" else one for one in mishaps]
    return replace(line, mishaps=to_one_port, asked=asked)


def _moments(chance: Random, line: Line, ticks: int) -> list[float]:
    """Draw when something happens: seldom, and sometimes twice at once."""
    moments = list[float]()
    for _ in range(chance.choice([0, 1, 2, 2, 3, 4]) * (1 + ticks // 800)):
        if chance.choice([False, False, True]) and moments:
            moments.append(moments[-1] + chance.choice([0, 0.5, 1, 2, 3, 20]))
        else:
            moments.append(line.begins + chance.randrange(ticks))
    return moments


def _mishaps(chance: Random, tick: float) -> list[Mishap]:
    """Draw a mishap, and mostly the end of one that lasts."""
    what = chance.choice(sorted(MISHAPS))
    mishaps = [Mishap(int(tick), what, chance.choice(MISHAPS[what]))]
    if what in _PLAIN and chance.choice([True, True, False]):
        mishaps.append(Mishap(int(tick) + chance.randrange(80), what, _PLAIN[what]))
    return mishaps


def _asked(chance: Random, tick: float, line: Line, legs: range) -> list[tuple[float, Command]]:
    """Draw what is asked, and mostly that it be undone."""
    kind = chance.choice([_speak, _speak, _speak, _speak, _clear, _press, _record, _bridge, _settle, _settle])
    command = kind(chance, line, legs)
    asked = [(tick, command)]
    if chance.choice([True, True, False]):
        if isinstance(command, Bridge):
            asked.append((tick + chance.randrange(80), Bridge(leg=line.leg, other=None)))
        elif isinstance(command, SetMedia):
            asked.append((tick + chance.randrange(80), SetMedia(leg=line.leg, settings=line.settings())))
    return asked


def _speak(chance: Random, line: Line, legs: range) -> Command:
    units = chance.choice([0, 1, 80, 159, 160, 161, 320, 1000, 4000, 16000, 48000])
    encoding = chance.choice([line.codec] * 6 + ["pcmu", "pcma", "pcm"])
    places = chance.choice([[], [], [units], [0, units], [units // 2, units], [-5, 0, 1, 160, units + 9]])
    audio = stretch("pcmu" if encoding == "pcm" else encoding, units, units * 6 if encoding == "pcm" else units)
    return Speak(leg=line.leg, audio=audio, encoding=encoding, marks=tuple((at, f"at {at}") for at in places))


def _clear(chance: Random, line: Line, legs: range) -> Command:
    return Clear(leg=line.leg)


def _press(chance: Random, line: Line, legs: range) -> Command:
    return SendDigit(leg=line.leg, digit=chance.choice("1#D"), duration_ms=chance.choice([40, 110, 400]))


def _record(chance: Random, line: Line, legs: range) -> Command:
    return Record(leg=line.leg, masked=chance.random() < 0.3)


def _bridge(chance: Random, line: Line, legs: range) -> Command:
    return Bridge(leg=line.leg, other=chance.choice([None, line.leg, *legs]))


def _settle(chance: Random, line: Line, legs: range) -> Command:
    return SetMedia(leg=line.leg, settings=line.settings(**chance.choice(CHANGES)))
