"""NAT: which address of ours each peer is told, and what happens when that is the wrong one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from sipagent import Account
from sipagent.config import Configuration, General
from sipagent.config.values import Nat
from sipagent.enrolment import LOOK_AGAIN
from sipagent.errors import ConfigurationError
from sipagent.events import Notice, Registered
from sipagent.lines import STUN_INTERVAL
from sipagent.net.stun import parse as parse_stun
from sipagent.phone import Softphone
from sipagent.reach import Reach
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.keepalive import UDP_INTERVAL
from sipagent.sip.message import Request
from sipagent.sip.targets import Target
from sipagent.testing.clock import run
from sipagent.testing.network import HostPort, Network
from sipagent.testing.world import world_in_memory
from sipagent.world import Endpoint, Receive, Unreachable
from tests.exchange import Exchange
from tests.handset import HANDSET, PHONE, Registrar
from tests.net.test_stun import attribute, message
from tests.sip.bench import answer
from tests.test_phone import listen

OURS = Address("192.168.1.5", 5060)
SEEN = Address("20.30.40.7", 32853)
NEAR, FAR, FARTHER = "192.168.1.1", "8.8.8.8", "9.9.9.9"
"""Addresses of the wide world: those of documentation count as private."""


def to(remote: str, *, local: Address = OURS, transport: Transport = Transport.UDP) -> Flow:
    return Flow(transport=transport, local=local, remote=Address(remote, 5060))


def reach(**options: Any) -> Reach:
    return Reach(replace(General(), **options))


# ---- which address


def test_nothing_known_we_are_where_we_are() -> None:
    assert reach().sip(to(FAR)) == OURS
    assert reach().media(to(NEAR)) == OURS.host


def test_whoever_saw_us_is_told_what_it_saw_and_others_out_there_too() -> None:
    learnt = reach()
    learnt.learn(to(FAR), SEEN)
    assert learnt.sip(to(FAR)) == SEEN
    assert learnt.sip(to(FARTHER)) == SEEN
    assert learnt.sip(to(NEAR)) == OURS


def test_what_a_near_peer_saw_is_for_it_alone() -> None:
    learnt = reach()
    docker = Address("172.17.0.1", 5060)
    learnt.learn(to(NEAR), docker)
    assert learnt.sip(to(NEAR)) == docker
    assert learnt.sip(to(FAR)) == OURS


def test_a_public_address_of_ours_needs_no_other() -> None:
    learnt = reach()
    learnt.learn_public(SEEN)
    public = Address("20.30.40.99", 5060)
    assert learnt.sip(to(FAR, local=public)) == public
    assert learnt.sip(to(FAR)) == SEEN


def test_external_address_comes_first_but_not_for_peers_nearby() -> None:
    configured = reach(external_address="203.0.113.99")
    configured.learn(to(FAR), SEEN)
    assert configured.sip(to(FAR)) == Address("203.0.113.99", OURS.port)
    assert configured.sip(to(NEAR)) == OURS


def test_without_nat_nothing_is_learnt() -> None:
    off = reach(nat=Nat.OFF)
    off.learn(to(FAR), SEEN)
    off.learn_public(SEEN)
    assert off.sip(to(FAR)) == OURS


def test_the_port_of_a_connection_is_no_address_to_call() -> None:
    learnt = reach()
    over_tcp = to(FAR, transport=Transport.TCP)
    learnt.learn(over_tcp, Address(OURS.host, 49152))
    assert learnt.sip(over_tcp) == OURS
    learnt.learn(over_tcp, SEEN)
    assert learnt.sip(over_tcp) == SEEN
    assert learnt.sip(to(FAR)) == OURS, "over UDP the NAT has another port"


def test_what_was_seen_is_forgotten_with_the_way() -> None:
    learnt = reach()
    learnt.learn(to(FAR), SEEN)
    learnt.forget(to(FAR))
    assert learnt.sip(to(FAR)) == OURS
    assert learnt.sip(to(FARTHER)) == OURS


@pytest.mark.parametrize(
    ("options", "seen", "cure"),
    [
        ({}, None, "write your public address as external_address"),
        ({"external_address": "203.0.113.99"}, SEEN, "write external_address = 20.30.40.7"),
        ({"external_address": SEEN.host}, SEEN, ""),
        ({"nat": Nat.OFF}, SEEN, "or nat = auto"),
        ({}, SEEN, ""),
    ],
)
def test_an_address_that_cannot_be_right_is_told_once_with_its_cure(
    options: dict[str, Any], seen: Address | None, cure: str
) -> None:
    told = reach(**options)
    if seen is not None:
        told.learn(to(FAR), seen)
    warning = told.warning(to(FAR))
    assert (cure in warning) if cure else not warning
    assert told.warning(to(FAR)) == ""


# ---- registered through a NAT


class BehindNat(Registrar):
    """A registrar that sees the phone at another address than the phone knows of."""

    seen: Address | None = SEEN
    ports_change = False

    def answers(self, code: int, invite: Request, body: bytes = b"", *, headers: tuple[str, ...] = ()) -> None:
        if invite.method != "REGISTER" or self.seen is None:
            super().answers(code, invite, body, headers=headers)
            return
        if self.ports_change:
            self.seen = Address(self.seen.host, self.seen.port + 1)
        text = answer(invite, code, headers=(f"Contact: {invite.contact};expires=300",))
        stamped = text.replace(";rport", f";rport={self.seen.port};received={self.seen.host}")
        self.network.send((HANDSET, 5060), (PHONE, 5060), stamped.encode())

    network: Network


def behind_nat(story: Callable[[Exchange], Awaitable[None]], **general: Any) -> Exchange:
    async def told(exchange: Exchange) -> None:
        assert isinstance(exchange.handset, BehindNat)
        exchange.handset.network = exchange.network
        await story(exchange)

    return Exchange(
        listen,
        configuration=Configuration(general=replace(General(), **general)),
        accounts=(Account(f"sip:6001@{HANDSET}", password="pass"),),
        handset_type=BehindNat,
    ).tell(told)


def contacts(exchange: Exchange) -> list[str]:
    """What each REGISTER says, without the token."""
    rows = [request.headers.get("contact") or "" for request in exchange.handset.of("REGISTER")]
    tokens = [request.contact.uri.user for request in exchange.handset.of("REGISTER")]
    return [row.replace(token, "token") for row, token in zip(rows, tokens, strict=True)]


OLD, NEW = f"<sip:token@{PHONE}:5060>", f"<sip:token@{SEEN}>"


def test_the_contact_becomes_what_the_registrar_sees_and_the_old_one_goes() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        assert contacts(exchange) == [OLD, f"{NEW}, {OLD};expires=0"]
        assert await exchange.handset.calls() == 200
        assert f"c=IN IP4 {SEEN.host}" in exchange.handset.body
        contact = next(item for item in exchange.handset.responses if item.code == 200).headers.get("contact") or ""
        assert contact.endswith(f"@{SEEN}>")
        await exchange.handset.hangs_up()

    told = behind_nat(story)
    assert told.of(Notice) == []


def test_a_nat_that_changes_its_port_each_time_is_not_run_after() -> None:
    async def story(exchange: Exchange) -> None:
        assert isinstance(exchange.handset, BehindNat)
        exchange.handset.ports_change = True
        await asyncio.sleep(UDP_INTERVAL * 0.7)
        assert len(exchange.handset.of("REGISTER")) == 2

    behind_nat(story)


def test_with_nat_off_the_contact_stays_and_the_operator_is_told() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        assert contacts(exchange) == [OLD]

    (notice,) = behind_nat(story, nat=Nat.OFF).of(Notice)
    assert f"sees us at {SEEN.host}" in notice.text


def test_with_nat_strict_a_call_that_would_be_one_way_is_refused() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        assert await exchange.handset.calls() == 503
        with pytest.raises(ConfigurationError, match=r"nat = strict.*write external_address"):
            exchange.phone.call("6002")

    behind_nat(story, nat=Nat.STRICT, external_address="203.0.113.99", local_net=())


# ---- STUN


class StunServer:
    """Tells everybody the same address, until it is `silent`."""

    def __init__(self, network: Network) -> None:
        self.questions = 0
        self.silent = False
        self._endpoint = network.bind("127.0.0.3", 3478, self._take)

    def _take(self, data: bytes, source: HostPort) -> None:
        asked = parse_stun(data)
        assert asked is not None
        self.questions += 1
        if not self.silent:
            mapped = attribute(0x0001, b"\0\1" + SEEN.port.to_bytes(2, "big") + bytes(map(int, SEEN.host.split("."))))
            self._endpoint.send(message(0x0101, asked.transaction, mapped), source)


def test_stun_is_asked_and_asked_again_and_its_silence_is_told_once() -> None:
    async def story(exchange: Exchange) -> None:
        server = StunServer(exchange.network)
        await asyncio.sleep(STUN_INTERVAL + 1)
        assert server.questions == 2
        server.silent = True
        await asyncio.sleep(400)

    configuration = Configuration(general=replace(General(), stun_server="127.0.0.3"))
    (notice,) = Exchange(listen, configuration=configuration).tell(story).of(Notice)
    assert "stun_server = 127.0.0.3 does not answer" in notice.text


# ---- on the move


class Roaming:
    """An endpoint of a machine that gets another address."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.host = endpoint.local.host
        self._endpoint = endpoint

    @property
    def local(self) -> Address:
        return self._endpoint.local

    def flow_to(self, target: Target) -> Flow:
        return replace(self._endpoint.flow_to(target), local=Address(self.host, self.local.port))

    def send(self, data: bytes, flow: Flow) -> None:
        self._endpoint.send(data, flow)

    def close(self) -> None:
        self._endpoint.close()


def test_a_machine_that_moves_registers_its_new_address_at_once() -> None:
    async def story() -> None:
        network = Network()
        registrar = Registrar(network)
        world = world_in_memory(network, PHONE)
        endpoints: list[Roaming] = []

        async def open_endpoint(address: Address, receive: Receive, unreachable: Unreachable) -> Roaming:
            endpoints.append(Roaming(await world.open_endpoint(address, receive, unreachable)))
            return endpoints[0]

        events: list[object] = []
        account = Account(f"sip:6001@{HANDSET}", password="pass")
        async with Softphone(account, world=replace(world, open_endpoint=open_endpoint)) as phone:
            phone.watch(lambda stamped: events.append(stamped.event))
            await asyncio.sleep(1)
            endpoints[0].host = "10.9.9.9"
            await asyncio.sleep(LOOK_AGAIN + 1)
            rows = [request.headers.get("contact") or "" for request in registrar.of("REGISTER")]
            assert len(rows) == 2
            assert "@10.9.9.9:5060>" in rows[1]
            assert f"@{PHONE}:5060>;expires=0" in rows[1]
        assert sum(isinstance(event, Registered) for event in events) == 2

    run(story())
