"""What comes from the peer, in whichever codec, on its way into the jitter buffer of a leg."""

from sipagent.audio import g711
from sipagent.audio.codec import Decoder, clock_rate, decoder, units
from sipagent.audio.encoding import PCMA, PCMU, UNITS

_LAWS = (PCMU, PCMA)


class CodedPayload:
    """A payload that is decoded when it is played (`rtp.timeline.Coded`, by shape)."""

    __slots__ = ("_decoder", "_payload", "ticks", "units")

    def __init__(self, payload: bytes, codec: str, decoder: Decoder) -> None:
        self.units = units(payload, codec)
        """How long it lasts, in 1/8000 s."""
        self.ticks = clock_rate(codec) // UNITS
        """What the RTP timestamp counts in a unit."""
        self._payload = payload
        self._decoder = decoder

    def decode(self) -> bytes | None:
        """Return its audio; None if it cannot be decoded."""
        return self._decoder.decode(self._payload)


class Incoming:
    """Makes of each payload something that plays in the encoding of the leg. Each codec that comes has a decoder."""

    __slots__ = ("_decoders", "_encoding")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoders: dict[str, Decoder] = {}

    def prepare(self, payload: bytes, codec: str) -> bytes | CodedPayload:
        """Return audio where no decoder is needed: G.711, for a leg of either law."""
        if codec in _LAWS and self._encoding in _LAWS:
            return g711.transcode(payload, codec, self._encoding)
        if codec not in self._decoders:
            self._decoders[codec] = decoder(codec, self._encoding)
        return CodedPayload(payload, codec, self._decoders[codec])
