"""SIP over TLS on loopback: whose certificate is believed, which name it must say, and what is told of others."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from sipagent.errors import ConfigurationError
from sipagent.net.tcp import StreamEndpoint
from sipagent.net.tls import Certificates, client_context, server_context
from sipagent.sip.flow import Address, Flow, Transport
from tests.net.peers import Peer, Server, Told, in_time

OPTIONS = b"OPTIONS sip:us@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"
PBX = "pbx.example.com"


@dataclass
class Authority:
    """A CA, its certificates, and the files that sip.conf would name."""

    directory: Path
    ca: trustme.CA

    @property
    def ca_file(self) -> Path:
        path = self.directory / "ca.pem"
        self.ca.cert_pem.write_to_path(path)
        return path

    def server(self, *names: str, asks_for_ours: bool = False) -> ssl.SSLContext:
        """The context of a server with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        if asks_for_ours:
            self.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def ours(self, name: str = "agent.example.com") -> tuple[Path, Path]:
        """Files with a certificate of ours, and its key."""
        issued = self.ca.issue_cert(name)
        certificate, key = self.directory / "cert.pem", self.directory / "key.pem"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), trustme.CA())


async def endpoint(told: Told, files: Certificates) -> StreamEndpoint:
    server = server_context(files)
    return await StreamEndpoint.open(
        Transport.TLS,
        Address("127.0.0.1", 0),
        told.receive,
        told.unreachable,
        listens=server is not None,
        client=client_context(files),
        server=server,
    )


async def outcome(tls: ssl.SSLContext, files: Certificates, name: str) -> str:
    """What becomes of a message to a server that was looked for by `name`: "heard", or why not."""
    told, server = Told(), await Server().listen(tls=tls)
    ours = await endpoint(told, files)
    ours.send(OPTIONS, ours.flow_to(server.address, name))

    async def heard() -> str:
        await (await server.peers.get()).hear(OPTIONS)
        return "heard"

    async def failed() -> str:
        return (await told.failures.get())[1]

    ends = {asyncio.create_task(heard()), asyncio.create_task(failed())}
    done, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    ours.close()
    server.close()
    return done.pop().result()


# ---- servers


def test_a_server_that_proves_its_name_is_believed(authority: Authority) -> None:
    async def main() -> None:
        assert await outcome(authority.server(PBX), Certificates(ca=authority.ca_file), PBX) == "heard"

    in_time(main)


def test_an_address_is_a_name_too(authority: Authority) -> None:
    async def main() -> None:
        assert await outcome(authority.server("127.0.0.1"), Certificates(ca=authority.ca_file), "") == "heard"

    in_time(main)


def test_a_certificate_of_nobody_we_know_is_refused(authority: Authority) -> None:
    async def main() -> None:
        told = await outcome(authority.server(PBX), Certificates(), PBX)
        assert told.startswith("its certificate is not accepted (")
        assert "name the CA that signed it as ca in [tls]" in told

    in_time(main)


def test_a_certificate_of_another_name_is_refused(authority: Authority) -> None:
    async def main() -> None:
        told = await outcome(authority.server("other.example.com"), Certificates(ca=authority.ca_file), PBX)
        assert "not valid for 'pbx.example.com'" in told

    in_time(main)


def test_with_verify_no_anybody_is_believed(authority: Authority) -> None:
    async def main() -> None:
        assert await outcome(authority.server("other.example.com"), Certificates(verify=False), PBX) == "heard"

    in_time(main)


def test_a_server_that_asks_for_it_is_shown_our_certificate(authority: Authority) -> None:
    async def main() -> None:
        tls = authority.server(PBX, asks_for_ours=True)
        certificate, key = authority.ours()
        with_ours = Certificates(ca=authority.ca_file, certificate=certificate, key=key)
        assert await outcome(tls, with_ours, PBX) == "heard"
        assert await outcome(tls, Certificates(ca=authority.ca_file), PBX) != "heard"

    in_time(main)


def test_a_server_that_speaks_no_tls_is_told(authority: Authority) -> None:
    async def main() -> None:
        told, server = Told(), await Server().listen()
        ours = await endpoint(told, Certificates(ca=authority.ca_file))
        ours.send(OPTIONS, ours.flow_to(server.address, PBX))
        (await server.peers.get()).say(b"SIP/2.0 400 Speak Up\r\n\r\n")
        assert (await told.failures.get())[1].startswith("no TLS with it: ")
        ours.close()
        server.close()

    in_time(main)


# ---- callers


def test_a_caller_sees_our_certificate(authority: Authority) -> None:
    async def main() -> None:
        told = Told()
        certificate, key = authority.ours("agent.example.com")
        ours = await endpoint(told, Certificates(certificate=certificate, key=key))
        theirs = ssl.create_default_context(cafile=authority.ca_file)
        peer = await Peer.connect(ours.local, tls=theirs, name="agent.example.com")
        peer.say(OPTIONS)
        data, flow = await told.messages.get()
        assert data == OPTIONS
        assert flow == Flow(transport=Transport.TLS, local=ours.local, remote=peer.address, connection=1)
        ours.send(b"answer", flow)
        await peer.hear(b"answer")
        peer.hang_up()
        ours.close()

    in_time(main)


def test_without_a_certificate_nobody_can_call_by_tls() -> None:
    assert server_context(Certificates()) is None


# ---- files


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    missing, text = tmp_path / "missing.pem", tmp_path / "text.pem"
    text.write_text("hello")
    for ca in (missing, text):
        with pytest.raises(ConfigurationError, match="is no PEM file with certificates"):
            client_context(Certificates(ca=ca))
    for make in (client_context, server_context):
        with pytest.raises(ConfigurationError, match="are no PEM files that belong together"):
            make(Certificates(certificate=text, key=text))


def test_a_key_of_another_certificate_is_told(authority: Authority, tmp_path: Path) -> None:
    certificate, _ = authority.ours()
    key = tmp_path / "other.pem"
    authority.ca.issue_cert("other.example.com").private_key_pem.write_to_path(key)
    with pytest.raises(ConfigurationError, match="belong together"):
        server_context(Certificates(certificate=certificate, key=key))
