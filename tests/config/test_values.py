"""Values of options: what is accepted, what it means, and what is said about the rest."""

from ipaddress import ip_network
from typing import Any

import pytest

from sipagent.config.options import Account, AgentSection, Cartesia, Console, General, OpenAI, Record, Tls, Trunk
from sipagent.config.values import Codec, Nat, PortRange, Srtp, readers_of, transfer_target, written
from sipagent.sip.flow import Address, Transport


@pytest.mark.parametrize(
    ("section", "key", "text", "value"),
    [
        (General, "bind", "127.0.0.1:5070", Address("127.0.0.1", 5070)),
        (General, "bind", "127.0.0.1", Address("127.0.0.1", 5060)),
        (General, "bind", "0.0.0.0:0", Address("0.0.0.0", 0)),
        (General, "bind", "[::1]:5070", Address("::1", 5070)),
        (General, "transports", "udp, TCP", (Transport.UDP, Transport.TCP)),
        (General, "local_net", "10.0.0.0/8 192.0.2.7", (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"))),
        (General, "nat", "Strict", Nat.STRICT),
        (General, "rtp_ports", "10000-10199", PortRange(10000, 10199)),
        (General, "codecs", "alaw,ulaw,alaw", (Codec.ALAW, Codec.ULAW)),
        (General, "max_calls", "12", 12),
        (General, "rtp_timeout", "0", 0),
        (Tls, "verify", "No", False),
        (Account, "registrar", "pbx.example.com", "sip:pbx.example.com"),
        (Account, "registrar", "sips:pbx.example.com:5081;transport=tls", "sips:pbx.example.com:5081;transport=tls"),
        (Account, "transport", "tls", Transport.TLS),
        (Trunk, "peers", "203.0.113.7/24", (ip_network("203.0.113.0/24"),)),
        (Trunk, "called", "555*, 1000", ("555*", "1000")),
        (OpenAI, "base_url", "ws://127.0.0.1:8000/v1/", "ws://127.0.0.1:8000/v1"),
        (Cartesia, "base_url", "http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        (Console, "listen", "0.0.0.0", Address("0.0.0.0", 8080)),
    ],
)
def test_a_value_is_read(section: type[Any], key: str, text: str, value: object) -> None:
    assert readers_of(section)[key](text) == value


@pytest.mark.parametrize(
    ("section", "key", "text"),
    [
        (General, "bind", "pbx.example.com:5060"),
        (General, "bind", "127.0.0.1:65536"),
        (General, "bind", "300.0.0.1"),
        (General, "transports", "udp,sctp"),
        (General, "external_address", "pbx.example.com"),
        (General, "local_net", "10.0.0.0/40"),
        (General, "rtp_ports", "10000"),
        (General, "rtp_ports", "20000-10000"),
        (General, "rtp_ports", "10001-10002"),
        (General, "rtp_ports", "80-90"),
        (General, "codecs", "ulaw,gsm"),
        (General, "max_calls", "0"),
        (General, "max_calls", "ten"),
        (General, "max_calls", "-1"),
        (Tls, "verify", "maybe"),
        (Account, "registrar", "sip:6001@pbx.example.com"),
        (Account, "registrar", "http://pbx.example.com"),
        (Account, "registrar", "pbx example com"),
        (Account, "expires", "10"),
        (OpenAI, "base_url", "http://127.0.0.1:8000"),
        (OpenAI, "base_url", "127.0.0.1:8000/v1"),
        (OpenAI, "base_url", "https://user:password@host/v1"),
        (Cartesia, "base_url", "http://127.0.0.1:8001/tts"),
        (AgentSection, "pipeline", "full-cascade"),
        (Record, "calls", "mp3"),
    ],
)
def test_a_wrong_value_is_refused(section: type[Any], key: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|ends|has) "):
        readers_of(section)[key](text)


@pytest.mark.parametrize("target", ["1000", "+15550100", "*97", "sip:1000@pbx.example.com"])
def test_a_call_can_be_sent_to_a_number_or_a_user(target: str) -> None:
    assert transfer_target(target) == target


@pytest.mark.parametrize("target", ["", "reception", "sip:pbx.example.com", "1 000", "sip:1@pbx?Replaces=x"])
def test_a_call_can_be_sent_nowhere_else(target: str) -> None:
    with pytest.raises(ValueError, match="is a number or a SIP URI"):
        transfer_target(target)


@pytest.mark.parametrize(
    ("first", "last", "calls"), [(40000, 41999, 1000), (10000, 10001, 1), (10001, 10004, 1), (10001, 10002, 0)]
)
def test_a_port_range_knows_how_many_calls_it_carries(first: int, last: int, calls: int) -> None:
    assert PortRange(first, last).calls == calls


@pytest.mark.parametrize("section", [General, Tls, AgentSection, OpenAI, Cartesia, Record, Console, Trunk])
def test_every_value_is_written_so_that_it_reads_the_same(section: type[Any]) -> None:
    defaults = section()
    for key, read in readers_of(section).items():
        value = getattr(defaults, key)
        if text := written(value):
            assert read(text) == value


@pytest.mark.parametrize("value", [True, False, Transport.TLS, Srtp.REQUIRE, (Codec.ULAW, Codec.G722)])
def test_a_written_value_is_text(value: object) -> None:
    assert written(value) in {"yes", "no", "tls", "require", "ulaw,g722"}
