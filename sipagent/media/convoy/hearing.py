"""What the legs of a convoy hear, a row each: packets, what waits of them, and the frames that are played."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sipagent.audio.conceal import REMEMBERED
from sipagent.audio.encoding import FRAME
from sipagent.media.convoy.fetched import DEPTH, PACKET, Fetched, plain_word
from sipagent.media.convoy.gathering import LAWS, Gathering, Rows
from sipagent.media.events import UplinkBlock
from sipagent.media.uplink import Came, Expected, Followed, Uplink
from sipagent.rtp.delay import BATCH
from sipagent.rtp.jitter_buffer import Prospects
from sipagent.rtp.timeline import CLOCK_RATE

_RING = 64
"""Frames of a row that are kept: what waits, what was played last, and what waits for its block."""
_LOG = 64
"""Packets of a row whose times of arrival are kept until its leg is told of them."""
_DEEPEST = 24
"""Frames that may wait."""
_FRAME_TIME = FRAME / CLOCK_RATE

_PLACES = np.arange(DEPTH)[:, None]
"""Of what was fetched, over the rows."""


class Hearing:
    """The columns of what is heard.

    Frames of a row are counted from its boarding on: of those up to `_got` in a ring, those up to `_played` were
    played. Words of a header are its first (flags, payload type, sequence number), timestamp and SSRC.
    """

    def __init__(self, capacity: int) -> None:
        self.gathering = Gathering(capacity)
        self._ring = np.zeros((capacity, _RING, FRAME), np.uint8)
        self._log = np.zeros((capacity, _LOG), np.float64)
        self._logged = np.zeros(capacity, np.int64)
        self._got = np.zeros(capacity, np.int64)
        self._played = np.zeros(capacity, np.int64)
        self._boarded_with = np.zeros(capacity, np.int64)
        """Frames that had been played before."""
        self._boarded_got = np.zeros(capacity, np.int64)
        """Frames that had come before."""
        self._head = np.zeros(capacity, np.uint32)
        """The first word of the next packet without its sequence number."""
        self._sequence = np.zeros(capacity, np.uint32)
        self._timestamp = np.zeros(capacity, np.uint32)
        self._ssrc = np.zeros(capacity, np.uint32)
        self._start = np.zeros(capacity, np.int64)
        """Of the next packet on the timeline of its leg, in units of 1/8000 s."""
        self._position = np.zeros(capacity, np.int64)
        """Of the next frame that is played."""
        self._shortest = np.zeros(capacity, np.float64)
        self._target = np.zeros(capacity, np.float64)
        self._least = np.zeros(capacity, np.float64)
        self._most = np.zeros(capacity, np.float64)
        self._count = np.zeros(capacity, np.int64)
        """Packets of the batch by which the target is worked out."""
        self._delay = np.zeros(capacity, np.float64)
        """Of the frame that was played last."""
        self._next_shortest = self._shortest[:0]
        self._next_delay = self._delay[:0]
        """As they will be of those rows whose ticks are taken."""

    # ---- on and off board

    def load(self, row: int, expected: Expected) -> None:
        """Go on where a leg is."""
        outlook = expected.outlook
        self.gathering.load(row, expected.blocks, LAWS.index(expected.encoding))
        before = expected.blocks.state.frames
        kept = b"".join((*before, *outlook.waiting))
        self._ring[row, : len(kept) // FRAME] = np.frombuffer(kept, np.uint8).reshape(-1, FRAME)
        self._played[row] = self._boarded_with[row] = len(before)
        self._got[row] = self._boarded_got[row] = len(kept) // FRAME
        self._logged[row] = 0
        self._head[row] = plain_word(expected.payload_type)
        self._sequence[row], self._timestamp[row] = outlook.sequence & 0xFFFF, outlook.timestamp
        self._ssrc[row] = expected.ssrc
        self._start[row], self._position[row] = outlook.start, outlook.position
        self._count[row] = outlook.batched
        self._expect(row, outlook.prospects)

    def tell(self, row: int, uplink: Uplink, *, settles: bool) -> None:
        """Let a leg know of what has come for its row."""
        logged = int(self._logged[row])
        arrivals = self._log[row, :logged]
        starts = self._start[row] - FRAME * np.arange(logged, 0, -1)
        timestamp = (int(self._timestamp[row]) - logged * FRAME) & 0xFFFFFFFF
        came = Came(timestamp, arrivals.tolist(), (arrivals - starts / CLOCK_RATE).tolist())
        self._expect(row, uplink.follow_arrivals(came, settles=settles))
        self._logged[row] = 0
        if settles:
            self._count[row] = 0

    def _expect(self, row: int, prospects: Prospects) -> None:
        self._shortest[row], self._target[row], self._least[row], self._most[row] = prospects

    def followed(self, row: int) -> Followed:
        """Return what was played of a row since it was loaded."""
        got, played = int(self._got[row]), int(self._played[row])
        heard = min(REMEMBERED, played - int(self._boarded_with[row]))
        return Followed(
            packets=got - int(self._boarded_got[row]),
            waiting=self._frames(row, played, got),
            recent=self._frames(row, played - heard, played),
            delay=float(self._delay[row]),
        )

    def gathered(self, row: int) -> list[bytes]:
        """Return the frames of a row that wait for their block."""
        played = int(self._played[row])
        return self._frames(row, played - int(self.gathering.frames[row]), played)

    def _frames(self, row: int, first: int, last: int) -> list[bytes]:
        return [self._ring[row, number % _RING].tobytes() for number in range(first, last)]

    # ---- the tick

    def ordinary(self, count: int, fetched: Fetched, moments: Sequence[float]) -> NDArray[np.bool_]:
        """Tell of each of `count` rows whether what has come for it is ordinary, and the frames of these moments are.

        What is not certain is not ordinary: a packet that may move the target, or how many there were to fetch.
        """
        packets = fetched.counts[:count]
        deepest = int(packets.max(initial=0))
        places = _PLACES[:deepest]
        came = packets > places
        times = np.where(came, fetched.times[:deepest, :count], np.inf)
        lags = times - (self._start[:count] + FRAME * places) / CLOCK_RATE
        shortest = lags.min(0, initial=np.inf)
        np.minimum(shortest, self._shortest[:count], out=shortest)
        words = fetched.packets[:deepest, :count, :12].view(">u4")
        numbers = places.astype(np.uint32)
        is_next = words[..., 0] == self._head[:count] | self._sequence[:count] + numbers & 0xFFFF
        is_next &= words[..., 1] == self._timestamp[:count] + FRAME * numbers
        is_next &= words[..., 2] == self._ssrc[:count]
        is_next &= fetched.familiar[:deepest, :count] & (fetched.lengths[:deepest, :count] == PACKET)
        is_next &= lags - shortest + _FRAME_TIME <= self._target[:count]
        is_next[1:] &= times[1:] >= times[:-1]
        ordinary: NDArray[np.bool_] = (is_next | ~came).all(0)
        ordinary &= (packets < DEPTH) & (packets <= _LOG - self._logged[:count])

        waiting = self._got[:count] - self._played[:count]
        ordinary &= waiting + packets <= _DEEPEST
        least, most = self._least[:count], self._most[:count]
        for place, now in enumerate(moments):
            if place == len(moments) - 1:  # in the last of these ticks all has been taken, whenever it came
                there, fastest = waiting + packets, shortest
            else:
                by_now = times <= now
                there = waiting + by_now.sum(0)
                fastest = np.where(by_now, lags, np.inf).min(0, initial=np.inf)
                np.minimum(fastest, self._shortest[:count], out=fastest)
            delay = now - (self._position[:count] + FRAME * place) / CLOCK_RATE - fastest
            ordinary &= (there > place) & (delay >= least) & (delay <= most)
        self._next_shortest, self._next_delay = shortest, delay
        return ordinary

    def take(self, rows: Rows, fetched: Fetched) -> None:
        """Take what has come for some rows, of which all was ordinary."""
        packets = fetched.counts[rows]
        place, which = np.nonzero(packets > _PLACES)
        row = rows[which]
        self._ring[row, (self._got[row] + place) % _RING] = fetched.packets[place, row, 12:]
        self._log[row, self._logged[row] + place] = fetched.times[place, row]
        self._shortest[rows] = self._next_shortest[rows]
        self._delay[rows] = self._next_delay[rows]
        self._got[rows] += packets
        self._logged[rows] += packets
        self._count[rows] += packets
        self._sequence[rows] = self._sequence[rows] + packets.astype(np.uint32) & 0xFFFF
        self._timestamp[rows] += (FRAME * packets).astype(np.uint32)
        self._start[rows] += FRAME * packets

    def play(self, rows: Rows) -> NDArray[np.uint8]:
        """Play the next frame of some rows."""
        frames: NDArray[np.uint8] = self._ring[rows, self._played[rows] % _RING]
        self._played[rows] += 1
        self._position[rows] += FRAME
        return frames

    def settling(self, rows: Rows) -> list[int]:
        """Return those of some rows whose target is to be worked out anew."""
        settling: list[int] = rows[self._count[rows] >= BATCH].tolist()
        return settling

    def blocks(self, rows: Rows, legs: Sequence[int], encodings: Sequence[str]) -> list[UplinkBlock]:
        """Take the blocks that are due of some rows; `legs` and `encodings` by row."""
        ready, sizes, voiced = self.gathering.take(rows)
        if not len(ready):
            return []
        waiting = self._played[ready] - self.gathering.frames[ready] - sizes
        longest = int(sizes.max())
        audio = self._ring[ready[:, None], (waiting[:, None] + np.arange(longest)) % _RING].tobytes()
        size = longest * FRAME
        return [
            UplinkBlock(legs[row], audio[place * size : place * size + frames * FRAME], encodings[row], is_voiced)
            for place, (row, frames, is_voiced) in enumerate(
                zip(ready.tolist(), sizes.tolist(), voiced.tolist(), strict=True)
            )
        ]
