"""What the legs of a convoy send, a row each: the packet of this tick, and the frames of speech of the next ones."""

import numpy as np
from numpy.typing import NDArray

from sipagent.audio.comfort import FRAMES, noise
from sipagent.audio.encoding import FRAME
from sipagent.media.convoy.fetched import PACKET, plain_word
from sipagent.media.convoy.gathering import LAWS, Rows
from sipagent.media.downlink import MOST_RELAYED, Downlink

_WINDOW = 50
"""Frames of speech of a row that are laid out at once."""
_NEVER = 1 << 62
_SAMPLES = np.uint32(FRAME)


class Sending:
    """The columns of what is sent. A row speaks, says what it has heard (`relays`), or is quiet.

    After a stretch of frames a row is seen to one by one: a mark passes there, or more speech must be laid out.
    """

    def __init__(self, capacity: int) -> None:
        self.outgoing = np.zeros((capacity, PACKET), np.uint8)
        """The packet of each row."""
        self.relays = np.zeros(capacity, np.bool_)
        self._words = self.outgoing.view(">u4")
        self._downlinks: dict[int, Downlink] = {}
        self._head = np.zeros(capacity, np.uint32)
        """The first word of a header without its sequence number."""
        self._sequence = np.zeros(capacity, np.uint32)
        self._timestamp = np.zeros(capacity, np.uint32)

        self._window = np.zeros((capacity * _WINDOW + len(LAWS) * FRAMES, FRAME), np.uint8)
        """The speech of each row, and after all of them the noise of each law."""
        frames = [noise(tick, law) for law in LAWS for tick in range(FRAMES)]
        self._window[capacity * _WINDOW :] = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, FRAME)
        self._begin = np.arange(capacity) * _WINDOW
        self._noise = np.zeros(capacity, np.int64)
        """Where the noise of a leg's law begins."""
        self._speaks = np.zeros(capacity, np.bool_)
        self._sent = np.zeros(capacity, np.int64)
        """Frames of this stretch and those before it that were laid out with it."""
        self._laid_out = np.zeros(capacity, np.int64)
        self._end = np.zeros(capacity, np.int64)
        """Frames after which the row is seen to."""
        self._told = np.zeros(capacity, np.int64)
        """Frames that its leg knows of."""
        self._by_itself: set[int] = set()
        """Rows whose next frame is made by the leg: the last one of its speech, or one of two pieces."""

        self._relayed = np.zeros((capacity, MOST_RELAYED, FRAME), np.uint8)
        self._relayed_frames = np.zeros(capacity, np.int64)

    # ---- on and off board

    def load(self, row: int, downlink: Downlink, *, relays: bool) -> None:
        """Go on where a leg is."""
        self._downlinks[row] = downlink
        header = downlink.next_header
        self._head[row], self._words[row, 2] = plain_word(header.payload_type), header.ssrc
        self._sequence[row], self._timestamp[row] = header.sequence, header.timestamp
        self._noise[row] = self._begin[-1] + _WINDOW + LAWS.index(downlink.encoding) * FRAMES
        self.relays[row] = relays
        if relays:
            frames = np.frombuffer(downlink.relayed, np.uint8).reshape(-1, FRAME)
            self._relayed[row, : len(frames)], self._relayed_frames[row] = frames, len(frames)
        self._lay_out(row)

    def unload(self, row: int) -> None:
        """Let the leg go on where a row is."""
        self.tell(row)
        if self.relays[row]:
            self._downlinks[row].relayed = self._relayed[row, : self._relayed_frames[row]].tobytes()
        self.drop(row)

    def drop(self, row: int) -> None:
        """Forget a row."""
        del self._downlinks[row]
        self._by_itself.discard(row)

    # ---- the tick

    def send(self, tick: int, aboard: NDArray[np.bool_]) -> list[int]:
        """Make the packet of each row that is `aboard`; returns the rows that are then to be seen to."""
        count = len(aboard)
        sequence, timestamp, sent = self._sequence[:count], self._timestamp[:count], self._sent[:count]
        self._words[:count, 0] = self._head[:count] | sequence
        self._words[:count, 1] = timestamp
        quiet = self._noise[:count] + tick % FRAMES
        self.outgoing[:count, 12:] = self._window[np.where(self._speaks[:count], self._begin[:count] + sent, quiet)]
        self._send_relayed(np.flatnonzero(self.relays[:count] & aboard))
        sequence += aboard
        sequence &= 0xFFFF
        timestamp += _SAMPLES * aboard
        sent += aboard
        return [*self._by_itself, *np.flatnonzero(aboard & (sent == self._end[:count])).tolist()]

    def see_to(self, row: int, tick: int) -> Downlink:
        """Do what one row needs after `send`; returns its leg's half, which may have something to tell."""
        downlink = self._downlinks[row]
        if row in self._by_itself:
            self._by_itself.remove(row)
            (packet,) = downlink.send(tick, 1)
            self.outgoing[row] = np.frombuffer(packet, np.uint8)
            self._lay_out(row)
            return downlink
        self.tell(row)
        if self._sent[row] == self._laid_out[row]:
            self._lay_out(row)
        else:
            self._end[row] = self._stretch(row)
        return downlink

    def hear(self, rows: Rows, frames: NDArray[np.uint8]) -> None:
        """Take what some rows, which relay, have just heard: it leaves in the next tick but those that wait before."""
        self._relayed[rows, self._relayed_frames[rows]] = frames
        self._relayed_frames[rows] += 1

    def tell(self, row: int) -> None:
        """Let a leg know of what has left of its row."""
        frames = int(self._sent[row] - self._told[row])
        if frames:
            self._downlinks[row].follow(frames, are_speech=bool(self._speaks[row]))
            self._told[row] = self._sent[row]

    def tell_if_quiet(self, row: int) -> None:
        """Tell the leg of a row, if that is quiet, what has left: what it is then given comes after it."""
        if not self._speaks[row]:
            self.tell(row)

    def speech_added(self, row: int) -> None:
        """The leg of a row has been given speech. If it speaks already, that comes after what is laid out."""
        if not self._speaks[row] and row not in self._by_itself:
            self._lay_out(row)

    # ---- one row

    def _lay_out(self, row: int) -> None:
        """Begin a stretch: of speech if there is any, else of noise, or of what was heard, for as long as it lasts."""
        downlink = self._downlinks[row]
        self._sent[row] = self._told[row] = 0
        speech = downlink.ahead(_WINDOW)
        self._speaks[row] = bool(speech)
        if speech:
            begin, frames = self._begin[row], len(speech) // FRAME
            self._window[begin : begin + frames] = np.frombuffer(speech, np.uint8).reshape(-1, FRAME)
            self._laid_out[row] = frames
            self._end[row] = self._stretch(row)
        else:
            self._end[row] = _NEVER
            if downlink.has_speech:
                self._by_itself.add(row)

    def _stretch(self, row: int) -> int:
        """Find the frame after which a row that speaks is seen to."""
        to_mark = self._downlinks[row].frames_to_mark()
        laid_out = int(self._laid_out[row])
        return laid_out if to_mark is None else min(laid_out, int(self._told[row]) + to_mark)

    def _send_relayed(self, rows: Rows) -> None:
        if len(rows):
            self.outgoing[rows, 12:] = self._relayed[rows, 0]
            self._relayed[rows, :-1] = self._relayed[rows, 1:]
            self._relayed_frames[rows] -= 1
