"""Names to addresses, on virtual time."""

import asyncio

import pytest

from sipagent.errors import ConfigurationError
from sipagent.net.resolve import Resolver
from sipagent.sip.flow import Address
from sipagent.testing.clock import run


class Dns:
    """A DNS whose answers are set by the test: addresses, an error, or None for silence. It counts the questions."""

    def __init__(self, answer: list[str] | OSError | None) -> None:
        self.answer = answer
        self.questions = 0

    async def look_up(self, host: str) -> list[str]:
        self.questions += 1
        if self.answer is None:
            await asyncio.sleep(3600)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer or []


@pytest.mark.parametrize("literal", ["192.0.2.7", "2001:db8::1"])
def test_an_ip_literal_is_its_own_address(literal: str) -> None:
    dns = Dns(None)
    assert run(Resolver(dns.look_up)(literal, 5060)) == [Address(literal, 5060)]
    assert dns.questions == 0


def test_a_name_has_all_its_addresses_in_order() -> None:
    dns = Dns(["192.0.2.8", "192.0.2.7"])
    assert run(Resolver(dns.look_up)("pbx", 5080)) == [Address("192.0.2.8", 5080), Address("192.0.2.7", 5080)]


def test_an_answer_is_good_for_a_minute() -> None:
    async def main() -> None:
        dns = Dns(["192.0.2.7"])
        resolve = Resolver(dns.look_up)
        await resolve("pbx", 5060)
        await asyncio.sleep(59)
        await resolve("pbx", 5060)
        assert dns.questions == 1
        dns.answer = ["192.0.2.8"]
        await asyncio.sleep(2)
        assert await resolve("pbx", 5060) == [Address("192.0.2.8", 5060)]

    run(main())


@pytest.mark.parametrize("failure", [OSError(-2, "Name or service not known"), None])
def test_while_dns_is_down_a_known_name_stays_known(failure: OSError | None) -> None:
    async def main() -> None:
        dns = Dns(["192.0.2.7"])
        resolve = Resolver(dns.look_up)
        await resolve("pbx", 5060)
        dns.answer = failure
        await asyncio.sleep(3600)
        assert await resolve("pbx", 5060) == [Address("192.0.2.7", 5060)]

    run(main(), limit=8000)


def test_a_name_without_address_is_told() -> None:
    with pytest.raises(
        ConfigurationError, match='no address for the host "pbx": Name or service not known; is the name'
    ):
        run(Resolver(Dns(OSError(-2, "Name or service not known")).look_up)("pbx", 5060))


def test_a_silent_dns_is_given_up() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(ConfigurationError, match="no answer within 5 s"):
            await Resolver(Dns(None).look_up)("pbx", 5060)
        assert loop.time() - began == 5

    run(main())


def test_the_system_knows_its_own_name() -> None:
    assert asyncio.run(Resolver()("localhost", 5060)) == [Address("127.0.0.1", 5060)]
