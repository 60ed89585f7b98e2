"""A short call on disk, for the tests of what writes it and of what reads it."""

from pathlib import Path

import pytest

from sipagent.capture.bundle import Bundle, header_record
from sipagent.capture.writer import BundleWriter
from sipagent.media import Arrival, Departure, TickRecord
from sipagent.rtp import packet
from sipagent.sip.flow import Address, Flow, Transport

US, PEER = Address("192.0.2.9", 5060), Address("192.0.2.1", 5060)
FLOW = Flow(transport=Transport.UDP, local=US, remote=PEER)
EPOCH = 1_700_000_000.0
INVITE, OK = b"INVITE sip:a@b SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"
VOICE = packet.build(0, 7, 1120, 9, b"\xff" * 160)
KEY = 'sk-"secret"-0123'


def tick(number: int) -> TickRecord:
    """A tick in which one packet and one report came, and one packet left."""
    now = 10.0 + number * 0.02
    return TickRecord(
        leg=1,
        tick=number,
        now=now,
        commands=2,
        arrivals=(
            Arrival(1, "rtp", ("192.0.2.1", 30000), b"in-%d" % number, now - 0.001),
            Arrival(1, "rtcp", ("192.0.2.1", 30001), b"report", now - 0.0005),
        ),
        departures=(Departure(1, "rtp", ("192.0.2.1", 30000), VOICE),),
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A short call, written."""
    written = Bundle(tmp_path / "call")
    writer = BundleWriter(
        written, header_record("abc", 10.0, epoch=EPOCH, configuration={}), epoch=EPOCH, secrets=[KEY]
    )
    writer.datagram(sent=False, flow=FLOW, data=INVITE, time=10.0)
    writer.note("id", {"what": "tag", "value": "t1"}, 0.0)
    writer.note("leg", {"leg": 1, "host": "192.0.2.9", "port": 40000}, 10.001)
    writer.datagram(sent=True, flow=FLOW, data=OK, time=10.002)
    writer.note("open", {"provider": "openai", "url": "wss://api.example.com"}, 10.003)
    writer.frame(provider="openai", sent=True, text='{"type":"session.update"}', time=10.004)
    writer.frame(provider="openai", sent=False, text='{"type":"session.updated"}', time=10.005)
    writer.tick(tick(1), 10.021)
    writer.tick(tick(2), 10.041)
    writer.close()
    return written
