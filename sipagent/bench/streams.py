"""What a caller got, judged: is anything lost, repeated or late, and how far from its grid came each packet?

One row a packet: arrival (ns, by the kernel), sequence number, RTP timestamp, frame of the voice: QUIET for none, and
for the first of an utterance the number that `utterance` gives it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

QUIET = -1
"""In place of a voice's frame: the packet is comfort noise."""
_COLUMNS = 4
_SAMPLES = 160
_FRAME_NS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What all callers got in a window. Times in milliseconds; distances are from each call's own 20 ms grid."""

    packets: int
    silent: int
    """Calls of which nothing came."""
    lost: int
    """Sequence numbers that never came, and frames of the voice that were left out."""
    repeated: int
    late: int
    """Packets of comfort noise in the midst of speech, and 20 ms over which the timestamp jumped."""
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def is_whole(self) -> bool:
        """No call is silent, and nothing lost, repeated or late."""
        return not (self.silent or self.lost or self.repeated or self.late)


@dataclass(frozen=True, slots=True)
class _Faults:
    lost: int
    repeated: int
    late: int


def judge(streams: Sequence[Rows]) -> Reception:
    """Sum up the streams of a window, one array of rows a call."""
    heard = [rows for rows in streams if len(rows) > 1]
    faults = [_faults(rows) for rows in heard]
    off = np.abs(np.concatenate([_distances(rows) for rows in heard] or [np.zeros(1)])) / 1e6
    return Reception(
        packets=sum(len(rows) for rows in streams),
        silent=sum(not len(rows) for rows in streams),
        lost=sum(each.lost for each in faults),
        repeated=sum(each.repeated for each in faults),
        late=sum(each.late for each in faults),
        p50_ms=round(float(np.percentile(off, 50)), 3),
        p99_ms=round(float(np.percentile(off, 99)), 3),
        max_ms=round(float(off.max()), 3),
    )


def utterance(number: int) -> int:
    """What a row has in place of a frame where the utterance of this number (from 1 on) begins."""
    return -1 - number


def read_rows(data: bytes, lengths: Iterable[tuple[int, int]]) -> dict[int, Rows]:
    """Read what the generator wrote: calls, and how many numbers there are of each."""
    numbers, at, streams = np.frombuffer(data, np.int64), 0, {}
    for call, length in lengths:
        streams[call] = numbers[at : at + length].reshape(-1, _COLUMNS)
        at += length
    return streams


def silenced(rows: Rows, told_ns: int) -> float | None:
    """Milliseconds from when the mind was told to be quiet to its last packet of speech; None without one behind it."""
    quiet = np.flatnonzero((rows[:, 0] > told_ns) & (rows[:, 3] == QUIET))
    if not len(quiet):
        return None
    spoken = np.flatnonzero(rows[: quiet[0], 3] != QUIET)
    return max(0.0, float(rows[spoken[-1], 0] - told_ns) / 1e6) if len(spoken) else None


def voiced(streams: Mapping[int, Rows], spoken: Iterable[tuple[int, int]]) -> list[float]:
    """Milliseconds from the first chunk of each utterance (its number, when it was sent) to its first packet."""
    sent = {utterance(number): time for number, time in spoken}
    took = []
    for rows in streams.values():
        for time, first in rows[rows[:, 3] < QUIET][:, [0, 3]].tolist():
            if first in sent:
                took.append((time - sent[first]) / 1e6)
    return took


def _distances(rows: Rows) -> NDArray[np.float64]:
    """How far each packet is from the grid that suits its call best, in nanoseconds.

    The grid is that of the timestamps: what was never sent moves nothing behind it.
    """
    samples = np.concatenate([[0], np.cumsum(np.diff(rows[:, 2]) % 2**32)])
    lags = rows[:, 0] - rows[0, 0] - samples * _FRAME_NS // _SAMPLES
    distances: NDArray[np.float64] = lags - np.median(lags)
    return distances


def _faults(rows: Rows) -> _Faults:
    steps = np.diff(rows[:, 1]) % 2**16
    ahead = steps[(steps > 0) & (steps < 2**15)]
    times = np.diff(rows[:, 2]) % 2**32
    jumped = np.maximum(times // _SAMPLES - np.maximum(steps, 1), 0)
    spoken = np.flatnonzero(rows[:, 3] != QUIET)
    frames = np.diff(np.maximum(rows[spoken, 3], 0))
    same = rows[spoken[1:], 3] > 0
    return _Faults(
        lost=int((ahead - 1).sum()) + int(np.maximum(frames[same] - 1, 0).sum()),
        repeated=len(steps) - len(ahead) + int((frames[same] <= 0).sum()),
        late=int(jumped[jumped < 2**15].sum()) + int((np.diff(spoken)[same] - 1).sum()),
    )
