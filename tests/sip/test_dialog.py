"""Dialogs (RFC 3261 section 12): route sets, numbers, and where the next request goes."""

from dataclasses import replace

import pytest

from sipagent.sip.dialog import Dialog
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.message import Request, Response, parse
from tests.sip.bench import PEER, answer, flow_from, request

PUBLIC = Address("198.51.100.7", 5060)
OVER_TCP = Flow(
    transport=Transport.TCP, local=Address("127.0.0.1", 5060), remote=Address("127.0.0.2", 40123), connection=3
)


def invited(
    *headers: str, via: str = "", source: Address = PEER, contact: str = "<sip:alice@127.0.0.2:5070>"
) -> Dialog:
    text = request("INVITE", headers=headers, via=via).replace("<sip:alice@127.0.0.2:5060>", contact)
    message = parse(text.encode())
    assert isinstance(message, Request)
    return Dialog.of_request(message, "ours", flow_from(source))


def next_request(dialog: Dialog, method: str = "BYE") -> Request:
    return dialog.request(method, branch="b")


def test_the_callee_turns_from_and_to_round() -> None:
    bye = next_request(invited())
    assert (bye.uri, bye.call_id, str(bye.cseq)) == ("sip:alice@127.0.0.2:5070", "call-1", "1 BYE")
    assert bye.headers.get("from") == "<sip:6001@127.0.0.1>;tag=ours"
    assert bye.headers.get("to") == '"Alice" <sip:alice@127.0.0.2>;tag=alice'
    assert bye.headers.get("via") == "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKb;rport"


def test_numbers_count_on_and_an_ack_has_its_invites() -> None:
    dialog = invited()
    assert [next_request(dialog).cseq.number for _ in range(3)] == [1, 2, 3]
    assert dialog.request("ACK", branch="b", number=7).cseq.number == 7
    assert next_request(dialog).cseq.number == 4


def test_a_request_out_of_order_is_not_taken() -> None:
    dialog = invited()
    taken = []
    for number in (2, 5, 4, 5):
        message = parse(request("BYE", cseq=number).encode())
        assert isinstance(message, Request)
        taken.append(dialog.takes(message))
    assert taken == [True, True, False, True]


def test_loose_routing_keeps_the_target_in_the_request_uri() -> None:
    bye = next_request(invited("Record-Route: <sip:127.0.0.3;lr>, <sip:p2.example.com;lr>"))
    assert bye.uri == "sip:alice@127.0.0.2:5070"
    assert bye.headers.rows("route") == ["<sip:127.0.0.3;lr>", "<sip:p2.example.com;lr>"]


def test_strict_routing_puts_the_target_last() -> None:
    bye = next_request(invited("Record-Route: <sip:127.0.0.3>", "Record-Route: <sip:p2.example.com;lr>"))
    assert bye.uri == "sip:127.0.0.3"
    assert bye.headers.rows("route") == ["<sip:p2.example.com;lr>", "<sip:alice@127.0.0.2:5070>"]


def test_the_caller_reverses_the_record_route() -> None:
    invite = parse(request("INVITE").encode())
    assert isinstance(invite, Request)
    routes = ["Record-Route: <sip:p2.example.com;lr>", "Record-Route: <sip:127.0.0.3;lr>"]
    ok = parse(answer(invite, 200, tag="peer", headers=routes).encode())
    assert isinstance(ok, Response)
    bye = next_request(Dialog.of_response(invite, ok, flow_from(PEER)))
    assert bye.headers.rows("route") == ["<sip:127.0.0.3;lr>", "<sip:p2.example.com;lr>"]
    assert (bye.uri, bye.to.tag, bye.from_.tag, bye.cseq.number) == ("sip:bob@127.0.0.2:5060", "peer", "alice", 2)


@pytest.mark.parametrize("headers", [["Contact: nothing"], ["Contact: *"]])
def test_a_2xx_without_a_usable_contact_leaves_the_request_uri(headers: list[str]) -> None:
    invite = parse(request("INVITE").encode())
    assert isinstance(invite, Request)
    ok = parse(answer(invite, 200, headers=headers).encode())
    assert isinstance(ok, Response)
    assert next_request(Dialog.of_response(invite, ok, flow_from(PEER))).uri == "sip:6001@127.0.0.1"


