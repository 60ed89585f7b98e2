"""SIP over TCP on loopback, with real sockets: connections in and out, and what becomes of what was sent over them."""

import asyncio
import socket

import pytest

from sipagent.errors import ConfigurationError
from sipagent.net.tcp import CONNECTIONS_PER_PEER, StreamEndpoint
from sipagent.sip.flow import Address, Flow, Transport
from tests.net.peers import Peer, Server, Told, in_time

OPTIONS = b"OPTIONS sip:us@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"
RESPONSE = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 127.0.0.1:%d;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
NOWHERE = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP pbx.example.com\r\nContent-Length: 0\r\n\r\n"


ANY = Address("127.0.0.1", 0)


async def endpoint(told: Told, bind: Address = ANY) -> StreamEndpoint:
    return await StreamEndpoint.open(Transport.TCP, bind, told.receive, told.unreachable)


# ---- in


def test_a_message_comes_with_the_flow_of_its_connection_and_the_answer_goes_back_there() -> None:
    async def main() -> None:
        told = Told()
        ours = await endpoint(told)
        peer = await Peer.connect(ours.local)
        peer.say(OPTIONS)
        data, flow = await told.messages.get()
        assert data == OPTIONS
        assert flow == Flow(transport=Transport.TCP, local=ours.local, remote=peer.address, connection=1)
        ours.send(b"answer", flow)
        await peer.hear(b"answer")
        ours.close()

    in_time(main)


def test_two_connections_are_two_flows() -> None:
    async def main() -> None:
        told = Told()
        ours = await endpoint(told)
        peers = [await Peer.connect(ours.local) for _ in range(2)]
        flows = []
        for peer in peers:
            peer.say(OPTIONS)
            flows.append((await told.messages.get())[1])
        for number in (1, 0):
            ours.send(b"to %d" % number, flows[number])
            await peers[number].hear(b"to %d" % number)
        ours.close()

    in_time(main)


def test_on_a_wildcard_the_flow_tells_which_address_was_called() -> None:
    async def main() -> None:
        told = Told()
        ours = await endpoint(told, Address("0.0.0.0", 0))
        peer = await Peer.connect(Address("127.0.0.77", ours.local.port))
        peer.say(OPTIONS)
        _, flow = await told.messages.get()
        assert flow.local == Address("127.0.0.77", ours.local.port)
        ours.close()

    in_time(main)


def test_what_is_not_sip_is_hung_up_on() -> None:
    async def main() -> None:
        ours = await endpoint(Told())
        peer = await Peer.connect(ours.local)
        peer.say(b"GET / HTTP/1.1\r\n\r\n")
        assert await peer.is_hung_up_on()
        ours.close()

    in_time(main)


def test_one_address_has_its_share_of_connections_and_no_more() -> None:
    async def main() -> None:
        told = Told()
        ours = await endpoint(told)
        peers = [await Peer.connect(ours.local) for _ in range(CONNECTIONS_PER_PEER)]
        for peer in peers:
            peer.say(OPTIONS)
            await told.messages.get()
        assert await (await Peer.connect(ours.local)).is_hung_up_on()
        other = await Peer.connect(ours.local, host="127.0.0.2")
        other.say(OPTIONS)
        await told.messages.get()
        peers[0].hang_up()
        await told.failures.get()
        again = await Peer.connect(ours.local)
        again.say(OPTIONS)
        await told.messages.get()
        ours.close()

    in_time(main)


# ---- out


def test_a_connection_is_opened_when_something_is_to_be_sent_and_used_again() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        ours = await endpoint(told)
        flow = ours.flow_to(server.address)
        assert flow == Flow(transport=Transport.TCP, local=ours.local, remote=server.address)
        ours.send(b"one", flow)
        ours.send(b"two", flow)
        peer = await server.peers.get()
        await peer.hear(b"onetwo")
        ours.send(b"three", flow)
        await peer.hear(b"three")
        assert server.peers.empty()
        peer.say(OPTIONS)
        assert await told.messages.get() == (OPTIONS, flow)
        ours.close()
        server.close()

    in_time(main)


def test_a_connection_that_was_refused_is_told_with_its_reason() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        server.close()
        ours = await endpoint(told)
        flow = ours.flow_to(server.address)
        ours.send(OPTIONS, flow)
        assert await told.failures.get() == (flow, "Connection refused")
        ours.close()

    in_time(main)


def test_a_connection_that_was_lost_is_told_and_opened_anew() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        ours = await endpoint(told)
        flow = ours.flow_to(server.address)
        ours.send(b"one", flow)
        peer = await server.peers.get()
        await peer.hear(b"one")
        peer.hang_up()
        assert await told.failures.get() == (flow, "the peer has closed the connection")
        ours.send(b"two", flow)
        await (await server.peers.get()).hear(b"two")
        ours.close()
        server.close()

    in_time(main)


# ---- when the connection of a request is gone (RFC 3261 section 18.2.2)


async def lost_connection(ours: StreamEndpoint, told: Told) -> Flow:
    """The flow of a request whose sender has hung up."""
    peer = await Peer.connect(ours.local)
    peer.say(OPTIONS)
    _, flow = await told.messages.get()
    peer.hang_up()
    assert await told.failures.get() == (flow, "the peer has closed the connection")
    return flow


def test_a_response_goes_to_the_port_of_the_via() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        ours = await endpoint(told)
        flow = await lost_connection(ours, told)
        response = RESPONSE % server.address.port
        ours.send(response, flow)
        await (await server.peers.get()).hear(response)
        ours.close()
        server.close()

    in_time(main)


def test_if_nobody_is_there_the_flow_of_the_request_is_told() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        server.close()
        ours = await endpoint(told)
        flow = await lost_connection(ours, told)
        ours.send(RESPONSE % server.address.port, flow)
        failures = [await told.failures.get()]
        assert (flow, "Connection refused") in failures
        ours.close()

    in_time(main)


def test_what_names_no_address_is_told_at_once() -> None:
    async def main() -> None:
        told = Told()
        ours = await endpoint(told)
        flow = await lost_connection(ours, told)
        ours.send(NOWHERE, flow)
        assert told.failures.get_nowait() == (flow, "its connection is closed")
        ours.close()

    in_time(main)


# ---- ports


def test_a_port_that_is_taken_is_told_with_the_cure() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as theirs:
            taken = Address(*theirs.getsockname())
            with pytest.raises(ConfigurationError) as caught:
                await endpoint(Told(), taken)
        assert str(caught.value).startswith(f"cannot listen on {taken} (tcp): Address already in use: another program")
        assert isinstance(caught.value.__cause__, OSError)

    in_time(main)


def test_a_closed_endpoint_sends_what_waits_and_gives_its_port_back() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        ours = await endpoint(told)
        flow = ours.flow_to(server.address)
        ours.send(b"one", flow)
        peer = await server.peers.get()
        await peer.hear(b"one")
        ours.send(b"farewell", flow)
        ours.close()
        ours.close()
        await peer.hear(b"farewell")
        assert await peer.is_hung_up_on()
        await asyncio.sleep(0)
        assert told.failures.empty()
        again = await endpoint(told, ours.local)
        again.close()
        server.close()

    in_time(main)
