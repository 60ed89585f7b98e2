"""`--trace`: SIP messages, RTP and RTCP packets and provider frames as they pass, for people."""

import re
from collections.abc import Callable, Mapping

from sipagent.media import RTCP, TickRecord
from sipagent.rtp import packet
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
        rtp = None if kind == RTCP else packet.parse(data)
        what = f"{len(data)} bytes"
        if rtp is not None:
            what += f" seq {rtp.sequence} ts {rtp.timestamp} pt {rtp.payload_type}" + (" marker" if rtp.marker else "")
        self._echo(f"--- {time:.3f} {kind} {way} {peer[0]}:{peer[1]} {what}")
