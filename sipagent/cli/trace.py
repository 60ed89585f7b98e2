"""`--trace`: SIP messages, RTP and RTCP packets and provider frames as they pass, for people."""

import re
from collections.abc import Callable, Mapping, Sequence

from sipagent.media import RTCP, TickRecord
from sipagent.rtp import packet, rtcp
from sipagent.sip.flow import Flow

CREDENTIALS = re.compile(r"^((?:proxy-)?authorization)\s*:.*(?:\n[ \t].*)*", re.IGNORECASE | re.MULTILINE)
"""Both headers, folded or not: a digest, with the nonce beside it, can be tried against passwords at leisure."""
LONGEST_FRAME = 400
"""Characters of a provider's frame that are shown: the rest is audio."""


class Trace:
    """A tap that prints what passes. `wanted` is some of sip, rtp, rtcp, provider."""

    def __init__(self, wanted: frozenset[str], echo: Callable[[str], object]) -> None:
        self._wanted = wanted
        self._echo = echo

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        """Show a SIP message, its credentials masked."""
        if "sip" in self._wanted:
            text = CREDENTIALS.sub(r"\1: ***", data.decode("utf-8", "replace").replace("\r\n", "\n"))
            self._echo(f"--- {time:.3f} {'to' if sent else 'from'} {flow.remote}\n{text}\n")

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        """Show a frame, cut where it is long."""
        if "provider" in self._wanted:
            shown = text if len(text) <= LONGEST_FRAME else f"{text[:LONGEST_FRAME]}… ({len(text)} characters)"
            self._echo(f"--- {time:.3f} {'to' if sent else 'from'} {provider} {shown}")

    def tick(self, record: TickRecord, time: float) -> None:
        """Show the packets of one tick."""
        for arrival in record.arrivals:
            self._packet(arrival.kind, "from", arrival.source, arrival.data, record.now)
        for departure in record.departures:
            self._packet(departure.kind, "to", departure.destination, departure.data, record.now)

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        """What is noted did not pass a wire."""

    def close(self) -> None:
        """Nothing is kept."""

    def _packet(self, kind: str, way: str, peer: tuple[str, int], data: bytes, time: float) -> None:
        if kind not in self._wanted:
            return
        what = _reports(data) if kind == RTCP else _media(data)
        self._echo(f"--- {time:.3f} {kind} {way} {peer[0]}:{peer[1]} {len(data)} bytes{what}")


def _media(data: bytes) -> str:
    rtp = packet.parse(data)
    if rtp is None:
        return ""
    return f" seq {rtp.sequence} ts {rtp.timestamp} pt {rtp.payload_type}" + (" marker" if rtp.marker else "")


def _reports(data: bytes) -> str:
    """Say what a compound of reports says, in the units of RTCP: jitter is in those of the timestamp."""
    return "".join(f" {_report(part)}" for part in rtcp.parse_compound(data) or ())


def _report(part: rtcp.RtcpPacket) -> str:
    match part:
        case rtcp.SenderReport(packet_count=packets, octet_count=octets, blocks=blocks):
            return f"SR sent {packets} packets {octets} octets" + _heard(blocks)
        case rtcp.ReceiverReport(blocks=blocks):
            return "RR" + _heard(blocks)
        case rtcp.SourceDescription(cnames=cnames):
            return "SDES " + " ".join(cname for _, cname in cnames)
        case rtcp.Goodbye():
            return "BYE"


def _heard(blocks: Sequence[rtcp.ReportBlock]) -> str:
    return "".join(
        f" heard {block.ssrc:#x} to seq {block.highest_sequence} lost {block.cumulative_lost}"
        f" ({block.fraction_lost / 256:.1%} lately) jitter {block.jitter}"
        for block in blocks
    )
