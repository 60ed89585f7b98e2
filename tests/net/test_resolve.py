"""From URIs to servers, on virtual time: NAPTR, SRV and addresses, and what happens while DNS is down."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.zone
import pytest

from sipagent.errors import ConfigurationError
from sipagent.net.resolve import Resolver, SystemDns
from sipagent.sip.flow import Address, Transport
from sipagent.sip.targets import Pointer, Service, Target
from sipagent.sip.uri import Uri
from sipagent.testing.clock import run

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
UNKNOWN = OSError(-2, "Name or service not known")


@dataclass
class Zone:
    """A DNS with these records. `down`: it answers nothing; `refusing`: with errors. It keeps the questions."""

    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    srv: Mapping[str, Sequence[Service]] = field(default_factory=dict)
    naptr: Mapping[str, Sequence[Pointer]] = field(default_factory=dict)
    down: bool = False
    refusing: bool = False
    questions: list[str] = field(default_factory=list)

    async def addresses(self, host: str) -> list[str]:
        await self._ask(f"A {host}")
        if host not in self.hosts:
            raise UNKNOWN
        return [*self.hosts[host]]

    async def services(self, name: str) -> list[Service]:
        await self._ask(f"SRV {name}")
        return [*self.srv.get(name, ())]

    async def pointers(self, domain: str) -> list[Pointer]:
        await self._ask(f"NAPTR {domain}")
        return [*self.naptr.get(domain, ())]

    async def _ask(self, question: str) -> None:
        self.questions.append(question)
        if self.down:
            await asyncio.sleep(3600)
        if self.refusing:
            raise UNKNOWN


def service(host: str, priority: int = 10, port: int = 5060) -> Service:
    return Service(priority=priority, weight=0, port=port, host=host)


def pointer(service: str, replacement: str, order: int = 10) -> Pointer:
    return Pointer(order=order, preference=10, flags="s", service=service, replacement=replacement)


def found(
    zone: Zone, uri: str, preferred: Transport | None = None, transports: Sequence[Transport] = tuple(Transport)
) -> list[str]:
    """The targets of a URI, each as `UDP 192.0.2.1:5060`."""

    async def main() -> list[Target]:
        return await Resolver(zone, transports=transports, draw=lambda most: 0)(Uri.parse(uri), preferred)

    return [f"{target.transport.value} {target.address}" for target in run(main())]


# ---- who is asked, and what


@pytest.mark.parametrize(
    ("uri", "preferred", "target"),
    [
        ("sip:192.0.2.7", None, "UDP 192.0.2.7:5060"),
        ("sip:192.0.2.7", TCP, "TCP 192.0.2.7:5060"),
        ("sip:192.0.2.7:5080;transport=tcp", UDP, "TCP 192.0.2.7:5080"),
        ("sips:192.0.2.7", UDP, "TLS 192.0.2.7:5061"),
        ("sip:[2001:db8::1]", TLS, "TLS [2001:db8::1]:5061"),
    ],
)
def test_an_address_asks_nobody(uri: str, preferred: Transport | None, target: str) -> None:
    zone = Zone()
    assert found(zone, uri, preferred) == [target]
    assert zone.questions == []


def test_a_name_with_a_port_has_no_services() -> None:
    zone = Zone(hosts={"pbx.example.com": ["192.0.2.8", "192.0.2.7"]})
    assert found(zone, "sip:pbx.example.com:5080") == ["UDP 192.0.2.8:5080", "UDP 192.0.2.7:5080"]
    assert zone.questions == ["A pbx.example.com"]


def test_a_name_of_one_word_is_a_host_of_this_network() -> None:
    zone = Zone(hosts={"pbx": ["192.0.2.7"]})
    assert found(zone, "sip:pbx", TLS) == ["TLS 192.0.2.7:5061"]
    assert zone.questions == ["A pbx"]


def test_with_a_transport_its_services_are_looked_up() -> None:
    zone = Zone(
        hosts={"one.example.com": ["192.0.2.1", "192.0.2.2"], "two.example.com": ["192.0.2.3"]},
        srv={"_sip._tcp.example.com": [service("two.example.com", 20, 5070), service("one.example.com", 10)]},
    )
    assert found(zone, "sip:example.com", TCP) == ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060", "TCP 192.0.2.3:5070"]
    assert zone.questions[0] == "SRV _sip._tcp.example.com"


def test_without_a_transport_the_domain_chooses_it() -> None:
    zone = Zone(
        hosts={"tls.example.com": ["192.0.2.1"]},
        srv={"_sips._tcp.example.com": [service("tls.example.com", port=5061)]},
        naptr={
            "example.com": [
                pointer("SIP+D2U", "_sip._udp.example.com", 20),
                pointer("SIPS+D2T", "_sips._tcp.example.com"),
            ]
        },
    )
    assert found(zone, "sip:example.com") == ["TLS 192.0.2.1:5061"]


def test_without_naptr_the_services_of_our_transports_are_tried_in_turn() -> None:
    zone = Zone(hosts={"tcp.example.com": ["192.0.2.1"]}, srv={"_sip._tcp.example.com": [service("tcp.example.com")]})
    assert found(zone, "sip:example.com") == ["TCP 192.0.2.1:5060"]
    assert zone.questions == [
        "NAPTR example.com",
        "SRV _sip._udp.example.com",
        "SRV _sip._tcp.example.com",
        "A tcp.example.com",
    ]


def test_without_any_service_the_name_itself_is_the_server() -> None:
    zone = Zone(hosts={"example.com": ["192.0.2.1"]})
    assert found(zone, "sip:example.com") == ["UDP 192.0.2.1:5060"]
    assert found(zone, "sips:example.com") == ["TLS 192.0.2.1:5061"]
    assert found(zone, "sip:example.com", transports=(TLS,)) == ["TLS 192.0.2.1:5061"]


def test_a_service_that_is_decidedly_not_there_is_not_used() -> None:
    zone = Zone(hosts={"example.com": ["192.0.2.1"]}, srv={"_sip._udp.example.com": [service(".")]})
    assert found(zone, "sip:example.com", UDP) == ["UDP 192.0.2.1:5060"]


def test_a_server_without_address_is_left_out() -> None:
    zone = Zone(
        hosts={"two.example.com": ["192.0.2.2"]},
        srv={"_sip._udp.example.com": [service("one.example.com"), service("two.example.com", 20)]},
    )
    assert found(zone, "sip:example.com", UDP) == ["UDP 192.0.2.2:5060"]
    zone.hosts = {}
    with pytest.raises(ConfigurationError, match=r'no address for the host "one\.example\.com"'):
        found(zone, "sip:example.com", UDP)


def test_a_certificate_must_name_the_domain_that_was_looked_for() -> None:
    zone = Zone(
        hosts={"edge.example.net": ["192.0.2.1"]}, srv={"_sips._tcp.example.com": [service("edge.example.net")]}
    )
    (target,) = run(Resolver(zone)(Uri.parse("sips:example.com")))
    assert target.name == "example.com"


def test_a_transport_that_we_do_not_speak_is_told() -> None:
    with pytest.raises(ConfigurationError, match="transport=ws: transport is one of udp, tcp and tls"):
        found(Zone(), "sip:192.0.2.1;transport=ws")


# ---- time


def test_an_answer_is_good_for_a_minute() -> None:
    async def main() -> None:
        zone = Zone(hosts={"pbx": ["192.0.2.7"]})
        resolve = Resolver(zone)
        await resolve(Uri.parse("sip:pbx"))
        zone.hosts = {"pbx": ["192.0.2.8"]}
        await asyncio.sleep(59)
        assert await addresses(resolve, "sip:pbx") == ["192.0.2.7"]
        await asyncio.sleep(2)
        assert await addresses(resolve, "sip:pbx") == ["192.0.2.8"]

    run(main())


@pytest.mark.parametrize("outage", ["down", "refusing"])
def test_while_dns_is_down_what_is_known_stays_known(outage: str) -> None:
    async def main() -> None:
        zone = Zone(
            hosts={"one.example.com": ["192.0.2.7"]}, srv={"_sip._udp.example.com": [service("one.example.com")]}
        )
        resolve = Resolver(zone, transports=[UDP])
        await resolve(Uri.parse("sip:example.com"))
        setattr(zone, outage, True)
        await asyncio.sleep(3600)
        assert await addresses(resolve, "sip:example.com") == ["192.0.2.7"]

    run(main(), limit=8000)


def test_a_name_without_address_is_told() -> None:
    with pytest.raises(
        ConfigurationError, match='no address for the host "pbx": Name or service not known; is the name'
    ):
        found(Zone(), "sip:pbx")


def test_a_silent_dns_is_given_up() -> None:
    async def main() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConfigurationError, match="no answer within 5 s"):
            await Resolver(Zone(down=True))(Uri.parse("sip:example.com"), UDP)
        return asyncio.get_running_loop().time() - began

    assert run(main()) == 7  # two seconds for services, five for addresses


async def addresses(resolve: Resolver, uri: str) -> list[str]:
    return [target.address.host for target in await resolve(Uri.parse(uri))]


# ---- this machine, and a name server on loopback

RECORDS = """$TTL 60
_sip._udp IN SRV 10 60 5060 big
_sip._udp IN SRV 20 0 5080 spare.example.net.
@ IN NAPTR 50 10 "s" "SIP+D2U" "" _sip._udp
big IN A 192.0.2.1
"""


class NameServer(asyncio.DatagramProtocol):
    """Answers for example.com, as a name server does."""

    def __init__(self) -> None:
        self._zone = dns.zone.from_text(RECORDS, origin="example.com", check_origin=False, relativize=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        (question,) = query.question
        try:
            answer.answer.append(self._zone.find_rrset(question.name, question.rdtype))
        except KeyError:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), source)


def test_records_are_read_from_a_real_name_server() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.get_extra_info("sockname")[1]
        system = SystemDns(resolver=lambda: resolver)
        assert await system.pointers("example.com") == [
            Pointer(order=50, preference=10, flags="s", service="SIP+D2U", replacement="_sip._udp.example.com")
        ]
        services = await system.services("_sip._udp.example.com")
        assert sorted(services, key=lambda item: item.priority) == [
            Service(priority=10, weight=60, port=5060, host="big.example.com"),
            Service(priority=20, weight=0, port=5080, host="spare.example.net"),
        ]
        assert await system.services("_sip._tcp.example.com") == []
        server.close()

    asyncio.run(main())


def test_without_a_name_server_there_is_no_answer() -> None:
    system = SystemDns(resolver=lambda: dns.asyncresolver.Resolver(configure=False))
    with pytest.raises(OSError, match="SRV of _sip"):
        asyncio.run(system.services("_sip._udp.example.com"))


def test_the_system_knows_its_own_name() -> None:
    (target,) = asyncio.run(Resolver()(Uri.parse("sip:localhost")))
    assert target.address == Address("127.0.0.1", 5060)
