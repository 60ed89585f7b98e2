"""What the journal says of a SIP message is what the phone gets again: bytes, addresses, transport and connection."""

import asyncio
from pathlib import Path

import pytest

from sipagent.capture.bundle import Bundle, Capture, header_record
from sipagent.capture.replay.signalling import PlayedEndpoint
from sipagent.capture.writer import BundleWriter
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri
from sipagent.testing.clock import run

US, PEER = Address("192.0.2.9", 5060), Address("192.0.2.1", 40123)
INVITE = b"INVITE sip:a@b SIP/2.0\r\n\r\n"
UDP = Flow(transport=Transport.UDP, local=US, remote=PEER)
TCP = Flow(transport=Transport.TCP, local=US, remote=PEER, connection=7)
TLS = Flow(transport=Transport.TLS, local=Address("192.0.2.9", 5061), remote=PEER)


def captured(directory: Path, flow: Flow) -> Capture:
    """A capture in which one message came over `flow`."""
    bundle = Bundle(directory / "call")
    writer = BundleWriter(bundle, header_record("abc", 1.0, epoch=0.0, configuration={}), secrets=())
    writer.datagram(sent=False, flow=flow, data=INVITE, time=1.0)
    writer.close()
    return Capture.load(bundle)


@pytest.mark.parametrize("flow", [UDP, TCP, TLS])
def test_a_message_comes_over_the_flow_that_it_came_over_then(tmp_path: Path, flow: Flow) -> None:
    async def main() -> list[tuple[bytes, Flow]]:
        capture = captured(tmp_path, flow)
        received: list[tuple[bytes, Flow]] = []
        endpoint = await PlayedEndpoint(capture).open(
            US, lambda data, flow: received.append((data, flow)), lambda flow, reason: None
        )
        record = next(record for record in capture.records if record.kind == "sip")
        endpoint.play(capture.datagrams[record.data["pcap"]], record.data)
        return received

    assert run(main()) == [(INVITE, flow)]


def test_the_peer_of_the_call_is_whoever_is_looked_for_over_the_transport_of_the_account(tmp_path: Path) -> None:
    endpoint = PlayedEndpoint(captured(tmp_path, UDP))
    (target,) = asyncio.run(endpoint.resolve(Uri.parse("sip:pbx.example.com"), Transport.TLS))
    assert target == Target(transport=Transport.TLS, address=PEER)
    assert endpoint.flow_to(target) == Flow(transport=Transport.TLS, local=US, remote=PEER)
