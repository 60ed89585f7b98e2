"""UDP, TCP and TLS as one endpoint on loopback."""

import asyncio
import socket
from pathlib import Path

import pytest
import trustme

from sipagent.errors import ConfigurationError
from sipagent.net.tls import Certificates
from sipagent.net.transports import Transports
from sipagent.sip.flow import Address, Transport
from sipagent.sip.targets import Target
from tests.net.peers import Peer, Server, Told, in_time

OPTIONS = b"OPTIONS sip:us@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"
ANY = Address("127.0.0.1", 0)
UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return Certificates(certificate=tmp_path / "ours.pem", ca=tmp_path / "ca.pem")


async def opened(told: Told, *transports: Transport, certificates: Certificates | None = None) -> Transports:
    return await Transports.open(
        ANY, told.receive, told.unreachable, transports=transports or (UDP, TCP, TLS), certificates=certificates
    )


def target(transport: Transport, address: Address, name: str = "") -> Target:
    return Target(transport=transport, address=address, name=name)


def test_udp_and_tcp_share_a_port_and_tls_has_the_next(certificates: Certificates) -> None:
    async def main() -> None:
        told = Told()
        ours, theirs = await opened(told, certificates=certificates), await opened(Told(), certificates=certificates)
        host, port = ours.local.host, ours.local.port
        for transport, to in ((UDP, port), (TCP, port), (TLS, port + 1)):
            theirs.send(OPTIONS, theirs.flow_to(target(transport, Address(host, to))))
            data, flow = await told.messages.get()
            assert (data, flow.transport, flow.local) == (OPTIONS, transport, Address(host, to))
        ours.close()
        theirs.close()

    in_time(main)


def test_a_flow_is_made_by_the_transport_of_its_target() -> None:
    async def main() -> None:
        ours = await opened(Told())
        remote = Address("127.0.0.9", 5060)
        flows = [ours.flow_to(target(transport, remote, "pbx.example.com")) for transport in (UDP, TCP, TLS)]
        assert [(flow.transport, flow.name) for flow in flows] == [(UDP, ""), (TCP, ""), (TLS, "pbx.example.com")]
        assert [flow.local.port - ours.local.port for flow in flows] == [0, 0, 1]
        ours.close()

    in_time(main)


def test_what_does_not_listen_can_connect_all_the_same() -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        ours = await opened(told, UDP)
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(ours.local)
        ours.send(OPTIONS, ours.flow_to(target(TCP, server.address)))
        await (await server.peers.get()).hear(OPTIONS)
        ours.close()
        server.close()

    in_time(main)


def test_tls_listens_only_with_a_certificate() -> None:
    async def main() -> None:
        ours = await opened(Told())
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(Address(ours.local.host, ours.local.port + 1))
        ours.close()

    in_time(main)


def test_without_udp_a_target_of_udp_is_told_with_the_cure() -> None:
    async def main() -> None:
        ours = await opened(Told(), TCP)
        with pytest.raises(ConfigurationError, match="add udp to transports"):
            ours.flow_to(target(UDP, Address("127.0.0.9", 5060)))
        ours.close()

    in_time(main)


def test_if_any_transport_cannot_have_its_port_none_has() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as theirs:
            taken = Address(*theirs.getsockname())
            with pytest.raises(ConfigurationError, match=r"cannot listen on .* \(tcp\)"):
                await Transports.open(taken, Told().receive, Told().unreachable)
            with socket.socket(type=socket.SOCK_DGRAM) as udp:
                udp.bind((taken.host, taken.port))
        await asyncio.sleep(0)

    in_time(main)
