"""What leaves during a replay, kept to be compared."""

from collections.abc import Mapping

from sipagent.capture import golden
from sipagent.capture.journal import Record
from sipagent.media import TickRecord
from sipagent.sip.flow import Flow


class Departures:
    """A tap that keeps in memory what left, to be compared with a golden file."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False
        self._wideband = False

    def datagram(self, *, sent: bool, flow: Flow, data: bytes, time: float) -> None:
        """Keep a SIP datagram that left."""
        if sent:
            self.records.append(golden.sip_sent(data, flow.remote, time))

    def frame(self, *, provider: str, sent: bool, text: str, time: float) -> None:
        """Keep a provider frame that left."""
        if sent:
            self.records.append(golden.frame_sent(provider, text, time, wideband=self._wideband))

    def tick(self, record: TickRecord, time: float) -> None:
        """Keep the RTP and RTCP that left in a tick."""
        self._wideband = record.level is not None
        self.records += golden.tick_sent(record)

    def note(self, kind: str, data: Mapping[str, object], time: float) -> None:
        """What is noted did not leave."""

    def close(self) -> None:
        """The call is over."""
        self.closed = True