@pytest.mark.parametrize("contact", ["nothing", "<sip:alice@127.0.0.2:x>"])
def test_an_invite_without_a_usable_contact_opens_no_dialog(contact: str) -> None:
    with pytest.raises(ValueError, match=" "):
        invited(contact=contact)


class TestWhereItGoes:
    def test_to_the_contact_of_an_honest_peer(self) -> None:
        assert invited().next_flow().remote == Address("127.0.0.2", 5070)

    def test_to_the_topmost_route(self) -> None:
        assert invited("Record-Route: <sip:127.0.0.3:5080;lr>").next_flow().remote == Address("127.0.0.3", 5080)

    def test_a_strict_route_is_the_next_hop_too(self) -> None:
        assert invited("Record-Route: <sip:127.0.0.3>").next_flow().remote == Address("127.0.0.3", 5060)

    def test_a_name_is_reached_where_the_first_message_came_from(self) -> None:
        assert invited(contact="<sip:alice@pc.example.com>").next_flow().remote == PEER

    def test_another_transport_is_reached_where_the_first_message_came_from(self) -> None:
        assert invited(contact="<sip:alice@127.0.0.9;transport=tcp>").next_flow().remote == PEER

    def test_a_peer_behind_a_nat_is_reached_where_it_sends_from(self) -> None:
        via = "Via: SIP/2.0/UDP 203.0.113.99:5060;branch=z9hG4bKn;rport"
        dialog = invited(via=via, source=PUBLIC, contact="<sip:alice@203.0.113.99>")
        assert dialog.next_flow().remote == PUBLIC

    @pytest.mark.parametrize("contact", ["10.0.0.5", "127.0.0.1", "0.0.0.0"])
    def test_a_narrower_address_than_the_peers_own_is_not_believed(self, contact: str) -> None:
        via = f"Via: SIP/2.0/UDP {PUBLIC.host}:5060;branch=z9hG4bKn"
        assert invited(via=via, source=PUBLIC, contact=f"<sip:a@{contact}>").next_flow().remote == PUBLIC

    def test_a_new_contact_is_the_new_target(self) -> None:
        dialog = invited()
        message = parse(request("INVITE", cseq=2).replace("127.0.0.2:5060>", "127.0.0.8:5060>").encode())
        assert isinstance(message, Request)
        dialog.retarget(message)
        assert next_request(dialog).uri == "sip:alice@127.0.0.8:5060"
        assert dialog.next_flow() == replace(flow_from(PEER), remote=Address("127.0.0.8", 5060))

    @pytest.mark.parametrize(
        ("contact", "expected"),
        [
            ("<sip:alice@127.0.0.2:5070;transport=tcp>", OVER_TCP),
            (
                "<sip:alice@127.0.0.3:5070;transport=tcp>",
                replace(OVER_TCP, remote=Address("127.0.0.3", 5070), connection=0),
            ),
            ("<sip:alice@127.0.0.3:5070;transport=tls>", OVER_TCP),
            ("<sip:alice@127.0.0.3;transport=ws>", OVER_TCP),
        ],
    )
    def test_a_connection_of_the_peer_leads_to_the_peer_and_to_nobody_else(self, contact: str, expected: Flow) -> None:
        message = parse(request("INVITE").replace("<sip:alice@127.0.0.2:5060>", contact).encode())
        assert isinstance(message, Request)
        assert Dialog.of_request(message, "ours", OVER_TCP).next_flow() == expected

    def test_over_tls_a_contact_without_port_means_that_of_tls(self) -> None:
        flow = replace(OVER_TCP, transport=Transport.TLS, connection=0)
        message = parse(request("INVITE").replace("<sip:alice@127.0.0.2:5060>", "<sips:alice@127.0.0.3>").encode())
        assert isinstance(message, Request)
        assert Dialog.of_request(message, "ours", flow).next_flow().remote == Address("127.0.0.3", 5061)
