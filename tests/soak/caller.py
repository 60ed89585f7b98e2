"""One caller of the soak: a socket for its audio, what it says, and rows of what comes."""

import contextlib
import os
import re
import socket
import struct
from array import array

from sipagent.bench import marks
from sipagent.bench.generator import SO_TIMESTAMPNS
from sipagent.bench.marks import Kind
from sipagent.bench.streams import QUIET, utterance
from sipagent.rtp.srtp import Srtp, SrtpKeys
from sipagent.sdp.crypto import Crypto
from sipagent.testing.path import Path
from tests.soak.plan import Plan
from tests.soak.voices import CLOCK, KEY_FRAMES, KEY_PAYLOAD_TYPE, PAYLOAD_TYPE, key, saying
from tests.soak.wire import Wire

SUITE = "AES_CM_128_HMAC_SHA1_80"
_RTP = struct.Struct("!BBHII")
_TIMESPEC = struct.Struct("@qq")
_VERSION, _MARKER = 0x80, 0x80
_CRYPTO = re.compile(r"^a=crypto:(.+?)\r?$", re.MULTILINE)
_MEDIA = re.compile(r"^m=audio (\d+) ", re.MULTILINE)
_RTPMAP = {"pcmu": "PCMU/8000", "pcma": "PCMA/8000", "g722": "G722/8000", "opus": "opus/48000/2"}


class Caller:
    """`path` is what its packets go by; None loses none. With `keeps_audio` what comes is kept, by G.711."""

    def __init__(
        self, number: int, plan: Plan, host: str, wire: Wire, path: Path | None, *, keeps_audio: bool = False
    ) -> None:
        self.number = number
        self.plan = plan
        self.host = host
        self.answered: float | None = None
        self.is_silent = False
        self.rows = array("q")
        """As `sipagent.bench.streams` has them; timestamps count from the first, in units of 1/8000 s."""
        self.audio = bytearray()
        self._keeps_audio = keeps_audio
        self._wire = wire
        self._path = path
        self._peer = ("", 0)
        self._saying = saying(plan.codec)
        self._clock = CLOCK[plan.codec]
        self._frame = 0
        self._key_frame: int | None = None
        self._key_began = 0
        self._first: int | None = None
        self._key = os.urandom(30)
        self._srtp: Srtp | None = None
        self._version = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)

    # ---- SDP

    def offer(self, direction: str = "sendrecv") -> bytes:
        """The first offer, or the next."""
        self._version += 1
        number, event = PAYLOAD_TYPE[self.plan.codec], KEY_PAYLOAD_TYPE[self._clock]
        profile = "RTP/SAVP" if self.plan.is_encrypted else "RTP/AVP"
        lines = [
            *("v=0", f"o=soak 1 {self._version} IN IP4 {self.host}", "s=-", f"c=IN IP4 {self.host}", "t=0 0"),
            f"m=audio {self.socket.getsockname()[1]} {profile} {number} {event}",
            f"a=rtpmap:{number} {_RTPMAP[self.plan.codec]}",
            *(f"a=rtpmap:{event} telephone-event/{self._clock}", f"a=fmtp:{event} 0-15", f"a={direction}"),
        ]
        if self.plan.is_encrypted:
            lines.append(f"a=crypto:{Crypto(tag=1, suite=SUITE, key=self._key).serialise()}")
        return "\r\n".join([*lines, ""]).encode()

    def take_answer(self, answer: bytes, host: str) -> None:
        """Send to the port of an answer, with its key."""
        text = answer.decode()
        if (media := _MEDIA.search(text)) is not None:
            self._peer = host, int(media[1])
            self.socket.connect(self._peer)
        crypto = _CRYPTO.search(text)
        if self.plan.is_encrypted and crypto is not None and (theirs := Crypto.parse(crypto[1])) is not None:
            keys = SrtpKeys(suite=SUITE, sending=self._key, receiving=theirs.key)
            if self._srtp is None:
                self._srtp = Srtp(keys)
            else:
                self._srtp.rekey(keys)

    # ---- RTP

    def press(self) -> None:
        """Say a key from now on, for 160 ms, in place of the voice."""
        self._key_frame = 0
        self._key_began = self._frame

    def say(self, now: float) -> None:
        """Say the next 20 ms."""
        self._frame += 1
        if self.is_silent:
            return
        sequence, at, kind = self._frame & 0xFFFF, self._frame, PAYLOAD_TYPE[self.plan.codec]
        if self._key_frame is None:
            payload = self._saying(self.number, self._frame)
        else:
            kind, at = KEY_PAYLOAD_TYPE[self._clock], self._key_began
            payload = key(self._key_frame, self._clock)
            kind |= _MARKER * (self._key_frame == 0)
            self._key_frame = self._key_frame + 1 if self._key_frame + 1 < KEY_FRAMES else None
        packet = _RTP.pack(_VERSION, kind, sequence, at * self._clock // 50 & 0xFFFFFFFF, self.number) + payload
        if self._srtp is not None:
            packet = self._srtp.protect(packet)
        self._wire.carry(self._path, now, lambda: self._send(packet))

    def _send(self, packet: bytes) -> None:
        """A call that is over has nobody to hear it, and no socket."""
        with contextlib.suppress(OSError):
            self.socket.send(packet)

    def receive(self) -> None:
        """Take one packet, if it is one, and not the news that nobody hears us any more.

        Whoever has vanished is still spoken to for some seconds, and their port may be this caller's now.
        """
        try:
            data, ancillary, _, source = self.socket.recvmsg(2048, 64)
        except OSError:
            return
        if len(data) <= _RTP.size or source != self._peer:
            return
        _, _, sequence, timestamp, _ = _RTP.unpack_from(data)
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        if self._first is None:
            self._first = timestamp
        units = (timestamp - self._first) % 2**32 * 8000 // self._clock
        voiced = QUIET
        if self._keeps_audio:
            payload = data[_RTP.size :]
            self.audio += payload
            mark = marks.read(payload)
            if mark is not None:
                voiced = utterance(mark.owner) if mark.kind is Kind.FIRST else mark.number
        self.rows.extend((seconds * 1_000_000_000 + nanoseconds, sequence, units, voiced))
