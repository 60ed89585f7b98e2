"""An account kept registered, from the name of its registrar on."""

import asyncio

from sipagent.config import Account
from sipagent.enrolment import RESOLVE_AGAIN, identity_of
from sipagent.errors import ConfigurationError
from sipagent.events import Registered, RegistrationFailed
from sipagent.sip.flow import Address, Transport
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri
from tests.exchange import Exchange
from tests.handset import HANDSET, Registrar
from tests.test_phone import listen


def at(host: str) -> Target:
    return Target(transport=Transport.UDP, address=Address(host, 5060))


def test_a_registrar_that_is_not_found_is_looked_for_again() -> None:
    asked: list[str] = []

    async def resolve(uri: Uri, transport: Transport | None) -> list[Target]:
        asked.append(str(uri))
        if len(asked) < 3:
            raise ConfigurationError(f"{uri.host} is not known")
        return [at(HANDSET)]

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(2 * RESOLVE_AGAIN + 1)

    account = Account("sip:6001@pbx.example.com", password="pass")
    told = Exchange(listen, accounts=(account,), handset_type=Registrar, resolve=resolve).tell(story)
    assert asked == ["sip:pbx.example.com"] * 3
    assert [(failed.code, failed.reason, failed.retry_after) for failed in told.of(RegistrationFailed)] == [
        (0, "pbx.example.com is not known", RESOLVE_AGAIN)
    ] * 2
    assert len(told.of(Registered)) == 1
    assert str(told.handset.of("REGISTER")[0].target) == "sip:pbx.example.com"


def test_a_phone_is_put_away_while_it_still_looks_for_its_registrar() -> None:
    async def resolve(uri: Uri, transport: Transport | None) -> list[Target]:
        await asyncio.sleep(3600)
        raise AssertionError

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)

    told = Exchange(listen, accounts=(Account("sip:6001@pbx.example.com"),), resolve=resolve).tell(story)
    assert told.put_away_at == 1


def test_every_address_of_the_registrar_may_ring() -> None:
    async def resolve(uri: Uri, transport: Transport | None) -> list[Target]:
        return [at("127.0.0.9"), at(HANDSET)]

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        assert await exchange.handset.calls() == 200
        await exchange.handset.hangs_up()

    Exchange(listen, accounts=(Account("sip:6001@pbx.example.com"),), resolve=resolve).tell(story)


def test_an_outbound_proxy_is_where_requests_go_and_the_registrar_whom_they_name() -> None:
    account = Account("sip:6001@pbx.example.com", outbound_proxy=f"sip:{HANDSET}")

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)

    told = Exchange(listen, accounts=(account,), handset_type=Registrar).tell(story)
    register = told.handset.of("REGISTER")[0]
    assert str(register.target) == "sip:pbx.example.com"
    assert register.headers.get("route") == f"<sip:{HANDSET};lr>"


def test_who_an_account_is_on_the_wire() -> None:
    account = Account(
        "sip:6001@pbx.example.com", password="pass", auth_username="digest-6001", display_name="Front desk"
    )
    identity = identity_of(account)
    assert str(identity.uri) == "sip:6001@pbx.example.com"
    assert identity.display_name == "Front desk"
    assert identity.credentials is not None
    assert identity.credentials.username == "digest-6001"
    assert "pass" not in repr(identity)


def test_a_proxy_that_says_lr_says_it_once() -> None:
    account = Account("sip:6001@pbx.example.com", outbound_proxy="sip:proxy.example.com;LR")
    assert identity_of(account).routes == ("<sip:proxy.example.com;LR>",)
