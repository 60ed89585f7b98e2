"""Pings over registered flows (RFC 5626 section 4.4.1), and what follows when the connection is lost (section 4.5)."""

from dataclasses import replace

import pytest

from sipagent.sip.admission import Admission
from sipagent.sip.core import UserAgent
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.framing import PING
from sipagent.sip.identity import Identity
from sipagent.sip.message import Request, parse
from sipagent.sip.outputs import RegistrationEnded, RegistrationRefused, Send
from sipagent.sip.registration import Registration
from sipagent.sip.uri import Uri
from tests.sip.bench import PEER, CountingIds, answer, flow_from

TCP = flow_from(PEER, transport=Transport.TCP)
UDP = flow_from(PEER)
SEEN_BY_NAT = "Via: SIP/2.0/UDP 127.0.0.1:5060;received=203.0.113.9;rport=40123;branch="


class Line:
    """A registered account, and the wire it is registered by: messages and pings alike."""

    def __init__(self, flow: Flow, registrar: str = "sip:pbx.example.com", expires: int = 600) -> None:
        self.now = 0.0
        self.agent = UserAgent(ids=CountingIds(), admission=Admission(), user_agent="")
        self.told: list[object] = []
        self._sent: list[tuple[float, Send]] = []
        self.registration: Registration = self.agent.register(
            identity=Identity(uri=Uri.parse("sip:6001@pbx.example.com")),
            registrar=Uri.parse(registrar),
            flow=flow,
            expires=expires,
            now=0.0,
        )

    def grant(self, *, seen_by_nat: bool = False) -> None:
        """The registrar says yes to the REGISTER that left last."""
        register = self.registers()[-1]
        text = answer(register, 200, headers=["Expires: 600"])
        if seen_by_nat:
            text = text.replace("Via: SIP/2.0/UDP 127.0.0.1:5060;branch=", SEEN_BY_NAT)
        self.agent.receive(text.encode(), self.registration.flow, self.now)
        self._drain()

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.agent.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.agent.handle_timer(self.now)
            self._drain()
        self.now = end

    def lose(self, flow: Flow) -> None:
        self.agent.transport_failed(flow, self.now, "Connection reset by peer")
        self._drain()

    def pings(self) -> list[float]:
        """When pings left."""
        return [time for time, send in self._sent if send.data == PING]

    def registers(self) -> list[Request]:
        self._drain()
        messages = (parse(send.data) for _, send in self._sent)
        return [message for message in messages if isinstance(message, Request)]

    def _drain(self) -> None:
        for output in self.agent.outputs():
            if isinstance(output, Send):
                self._sent.append((self.now, output))
            else:
                self.told.append(output)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_a_registered_connection_is_pinged_before_it_is_two_minutes_idle(transport: Transport) -> None:
    line = Line(flow_from(PEER, transport=transport))
    line.grant()
    line.advance(290.0)
    assert line.pings() == pytest.approx([108.0, 216.0])


def test_udp_is_pinged_only_where_a_nat_was_seen() -> None:
    plain, behind_nat = Line(UDP), Line(UDP)
    plain.grant()
    behind_nat.grant(seen_by_nat=True)
    for line in (plain, behind_nat):
        line.advance(60.0)
    assert plain.pings() == []
    assert behind_nat.pings() == pytest.approx([26.1, 52.2])


def test_a_refresh_does_not_disturb_the_rhythm() -> None:
    line = Line(TCP)
    line.grant()
    line.advance(400.0)
    assert len(line.registers()) == 2
    line.grant()
    line.advance(100.0)
    assert line.pings() == pytest.approx([108.0, 216.0, 324.0, 432.0])


def test_before_the_registrar_said_yes_and_after_the_end_there_are_no_pings() -> None:
    line = Line(TCP)
    line.advance(30.0)
    assert line.pings() == []
    line.grant()
    line.registration.unregister(line.now)
    line.grant()
    assert isinstance(line.told[-1], RegistrationEnded)
    line.advance(1000.0)
    assert line.pings() == []
    assert line.agent.idle


# ---- a connection that is lost


def test_a_lost_connection_is_registered_anew_within_a_second() -> None:
    line = Line(TCP)
    line.grant()
    line.advance(200.0)
    line.lose(TCP)
    line.advance(1.0)
    assert len(line.registers()) == 2
    assert len(line.pings()) == 1


def test_a_registrar_that_hangs_up_every_time_is_not_hammered() -> None:
    line = Line(TCP)
    for _ in range(4):
        line.grant()
        line.lose(TCP)
        line.advance(30.0)
    assert len(line.registers()) == 5


def test_the_loss_of_another_connection_changes_nothing() -> None:
    line = Line(TCP)
    line.grant()
    line.lose(replace(TCP, connection=7))
    line.lose(flow_from(Address("127.0.0.9", 5060), transport=Transport.TCP))
    line.advance(10.0)
    assert len(line.registers()) == 1


def test_a_datagram_that_did_not_arrive_loses_no_registration() -> None:
    line = Line(UDP)
    line.grant()
    line.lose(UDP)
    line.advance(100.0)
    assert len(line.registers()) == 1


def test_why_there_is_no_connection_is_told() -> None:
    line = Line(flow_from(PEER, transport=Transport.TLS))
    line.agent.transport_failed(line.registration.flow, 0.0, "its certificate is self-signed")
    line.registers()
    refused = line.told[-1]
    assert isinstance(refused, RegistrationRefused)
    assert refused.hint == "no connection to 127.0.0.2:5060 over TLS: its certificate is self-signed"


# ---- several registrars


def test_a_registrar_that_is_gone_is_left_for_the_next_and_returned_to() -> None:
    second = flow_from(Address("127.0.0.3", 5060), transport=Transport.TCP)
    line = Line(TCP)
    line.registration.servers = (TCP, second)
    line.grant()
    line.advance(100.0)
    line.lose(TCP)
    line.advance(1.0)
    line.lose(TCP)
    line.grant()
    assert line.registration.flow == second
    assert line.agent.contact(TCP) == line.agent.contact(second) == line.registration.contact
    line.advance(400.0)
    assert line.registration.flow == TCP


# ---- Contacts


@pytest.mark.parametrize(
    ("transport", "registrar", "contact"),
    [
        (Transport.UDP, "sip:pbx.example.com", "sip:{}@127.0.0.1:5060"),
        (Transport.TCP, "sip:pbx.example.com", "sip:{}@127.0.0.1:5060;transport=tcp"),
        (Transport.TLS, "sip:pbx.example.com;transport=tls", "sip:{}@127.0.0.1:5060;transport=tls"),
        (Transport.TLS, "sips:pbx.example.com", "sips:{}@127.0.0.1:5060"),
    ],
)
def test_the_contact_says_how_we_are_reached(transport: Transport, registrar: str, contact: str) -> None:
    line = Line(flow_from(PEER, transport=transport), registrar)
    (register,) = line.registers()
    assert register.headers.get("contact") == f"<{contact.format(line.registration.token)}>"
    assert register.via.transport == transport.value
    line.grant()
    line.advance(10.0)
    assert len(line.registers()) == 1
