"""What really crossed the wire: a dumpcap on loopback, and an eye of our own for what it caught.

It shares no code with sipagent: a mistake in the agent's RTP is not excused by the same mistake here.
"""

import math
import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_UDP, _TCP = 17, 6
_FLUSHED = 0.4
"""Seconds in which dumpcap has read the last packet out of the kernel: told to end, it forgets the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One IPv4 datagram or TCP segment with something in it. `time` is the kernel's, in seconds."""

    time: float
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    tcp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rtp:
    """One RTP packet (RFC 3550 section 5.1)."""

    time: float
    source: tuple[str, int]
    destination: tuple[str, int]
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @property
    def level(self) -> float:
        """dBFS of a PCMU payload."""
        return mu_law_level(self.payload)

    @property
    def voiced(self) -> bool:
        """Louder than comfort noise."""
        return self.payload_type in (0, 8) and self.level > -45


class Wire:
    """Records loopback while the `with` block runs; the packets can be read afterwards."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.packets: list[Packet] = []

    def __enter__(self) -> Self:
        argv = ["dumpcap", "-q", "-P", "-B", "16", "-i", "lo", "-w", str(self._path)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("File:"):
                return self
        raise RuntimeError("dumpcap does not start")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(_FLUSHED)
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=10)
        self.packets = list(_read(self._path))

    def sip(self, start: str, *, of: str = "", source: int | None = None) -> list[Packet]:
        """SIP messages that begin so, of transactions of this method, from this UDP port; in the order of the wire."""
        return [
            packet
            for packet in self._datagrams()
            if packet.payload.startswith(start.encode())
            and header(packet, "CSeq").endswith(of)
            and source in (None, packet.source[1])
        ]

    def rtp(self, *, source: int | None = None, destination: int | None = None) -> list[Rtp]:
        """RTP audio and events by UDP port."""
        return [
            rtp
            for rtp in map(_rtp, self._datagrams())
            if rtp and source in (None, rtp.source[1]) and destination in (None, rtp.destination[1])
        ]

    def frames(self, text: str) -> list[Packet]:
        """TCP segments that carry this text: frames of a WebSocket server, which sends them unmasked (RFC 6455)."""
        return [packet for packet in self.packets if packet.tcp and text.encode() in packet.payload]

    def _datagrams(self) -> Iterator[Packet]:
        return (packet for packet in self.packets if not packet.tcp)


def stretches(packets: Sequence[Rtp], pause: float = 0.7) -> list[tuple[float, float]]:
    """When somebody spoke: (first voiced packet, last voiced packet), apart by more than `pause` seconds."""
    found: list[tuple[float, float]] = []
    for packet in packets:
        if packet.voiced:
            if found and packet.time - found[-1][1] <= pause:
                found[-1] = found[-1][0], packet.time
            else:
                found.append((packet.time, packet.time))
    return found


def mu_law_level(payload: bytes) -> float:
    """dBFS of the RMS; nothing at all is -100."""
    energy = sum(_MU_LAW[byte] ** 2 for byte in payload)
    return 10 * math.log10(energy / len(payload) / 32768**2) if energy else -100.0


def to_mu_law(sample: int) -> int:
    """The code of a 16 bit sample (ITU-T G.711)."""
    magnitude = min(abs(sample), 32635) + 132
    segment = magnitude.bit_length() - 8
    return ~(segment << 4 | magnitude >> segment + 3 & 15 | (128 if sample < 0 else 0)) & 255


def media_port(sip: Packet) -> int:
    """The audio port of the SDP in a SIP message."""
    found = re.search(rb"\nm=audio (\d+) ", sip.payload)
    assert found, sip.payload
    return int(found[1])


def header(sip: Packet, name: str) -> str:
    """The value of a SIP header in its long form."""
    found = re.search(rb"\r\n%s: *([^\r]*)\r\n" % name.encode(), sip.payload, re.IGNORECASE)
    return found[1].decode() if found else ""


def _read(path: Path) -> Iterator[Packet]:
    """Classic pcap, Ethernet framing (what Linux gives for loopback), IPv4."""
    with path.open("rb") as file:
        magic, link = struct.unpack("<I16xI", file.read(24))
        assert (magic, link) == (0xA1B2C3D4, 1), path
        while record := file.read(16):
            seconds, microseconds, length, _ = struct.unpack("<IIII", record)
            packet = _packet(seconds + microseconds / 1e6, _exactly(file, length)[14:])
            if packet and packet.payload:
                yield packet


def _exactly(file: IO[bytes], length: int) -> bytes:
    data = file.read(length)
    assert len(data) == length, "the capture ends within a packet"
    return data


def _packet(time: float, ip: bytes) -> Packet | None:
    if ip[0] >> 4 != 4 or ip[9] not in (_UDP, _TCP):
        return None
    segment = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
    ports = struct.unpack("!HH", segment[:4])
    skip = 8 if ip[9] == _UDP else (segment[12] >> 4) * 4
    return Packet(
        time=time,
        source=(".".join(map(str, ip[12:16])), ports[0]),
        destination=(".".join(map(str, ip[16:20])), ports[1]),
        payload=segment[skip:],
        tcp=ip[9] == _TCP,
    )


def _rtp(packet: Packet) -> Rtp | None:
    """RTP if it looks like it: version 2, and not one of RTCP's types (RFC 5761 section 4)."""
    data = packet.payload
    if len(data) < 13 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    sequence, timestamp, ssrc = struct.unpack("!HII", data[2:12])
    return Rtp(
        time=packet.time,
        source=packet.source,
        destination=packet.destination,
        payload_type=data[1] & 127,
        marker=bool(data[1] & 128),
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[12 + 4 * (data[0] & 15) :],
    )


def _mu_law_sample(byte: int) -> int:
    """ITU-T G.711 table 2a, decoded to 16 bits."""
    byte = ~byte & 255
    magnitude = ((((byte & 15) << 3) + 132) << ((byte >> 4) & 7)) - 132
    return -magnitude if byte & 128 else magnitude


_MU_LAW = [_mu_law_sample(byte) for byte in range(256)]
