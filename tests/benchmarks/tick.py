"""What one tick of the media plane costs for one leg that speaks and is spoken to, without sockets and providers.

python -m tests.benchmarks.tick [--json]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any

from sipagent.audio.encoding import encode, rate
from sipagent.media import Arrival, Departure, Media, OpenLeg, SetMedia, Speak, StreamSettings
from sipagent.rtp.srtp import SrtpKeys
from sipagent.testing.voice import vowel

BARS = {"PCMU": 9.0}
"""Microseconds of processor time for a leg and tick, at most."""
KINDS: Mapping[str, Mapping[str, Any]] = {
    "PCMU": {"codec": "pcmu", "payload_type": 0},
    "PCMU, nobody speaks": {"codec": "pcmu", "payload_type": 0},
    "PCMU by SRTP": {"codec": "pcmu", "payload_type": 0},
    "G.722": {"codec": "g722", "payload_type": 9},
    "Opus": {"codec": "opus", "payload_type": 111},
}

_LEGS = 100
_SECONDS = 5
_TICKS_A_SECOND = 50
_WARM = 100
"""Ticks before the first that counts."""
_HOST = "192.0.2.1"
_HERE, _THERE = bytes(range(30)), bytes(range(30, 60))
"""Master keys and salts, ours and the peer's."""


class Side:
    """A media plane with its legs. Two of them are each other's peers."""

    def __init__(self, kind: str, sending: bytes, receiving: bytes) -> None:
        self.media = Media()
        self.costs: list[float] = []
        """Processor time of each tick, in microseconds for a leg."""
        keys = SrtpKeys(suite="AES_CM_128_HMAC_SHA1_80", sending=sending, receiving=receiving)
        for leg in range(_LEGS):
            settings = StreamSettings(
                remote_host=_HOST,
                remote_port=10000 + 2 * leg,
                remote_rtcp_host=_HOST,
                remote_rtcp_port=10001 + 2 * leg,
                receive_payload_types={KINDS[kind]["payload_type"]: KINDS[kind]["codec"]},
                event_payload_type=101,
                receive_event_payload_types={101: 8000},
                keys=keys if "SRTP" in kind else None,
                **KINDS[kind],
            )
            self.media.submit(OpenLeg(leg=leg, ssrc=7919 * leg, sequence=1, timestamp=0, cname="bench"))
            self.media.submit(SetMedia(leg=leg, settings=settings))
            if "nobody" not in kind:
                samples = vowel(90 + leg, _SECONDS * rate(settings.encoding))
                audio = encode(samples, settings.encoding)
                self.media.submit(Speak(leg=leg, audio=audio, encoding=settings.encoding))

    def tick(self, tick: int, arrivals: list[Arrival]) -> list[Departure]:
        """Do one tick, and take its time."""
        now = tick / _TICKS_A_SECOND
        begun = time.thread_time_ns()
        departures = self.media.send(tick, now)
        self.media.receive(tick, now, arrivals)
        self.costs.append((time.thread_time_ns() - begun) / _LEGS / 1000)
        self.media.drain()
        return departures


def cost(kind: str) -> float:
    """Microseconds for a leg and tick, in the lower quartile of all ticks: what others took away is not the tick's."""
    here, there = Side(kind, _HERE, _THERE), Side(kind, _THERE, _HERE)
    coming: list[Arrival] = []
    for tick in range(_SECONDS * _TICKS_A_SECOND):
        here.tick(tick, coming)
        sent = there.tick(tick, [])
        came = (tick + 0.4) / _TICKS_A_SECOND
        coming = [Arrival(one.leg, one.kind, (_HOST, 10000 + 2 * one.leg), one.data, came) for one in sent]
    return statistics.quantiles(here.costs[_WARM:], n=4)[0]


def told(microseconds: float) -> str:
    return f"{microseconds:.1f} µs ({microseconds * _TICKS_A_SECOND:.0f} a call-second)"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    figures = {kind: cost(kind) for kind in KINDS}
    if options.json:
        print(json.dumps({f"{kind}, for a leg and tick": told(value) for kind, value in figures.items()}))
        return 0
    for kind, value in figures.items():
        print(f"{told(value):>32}  {kind}" + (f"  (bar: {BARS[kind]:g} µs)" if kind in BARS else ""))
    return 0 if all(figures[kind] <= bar for kind, bar in BARS.items()) else 4


if __name__ == "__main__":
    sys.exit(main())
