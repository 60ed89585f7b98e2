"""The world of this machine: two phones on loopback, a call by each transport."""

import asyncio
from pathlib import Path

import pytest
import trustme

from sipagent.config import Account, Configuration, General, Tls
from sipagent.config.values import PortRange
from sipagent.errors import ConfigurationError
from sipagent.events import CallAnswered, CallReceived, Disconnected, Event, RegistrationFailed, Stamped
from sipagent.phone import Softphone
from sipagent.ringing import InboundCall
from sipagent.sip.flow import Address, Transport

DEADLINE = 20.0
TLS_FROM_UDP = 1
"""How far the port of TLS is from that of UDP and TCP."""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for 127.0.0.1, and its CA."""
    directory, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(directory / "ours.pem")
    ca.cert_pem.write_to_path(directory / "ca.pem")
    return Tls(certificate=directory / "ours.pem", ca=directory / "ca.pem")


def phone(rtp: int, tls: Tls, *accounts: Account) -> Softphone:
    """A phone on any port of loopback."""
    general = General(bind=Address("127.0.0.1", 0), rtp_ports=PortRange(rtp, rtp + 9))
    return Softphone(*accounts, configuration=Configuration(general=general, tls=tls))


async def hear(incoming: InboundCall) -> None:
    call = await incoming.answer()
    async for _ in call.events():
        pass


@pytest.mark.parametrize(
    ("uri", "offset"),
    [
        ("sip:agent@127.0.0.1:{}", 0),
        ("sip:agent@127.0.0.1:{};transport=tcp", 0),
        ("sip:agent@127.0.0.1:{};transport=tls", TLS_FROM_UDP),
        ("sips:agent@127.0.0.1:{}", TLS_FROM_UDP),
    ],
)
def test_a_call_is_answered_and_over_by_each_transport(tls: Tls, uri: str, offset: int) -> None:
    async def main() -> list[Event]:
        told: asyncio.Queue[Stamped] = asyncio.Queue()
        events: list[Event] = []
        async with phone(42000, tls) as callee, phone(42010, tls) as caller, asyncio.timeout(DEADLINE):
            callee.watch(told.put_nowait)
            callee.answer_with(hear)
            call = await (await caller.call_directly(uri.format(callee.address.port + offset))).answered()
            call.hang_up()
            while not (events and isinstance(events[-1], Disconnected)):
                events.append((await told.get()).event)
        return events

    events = asyncio.run(main())
    assert [type(event) for event in events] == [CallReceived, CallAnswered, Disconnected]
    assert isinstance(events[-1], Disconnected)
    assert events[-1].by == "caller"


def test_a_registrar_whose_certificate_is_not_believed_is_told_with_the_cure(tls: Tls) -> None:
    async def main() -> RegistrationFailed:
        told: asyncio.Queue[Stamped] = asyncio.Queue()
        async with phone(42000, tls) as pbx, asyncio.timeout(DEADLINE):
            registrar = f"sip:127.0.0.1:{pbx.address.port + TLS_FROM_UDP}"
            account = Account("sip:6001@pbx.example.com", registrar=registrar, password="pass", transport=Transport.TLS)
            agent = phone(42010, Tls(), account)
            agent.watch(told.put_nowait)
            async with agent:
                event = (await told.get()).event
        assert isinstance(event, RegistrationFailed)
        return event

    failed = asyncio.run(main())
    assert failed.code == 503
    assert "over TLS: its certificate is not accepted" in failed.hint
    assert "ca in [tls]" in failed.hint


def test_files_that_are_none_keep_the_phone_from_starting(tmp_path: Path) -> None:
    async def main() -> None:
        async with phone(42000, Tls(ca=tmp_path / "missing.pem")):
            pass

    with pytest.raises(ConfigurationError, match="is no PEM file with certificates"):
        asyncio.run(main())
